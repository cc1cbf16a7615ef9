-- Stores events of one user, each at most once: recent events, items seen and purchased, the stream of all events.
-- KEYS: recent events, seen, purchased, event ids, event stream, erasures
-- ARGV: events kept, seconds that keys live (0: for ever), event ids kept, seconds that they live, items kept of each
--       set, hash of the user (8 bytes), then for each event: hash of its id (8 bytes), record (13 bytes), stream entry,
--       1 where the catalogue knows its item: others are kept as recent events alone, and unix seconds
-- Returns a 1 for each event that was stored, a 0 for each duplicate, and for each that the user did before they were
-- erased; and how many values were damaged.
local keep, live, ids_keep, ids_live = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local items_keep, FIRST, STEP = tonumber(ARGV[5]), 7, 5
local erased = redis.pcall('HGET', KEYS[6], ARGV[6])
erased = type(erased) == 'string' and tonumber(erased) or nil

-- The record goes before those that happened later; what came first stays first.
local function insert(records, record)
  local time, at = when(record, 1), #records
  while at > 0 and time > 0 and when(records, at - WIDTH + 1) > time do at = at - WIDTH end
  return string.sub(string.sub(records, 1, at) .. record .. string.sub(records, at + 1), -keep * WIDTH)
end

local told, items = {}, {}
for place = FIRST, #ARGV, STEP do
  told[#told + 1] = ARGV[place]
  if ARGV[place + 3] == '1' then items[#items + 1] = string.sub(ARGV[place + 1], 1, WORD) end
end
local events, ids = read(KEYS[1], WIDTH), read(KEYS[4], WORD)
local sets, added = {read(KEYS[2], WORD), read(KEYS[3], WORD)}, {{}, {}}
local known_ids, known = among(ids, told), {among(sets[1], items), among(sets[2], items)}
local stored, lines, fresh = {}, {}, {}
for place = FIRST, #ARGV, STEP do
  local id, record = ARGV[place], ARGV[place + 1]
  if known_ids[id] or erased and tonumber(ARGV[place + 4]) < erased then
    stored[#stored + 1] = 0
  else
    known_ids[id] = true
    fresh[#fresh + 1] = id
    events = insert(events, record)
    local item = string.sub(record, 1, WORD)
    if ARGV[place + 3] == '1' then
      for set = 1, string.byte(record, WIDTH) % 4 == PURCHASE and 2 or 1 do
        if not known[set][item] then
          known[set][item] = true
          added[set][#added[set] + 1] = item
        end
      end
    end
    lines[#lines + 1] = ARGV[place + 2]
    stored[#stored + 1] = 1
  end
end
if #lines == 0 then return {stored, damaged} end

-- The stream first: a server that is full or read-only refuses the first write, and then nothing is written.
for _, line in ipairs(lines) do insist('XADD', KEYS[5], '*', 'j', line) end
write(KEYS[1], events, live)
write(KEYS[4], string.sub(ids .. table.concat(fresh), -ids_keep * WORD), ids_live)
for set = 1, 2 do
  if #added[set] > 0 then
    write(KEYS[set + 1], string.sub(sets[set] .. table.concat(added[set]), -items_keep * WORD), live)
  elseif live > 0 then
    redis.call('EXPIRE', KEYS[set + 1], live)
  end
end
return {stored, damaged}
