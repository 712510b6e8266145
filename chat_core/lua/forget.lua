-- Removes rooms in which nothing has happened for long and nobody is.
--
-- KEYS[1]  index of the shard's rooms
-- ARGV     1 room prefix, 2 idle seconds, 3 most rooms in one call
-- Returns  the names of the rooms removed.

local idle_since = (tonumber(redis.call('TIME')[1]) - tonumber(ARGV[2])) * 1000
local idle = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', idle_since), 'LIMIT', 0, tonumber(ARGV[3]))
local forgotten = {}
for _, name in ipairs(idle) do
  if redis.call('EXISTS', ARGV[1] .. name .. ':presence') == 1 then
    redis.call('ZADD', KEYS[1], tonumber(redis.call('TIME')[1]) * 1000, name)
  else
    forgotten[#forgotten + 1] = name
  end
end
for _, name in ipairs(forgotten) do
  for _, part in ipairs({ ':meta', ':log', ':state', ':read', ':presence' }) do
    redis.call('DEL', ARGV[1] .. name .. part)
  end
  redis.call('ZREM', KEYS[1], name)
end
return forgotten
