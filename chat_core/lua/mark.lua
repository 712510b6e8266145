-- Notes how far a user has read in a room; never goes back. Publishes where it went on.
--
-- KEYS[1]  index of the shard's rooms
-- ARGV     1 room prefix, 2 room, 3 fresh epoch, 4 channel, 5 user id, 6 epoch, 7 offset
-- Returns  "ok" or a refusal code.

local channel, user, epoch, offset = ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
local _, _, generation = now()
local room = open_room(ARGV[1], ARGV[2], run_id(), ARGV[3], false)
if not room then return 'gone' end
settle(room, generation)
local last = reach(room, epoch)
if last == nil then return 'stale_epoch' end
if offset > last then return 'gone' end
local known_epoch, known = string.match(redis.call('HGET', room.key .. ':read', user) or '', '^(%x+):(%d+)$')
-- What was read beyond the end of an ended epoch is gone with it; an epoch that left the lineage is older than all of it.
local before = known and math.min(tonumber(known), reach(room, known_epoch) or room.top) or -1
if offset > before then
  local place = string.format('%d', offset)
  redis.call('HSET', room.key .. ':read', user, epoch .. ':' .. place)
  redis.call('PUBLISH', channel, string.format('R%s %s %s %s', ARGV[2], user, epoch, place))
end
return 'ok'
