-- Renews what one process knows of who is in its rooms, and tells the others what changed.
--
-- KEYS[1]  index of the shard's rooms
-- ARGV     1 room prefix, 2 channel, 3 process, 4 seconds until expiry, then per room three: name, state (JSON, "" when
--          nobody is left), publication ("" for none)
-- Returns  nothing of use. Records of processes that fell silent are removed on the way.

local process, lifetime = ARGV[3], tonumber(ARGV[4])
local seconds = tonumber(redis.call('TIME')[1])
for i = 5, #ARGV, 3 do
  local key = ARGV[1] .. ARGV[i] .. ':presence'
  if ARGV[i + 1] == '' then
    redis.call('HDEL', key, process)
  else
    redis.call('HSET', key, process, string.format('%d ', seconds + lifetime) .. ARGV[i + 1])
    redis.call('EXPIRE', key, 2 * lifetime)
  end
  local records = redis.call('HGETALL', key)
  for j = 1, #records, 2 do
    if tonumber(string.match(records[j + 1], '^%d+')) < seconds then redis.call('HDEL', key, records[j]) end
  end
  if ARGV[i + 2] ~= '' then redis.call('PUBLISH', ARGV[2], ARGV[i + 2]) end
end
return 1
