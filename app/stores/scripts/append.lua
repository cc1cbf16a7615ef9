-- Stores events of one user, each at most once: recent events, items seen and purchased, the stream of all events.
-- KEYS: recent events, seen, purchased, event ids, event stream
-- ARGV: events kept, seconds that keys live (0: for ever), event ids kept, seconds that they live,
--       then for each event: hash of its id (8 bytes), record (13 bytes), stream entry
-- Returns a 1 for each event that was stored, a 0 for each duplicate.
local WIDTH, WORD, PURCHASE = 13, 8, 3
local keep, live, ids_keep, ids_live = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local function has(set, word)
  local at = string.find(set, word, 1, true)
  while at and (at - 1) % WORD ~= 0 do at = string.find(set, word, at + 1, true) end
  return at ~= nil
end

local function when(records, at)
  return struct.unpack('<I4', records, at + 8) * 64 + math.floor(string.byte(records, at + 12) / 4)
end

-- The record goes before those that happened later; what came first stays first.
local function insert(records, record)
  local time, at = when(record, 1), #records
  while at > 0 and time > 0 and when(records, at - WIDTH + 1) > time do at = at - WIDTH end
  return string.sub(records, 1, at) .. record .. string.sub(records, at + 1)
end

local events, ids = redis.call('GET', KEYS[1]) or '', redis.call('GET', KEYS[4]) or ''
local sets = {redis.call('GET', KEYS[2]) or '', redis.call('GET', KEYS[3]) or ''}
local grown, stored, lines = {false, false}, {}, {}
for place = 5, #ARGV, 3 do
  local id, record = ARGV[place], ARGV[place + 1]
  if has(ids, id) then
    stored[#stored + 1] = 0
  else
    ids = ids .. id
    events = insert(events, record)
    local item = string.sub(record, 1, WORD)
    for set = 1, string.byte(record, WIDTH) % 4 == PURCHASE and 2 or 1 do
      if not has(sets[set], item) then sets[set], grown[set] = sets[set] .. item, true end
    end
    lines[#lines + 1] = ARGV[place + 2]
    stored[#stored + 1] = 1
  end
end
if #lines == 0 then return stored end

-- The stream first: a server that is full or read-only refuses the first write, and then nothing is written.
for _, line in ipairs(lines) do redis.call('XADD', KEYS[5], '*', 'j', line) end
local function put(key, value, seconds)
  if seconds > 0 then redis.call('SET', key, value, 'EX', seconds) else redis.call('SET', key, value) end
end
put(KEYS[1], string.sub(events, -keep * WIDTH), live)
put(KEYS[4], string.sub(ids, -ids_keep * WORD), ids_live)
for set = 1, 2 do
  if grown[set] then
    put(KEYS[set + 1], sets[set], live)
  elseif live > 0 then
    redis.call('EXPIRE', KEYS[set + 1], live)
  end
end
return stored
