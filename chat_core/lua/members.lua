-- Reads who is in a room.
--
-- KEYS[1]  index of the shard's rooms
-- ARGV     1 room prefix, 2 room
-- Returns  {process, "<seconds left> <JSON>", …}; nil where there is no such room.

local key = ARGV[1] .. ARGV[2]
if redis.call('EXISTS', key .. ':meta') == 0 then return nil end
return present(key, tonumber(redis.call('TIME')[1]))
