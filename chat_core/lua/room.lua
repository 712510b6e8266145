-- Prelude of every script: a room's log, its epoch and what may be read of it.
--
-- Keys of a room, all beginning with PREFIX .. NAME:
--   :meta     hash  epoch, top (last offset used), low (first offset not trimmed), run (run_id of the Redis that wrote
--                   last), lineage ("epoch:top,…": ended epochs and the top each was found with; the last 16),
--                   generation of :ids that was last written
--   :log      stream, id = offset: k kind (m e d r), u user id, p epoch, t target offset, j JSON without text and brace
--   :state    hash  t<offset> text as JSON (absent: deleted), e<offset> edited at, r<offset> reactions,
--                   l<offset> offset of the last edit
--   :ids:<n>  hash  "<user> <id>" -> "epoch:offset:duplicate:digest", one per ten minutes; "" -> blanks (remember_ids)
--   :read     hash  user -> "epoch:offset"
--   :presence hash  process -> "<expiry> <JSON>"
-- Texts are kept in :state alone, so that what was deleted or replaced is in no entry of the log.

local LINEAGE_LENGTH, ID_SECONDS = 16, 600

local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

-- Milliseconds since 1970 as an integer, the same in seconds as JSON, and the generation of ids that is being written.
local function now()
  local time = redis.call('TIME')
  local ms = math.floor(tonumber(time[2]) / 1000)
  return tonumber(time[1]) * 1000 + ms, string.format('%s.%03d', time[1], ms), math.floor(tonumber(time[1]) / ID_SECONDS)
end

-- The top that really is in the log; asked only when Redis was restarted and may have lost the end of something.
local function found_top(key, top)
  local last = redis.call('XREVRANGE', key .. ':log', '+', '-', 'COUNT', 1)[1]
  return math.max(top, last and tonumber(string.match(last[1], '^%d+')) or 0)
end

local function end_epoch(room, fresh)
  room.top = found_top(room.key, room.top)
  local lineage = { room.epoch .. ':' .. string.format('%d', room.top) }
  for ended in string.gmatch(room.lineage, '[^,]+') do
    if #lineage < LINEAGE_LENGTH then lineage[#lineage + 1] = ended end
  end
  room.lineage = table.concat(lineage, ',')
  room.epoch = fresh
  room.changed = true
end

-- Returns the room, or nil where there is none and `create` is not set. `fresh` is the epoch to use where a new one is
-- due. Writes nothing: see settle.
local function open_room(prefix, name, run, fresh, create)
  local key = prefix .. name
  local meta = redis.call('HMGET', key .. ':meta', 'epoch', 'top', 'low', 'run', 'lineage',
    'generation')
  local room = { name = name, key = key, epoch = meta[1], top = tonumber(meta[2] or 0), low = tonumber(meta[3] or 1),
                 lineage = meta[5] or '', generation = tonumber(meta[6]) }
  if not room.epoch then
    if not create then return nil end
    room.epoch, room.anew, room.changed = fresh, true, true
  elseif meta[4] ~= run then
    end_epoch(room, fresh)
  end
  room.run = run
  return room
end

local function ids_key(room, generation)
  return string.format('%s:ids:%d', room.key, generation)
end

-- Writes what open_room decided.
local function settle(room, generation)
  if not room.changed then return end
  -- First what full memory refuses: after any other write, Redis would refuse nothing to this script.
  redis.call('HSET', room.key .. ':meta', 'epoch', room.epoch, 'top', string.format('%d', room.top), 'low',
    string.format('%d', room.low), 'run', room.run, 'lineage', room.lineage)
  if room.anew then
    redis.call('DEL', room.key .. ':log', room.key .. ':state', room.key .. ':read', ids_key(room, generation),
      ids_key(room, generation - 1))
  end
  room.anew, room.changed = nil, nil
end

-- The last offset that a position of `epoch` may name: nil for an epoch that is neither the room's nor in its lineage.
local function reach(room, epoch)
  if epoch == room.epoch then return room.top end
  for ended, top in string.gmatch(room.lineage, '(%x+):(%d+)') do
    if ended == epoch then return math.min(tonumber(top), room.top) end
  end
  return nil
end

-- Whether a reader at this position can be brought up to date with nothing missing.
local function honoured(room, epoch, offset)
  local last = reach(room, epoch)
  return last ~= nil and offset <= last and offset >= room.low - 1
end

local function fields_of(entry)
  local fields = { offset = tonumber(string.match(entry[1], '^%d+')) }
  local flat = entry[2]
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

local function entry_at(room, offset)
  local id = string.format('%d', offset)
  local found = redis.call('XRANGE', room.key .. ':log', id, id)[1]
  return found and fields_of(found)
end

-- Reactions are kept as lines "emoji<tab>user,user", oldest first, and read as a JSON object.
local function reactions_json(lines)
  local parts = {}
  for emoji, users in string.gmatch(lines, '([^\t\n]+)\t([^\n]+)') do
    parts[#parts + 1] = '"' .. emoji .. '":["' .. string.gsub(users, ',', '","') .. '"]'
  end
  return '{' .. table.concat(parts, ',') .. '}'
end

-- The JSON of log entries as they are to be read now: with the last text, or null once deleted.
local function render(room, entries)
  local wanted = {}
  for i, entry in ipairs(entries) do
    local about = entry.k == 'e' and entry.t or string.format('%d', entry.offset)
    wanted[3 * i - 2], wanted[3 * i - 1], wanted[3 * i] = 't' .. about, 'e' .. about, 'r' .. about
  end
  local state = #wanted > 0 and redis.call('HMGET', room.key .. ':state', unpack(wanted)) or {}
  local rendered = {}
  for i, entry in ipairs(entries) do
    local text, edited, reactions = state[3 * i - 2], state[3 * i - 1], state[3 * i]
    local json = { entry.j }
    if entry.k == 'm' or entry.k == 'e' then
      json[#json + 1] = ',"text":' .. (text or 'null')
    end
    if entry.k == 'm' and edited then json[#json + 1] = ',"edited_at":' .. edited end
    if entry.k == 'm' and reactions then json[#json + 1] = ',"reactions":' .. reactions_json(reactions) end
    json[#json + 1] = '}'
    rendered[i] = table.concat(json)
  end
  return rendered
end

-- The rendered messages (not edits, deletions, reactions) with an offset below `before`, at most `count`, in the room's
-- order, and whether there are older ones.
local function messages_before(room, before, count)
  local found, upper = {}, before - 1
  while #found <= count and upper >= room.low do
    local chunk = redis.call('XREVRANGE', room.key .. ':log', string.format('%d', upper), '-', 'COUNT', count + 50)
    if #chunk == 0 then break end
    for _, raw in ipairs(chunk) do
      local entry = fields_of(raw)
      upper = entry.offset - 1
      if entry.k == 'm' and #found <= count then found[#found + 1] = entry end
    end
  end
  local ordered = {}
  for i = math.min(#found, count), 1, -1 do ordered[#ordered + 1] = found[i] end
  return render(room, ordered), #found > count
end

-- As messages_before, for offsets above `after`; the second value tells whether there are newer ones.
local function messages_after(room, after, count)
  local found, lower = {}, after + 1
  while #found <= count and lower <= room.top do
    local chunk = redis.call('XRANGE', room.key .. ':log', string.format('%d', lower), '+', 'COUNT', count + 50)
    if #chunk == 0 then break end
    for _, raw in ipairs(chunk) do
      local entry = fields_of(raw)
      lower = entry.offset + 1
      if entry.k == 'm' and #found <= count then found[#found + 1] = entry end
    end
  end
  local more = #found > count
  found[count + 1] = nil
  return render(room, found), more
end

-- The records of the processes that are not silent: {process, "<seconds left> <JSON>", …}.
local function present(key, seconds)
  local records, alive = redis.call('HGETALL', key .. ':presence'), {}
  for i = 1, #records, 2 do
    local expiry, state = string.match(records[i + 1], '^(%d+)( .*)$')
    if tonumber(expiry) >= seconds then
      alive[#alive + 1] = records[i]
      alive[#alive + 1] = string.format('%d', tonumber(expiry) - seconds) .. state
    end
  end
  return alive
end
