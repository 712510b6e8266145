-- Reads where rooms are, then publishes a probe behind all that was published before.
--
-- KEYS[1]  index of the shard's rooms
-- ARGV     1 room prefix, 2 channel, 3 probe, then names of rooms
-- Returns  per room "epoch:top", "" where there is no such room, "?" where it cannot be read. A process whose room is
--          behind that top when the probe comes back has missed something. An epoch that is over ends here as well: the
--          members of a silent room are told in seconds what Redis lost.

local run, time = run_id(), redis.call('TIME')
local _, _, generation = now()

local function position(name)
  -- Which rooms need a new epoch is not known before; run_id is random, and the time, to the microsecond, tells two terms
  -- of one Redis apart.
  local fresh = string.sub(redis.sha1hex(run .. time[1] .. '.' .. time[2] .. name), 1, 16)
  local room = open_room(ARGV[1], name, run, fresh, false)
  if not room then return '' end
  settle(room, generation)
  return room.epoch .. ':' .. string.format('%d', room.top)
end

local positions = {}
for i = 4, #ARGV do
  local read, place = pcall(position, ARGV[i])
  positions[i - 3] = read and place or '?'
end
redis.call('PUBLISH', ARGV[2], 'Q' .. ARGV[3])
return positions
