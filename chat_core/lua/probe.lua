-- Reads where rooms are, then publishes a probe behind all that was published before.
--
-- KEYS[1]  index of the shard's rooms
-- ARGV     1 room prefix, 2 channel, 3 probe, then names of rooms
-- Returns  per room "epoch:top", or "" where there is no such room. A process whose room is behind that top when the
--          probe comes back has missed something.

local tops = {}
for i = 4, #ARGV do
  local meta = redis.call('HMGET', ARGV[1] .. ARGV[i] .. ':meta', 'epoch', 'top')
  tops[i - 3] = meta[1] and (meta[1] .. ':' .. meta[2]) or ''
end
redis.call('PUBLISH', ARGV[2], 'Q' .. ARGV[3])
return tops
