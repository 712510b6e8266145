-- Commits a batch of commands of one shard: validates all of them, then writes, then publishes once.
--
-- KEYS[1]  index of the shard's rooms
-- ARGV     1 room prefix, 2 channel, 3 fresh epoch, 4 history (entries per room), then per command eleven:
--          room, kind (m e d r), user id, id, digest of the content, head (JSON of the entry from "id" on),
--          text (JSON), target epoch, target offset, emoji, flags ("1": reaction on; "*": moderator)
-- Returns  per command "ok <epoch> <offset> <duplicate 0|1>" or a refusal code.
--
-- A command is judged by what the batch has decided so far, kept in tables; nothing is written before the last one
-- is judged. A room whose keys cannot be read or written answers `unavailable` and takes no other room with it.

local STRIDE, SLACK, MOST_EMOJI, MOST_REACTIONS, MOST_TRIMMED, TABLE_FROM = 11, 64, 20, 1000, 1000, 65
local prefix, channel, fresh, history = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local run = run_id()
local at_ms, at, generation = now()
local rooms, order, results, touched = {}, {}, {}, {}

local function begin(name)
  local room = open_room(prefix, name, run, fresh, true)
  room.first, room.read_low = room.top + 1, room.low
  room.ids, room.state, room.entries, room.fragments = {}, {}, {}, {}
  return room
end

-- A field of :state as this batch leaves it: false where it is absent.
local function state_of(room, field)
  local value = room.state[field]
  if value == nil then value = redis.call('HGET', room.key .. ':state', field) end
  return value
end

local function known_id(room, field)
  if room.anew then return room.ids[field] end
  return room.ids[field]
    or redis.call('HGET', ids_key(room, generation), field)
    or redis.call('HGET', ids_key(room, generation - 1), field)
end

-- Returns the message that an edit, a deletion or a reaction is about, or nil and the refusal.
local function target_of(room, epoch, offset)
  local entry = offset >= room.first and room.entries[offset - room.first + 1] or entry_at(room, offset)
  -- An entry outlives its epoch's place in the lineage.
  if not (entry and entry.p == epoch) then return nil, reach(room, epoch) and 'gone' or 'stale_epoch' end
  if entry.k ~= 'm' then return nil, 'gone' end
  if offset < room.low or not state_of(room, 't' .. string.format('%d', offset)) then return nil, 'gone' end
  return entry
end

-- Returns the reactions with `user` added to or taken off `emoji`; nil where that changes nothing.
local function reacted(lines, emoji, user, on)
  local kept, found, count, total = {}, false, 0, 0
  for known, users in string.gmatch(lines or '', '([^\t\n]+)\t([^\n]+)') do
    count = count + 1
    total = total + 1 + select(2, string.gsub(users, ',', ','))
    if known == emoji then
      found = true
      local others = string.gsub(',' .. users .. ',', ',' .. string.gsub(user, '%-', '%%-') .. ',', ',')
      others = string.sub(others, 2, -2)
      local present = #others < #users
      if present == on then return nil end
      if on then users = users .. ',' .. user else users = others end
    end
    if users ~= '' then kept[#kept + 1] = known .. '\t' .. users end
  end
  if not found and not on then return nil end
  if on and total >= MOST_REACTIONS or not found and count >= MOST_EMOJI then return nil, 'forbidden' end
  if not found then kept[#kept + 1] = emoji .. '\t' .. user end
  return table.concat(kept, '\n')
end

local function append(room, kind, c, body, tail)
  room.top = room.top + 1
  local offset = string.format('%d', room.top)
  local json = string.format('{"type":"%s","room":"%s","epoch":"%s","offset":%s,"at":%s,%s', kind, room.name,
    room.epoch, offset, at, body)
  room.entries[#room.entries + 1] = { offset = room.top, k = c.kind, u = c.user, p = room.epoch, t = c.target, j = json }
  room.fragments[#room.fragments + 1] = json .. tail .. '}'
end

local function post(room, c)
  append(room, 'message', c, c.head, ',"text":' .. c.text)
  room.state['t' .. string.format('%d', room.top)] = c.text
end

local function edit(room, c)
  append(room, 'edited', c, c.head, ',"text":' .. c.text)
  room.state['t' .. c.target], room.state['e' .. c.target] = c.text, at
  room.state['l' .. c.target] = string.format('%d', room.top)
end

local function delete(room, c)
  append(room, 'deleted', c, c.head, '')
  room.state['t' .. c.target], room.state['e' .. c.target], room.state['r' .. c.target] = false, false, false
end

local function react(room, c)
  local lines, refused = reacted(state_of(room, 'r' .. c.target), c.emoji, c.user, string.find(c.flags, '1', 1, true) ~= nil)
  if refused then return refused end
  if not lines then return 'same' end
  append(room, 'reacted', c, c.head, '')
  room.state['r' .. c.target] = lines ~= '' and lines
end

local function act(room, c)
  if c.kind == 'm' then return post(room, c) end
  local entry, refused = target_of(room, c.epoch, tonumber(c.target))
  if refused then return refused end
  if c.kind == 'r' then return react(room, c) end
  if entry.u ~= c.user and not string.find(c.flags, '*', 1, true) then return 'forbidden' end
  if c.kind == 'e' then return edit(room, c) end
  return delete(room, c)
end

local function judge(room, c)
  local field = c.user .. ' ' .. c.id
  local known = known_id(room, field)
  if known then
    local epoch, offset, digest = string.match(known, '^(%x+):(%d+):%d:(.*)$')
    if digest ~= c.digest then return 'id_conflict' end
    return 'ok ' .. epoch .. ' ' .. offset .. ' 1'
  end
  local refused = act(room, c)
  if refused and refused ~= 'same' then return refused end
  local place = string.format('%d', room.top)
  local duplicate = refused and '1' or '0'
  room.ids[field] = room.epoch .. ':' .. place .. ':' .. duplicate .. ':' .. c.digest
  return 'ok ' .. room.epoch .. ' ' .. place .. ' ' .. duplicate
end

local function trim(room)
  local low = math.min(room.top - history + 1, room.low + MOST_TRIMMED)
  if low - room.low <= math.min(SLACK, history) then return end
  local dead = {}
  local function forget(offset)
    for _, letter in ipairs({ 't', 'e', 'r', 'l' }) do dead[#dead + 1] = letter .. string.format('%d', offset) end
  end
  local last = string.format('%d', low - 1)
  for _, raw in ipairs(redis.call('XRANGE', room.key .. ':log', '-', last)) do
    local entry = fields_of(raw)
    if entry.k == 'm' then
      -- An edit that is still in the log shows the message's text, so the text outlives the message.
      local edited = tonumber(redis.call('HGET', room.key .. ':state', 'l' .. string.format('%d', entry.offset)) or 0)
      if edited < low then forget(entry.offset) end
    elseif entry.k == 'e' and tonumber(entry.t) < low then
      local edited = redis.call('HGET', room.key .. ':state', 'l' .. entry.t)
      if edited and tonumber(edited) < low then forget(tonumber(entry.t)) end
    end
  end
  for i = 1, #dead, 4000 do
    redis.call('HDEL', room.key .. ':state', unpack(dead, i, math.min(i + 3999, #dead)))
  end
  redis.call('XTRIM', room.key .. ':log', 'MINID', string.format('%d', low))
  room.low = low
end

-- A value longer than hash-max-ziplist-value makes the hash a table from the start. As a list, which it would be up to
-- 512 ids, it costs three times as much per command: all ids are compared with the one that is looked for.
local function remember_ids(room)
  if next(room.ids) then
    local flat, key = {}, ids_key(room, generation)
    for field, value in pairs(room.ids) do flat[#flat + 1] = field; flat[#flat + 1] = value end
    if room.generation ~= generation then flat[#flat + 1] = ''; flat[#flat + 1] = string.rep(' ', TABLE_FROM) end
    redis.call('HSET', key, unpack(flat))
    if room.generation ~= generation then redis.call('EXPIRE', key, 2 * ID_SECONDS) end
  end
end

-- What changes with every entry, and what seldom does only when it has.
local function remember_place(room)
  local changed = { 'top', string.format('%d', room.top) }
  if room.low ~= room.read_low then changed[3], changed[4] = 'low', string.format('%d', room.low) end
  if room.generation ~= generation then changed[#changed + 1] = 'generation'; changed[#changed + 1] = generation end
  redis.call('HSET', room.key .. ':meta', unpack(changed))
end

-- The order matters where a key is not what it should be and a write raises: the text of an offset that is never used
-- harms nobody, an id that is remembered without its entry would acknowledge what is not there.
local function write(room)
  if room.anew and #room.entries == 0 then return end -- what is refused creates no room
  settle(room, generation)
  local set, gone = {}, {}
  for field, value in pairs(room.state) do
    if value then set[#set + 1] = field; set[#set + 1] = value else gone[#gone + 1] = field end
  end
  if #set > 0 then redis.call('HSET', room.key .. ':state', unpack(set)) end
  for _, entry in ipairs(room.entries) do
    redis.call('XADD', room.key .. ':log', string.format('%d', entry.offset), 'k', entry.k, 'u', entry.u, 'p', entry.p,
      't', entry.t, 'j', entry.j)
  end
  if #gone > 0 then redis.call('HDEL', room.key .. ':state', unpack(gone)) end
  remember_ids(room)
  if #room.entries == 0 then return end
  trim(room)
  remember_place(room)
  touched[#touched + 1] = at_ms
  touched[#touched + 1] = room.name
end

-- Envelope v1: "L", then per room a header "room epoch first at total size,size,…" and the fragments end to end.
local function enclose(room)
  local sizes, total = {}, 0
  for i, fragment in ipairs(room.fragments) do
    sizes[i] = #fragment
    total = total + #fragment
  end
  return string.format('%s %s %d %s %d %s\n', room.name, room.epoch, room.first, at, total, table.concat(sizes, ','))
    .. table.concat(room.fragments)
end

for i = 5, #ARGV, STRIDE do
  local c = { room = ARGV[i], kind = ARGV[i + 1], user = ARGV[i + 2], id = ARGV[i + 3], digest = ARGV[i + 4],
              head = ARGV[i + 5], text = ARGV[i + 6], epoch = ARGV[i + 7], target = ARGV[i + 8], emoji = ARGV[i + 9],
              flags = ARGV[i + 10] }
  local room = rooms[c.room]
  if room == nil then
    local opened
    opened, room = pcall(begin, c.room)
    room = opened and room
    rooms[c.room] = room
    if room then order[#order + 1] = room end
  end
  local number = #results + 1
  local judged, result = false, nil
  if room then
    judged, result = pcall(judge, room, c)
    room.commands = room.commands or {}
    room.commands[#room.commands + 1] = number
  end
  results[number] = judged and result or 'unavailable'
end

local envelope = {}
for _, room in ipairs(order) do
  local written = pcall(write, room)
  if not written then
    for _, number in ipairs(room.commands) do results[number] = 'unavailable' end
  elseif #room.fragments > 0 then
    envelope[#envelope + 1] = enclose(room)
  end
end
if #envelope > 0 then redis.call('PUBLISH', channel, 'L' .. table.concat(envelope)) end
if #touched > 0 then redis.pcall('ZADD', KEYS[1], unpack(touched)) end -- what is written is written, listed or not
return results
