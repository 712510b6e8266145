-- Reads messages of a room for people who are not members; creates nothing.
--
-- KEYS[1]  index of the shard's rooms
-- ARGV     1 room prefix, 2 room, 3 fresh epoch, 4 before and 5 after (offsets, at most one of them, else ""), 6 limit
-- Returns  {epoch, top, more 0|1, {JSON of a message, …}}; nil where there is no such room.

local _, _, generation = now()
local room = open_room(ARGV[1], ARGV[2], run_id(), ARGV[3], false)
if not room then return nil end
settle(room, generation)
local messages, more
if ARGV[5] ~= '' then
  messages, more = messages_after(room, tonumber(ARGV[5]), tonumber(ARGV[6]))
else
  messages, more = messages_before(room, tonumber(ARGV[4]) or room.top + 1, tonumber(ARGV[6]))
end
return { room.epoch, room.top, more and 1 or 0, messages }
