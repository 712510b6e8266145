-- Reads what a member of a room has yet to see: the newest messages, or all log entries after a position.
--
-- KEYS[1]  index of the shard's rooms
-- ARGV     1 room prefix, 2 room, 3 fresh epoch, 4 "join" (creates the room) or "more", 5 and 6 epoch and offset to
--          continue from ("" for none), 7 most entries, 8 most bytes, 9 messages where nothing is continued, 10 user id
-- Returns  {epoch, top, recovered 0|1, offset the page ends at, more 0|1, read position "epoch:offset" or "",
--          presence {process, value, …}, {JSON of an entry, …}}; nil where there is no such room.

local prefix, name, mode, since_epoch, since = ARGV[1], ARGV[2], ARGV[4], ARGV[5], tonumber(ARGV[6])
local most_entries, most_bytes, newest = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local at_ms, _, generation = now()
local room = open_room(prefix, name, run_id(), ARGV[3], mode == 'join')
if not room then return nil end
settle(room, generation)
-- With full memory this fails, and people may read all the same.
if mode == 'join' then redis.pcall('ZADD', KEYS[1], 'GT', at_ms, name) end

-- Returns the entries and the offset they end at; nil where one is missing from the log.
local function entries_after(offset)
  local page, bytes, last = {}, 0, offset
  while #page < most_entries and last < room.top do
    local count = math.min(50, most_entries - #page)
    local chunk = redis.call('XRANGE', room.key .. ':log', string.format('%d', last + 1), '+', 'COUNT', count)
    if #chunk == 0 then return nil end
    for i, raw in ipairs(chunk) do
      chunk[i] = fields_of(raw)
      if chunk[i].offset ~= last + i then return nil end
    end
    for i, json in ipairs(render(room, chunk)) do
      bytes = bytes + #json
      if #page > 0 and bytes > most_bytes then return page, last end
      page[#page + 1] = json
      last = chunk[i].offset
    end
  end
  return page, last
end

local function newest_messages()
  local page = messages_before(room, room.top + 1, newest)
  local bytes, first = 0, #page + 1
  while first > 1 and bytes + #page[first - 1] <= most_bytes do
    first = first - 1
    bytes = bytes + #page[first]
  end
  return { unpack(page, first) }, room.top
end

local recovered = since ~= nil and honoured(room, since_epoch, since)
local page, last
if recovered then page, last = entries_after(since) end
if not page then
  recovered, page, last = false, {}, room.top
  if mode == 'join' then page, last = newest_messages() end
end
local read, presence = '', {}
if mode == 'join' then
  read = redis.call('HGET', room.key .. ':read', ARGV[10]) or ''
  presence = present(room.key, math.floor(at_ms / 1000))
end
return { room.epoch, room.top, recovered and 1 or 0, last, last < room.top and 1 or 0, read, presence, page }
