-- Makes changes of the catalogue in order, each where the record of its item is the one that it was made from.
-- ARGV: epoch to begin where there is none or where changes were lost, mark of this call, entries kept of the changes;
--       epoch, sequence and mark of the newest change that the caller was told; a sequence that was never reached; then
--       for each change: item id, kind, body, and the sequence of the record that it was made from (0: there was none;
--       empty: any)
-- Returns epoch, sequence and mark of the head, how many values were damaged, and for each change the birth and the
-- sequence of its record, two zeros where it was not made.
local FIRST, STEP = 8, 4

local function begin_epoch(sequence)
  if sequence then return ARGV[1], sequence end
  -- Without a head nobody knows the old changes; documents that are left have lower numbers than what comes.
  if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('UNLINK', KEYS[2]) end
  local left = redis.pcall('HLEN', KEYS[1])
  if type(left) ~= 'number' or left == 0 then return ARGV[1], 0 end
  return ARGV[1], tonumber(ARGV[7])
end

local function add(sequence, id)
  local words = {'XADD', KEYS[2], whole(sequence) .. '-0', 'i', id, 'm', ARGV[2]}
  local reply = redis.pcall(unpack(words))
  if type(reply) ~= 'table' or not reply.err then return end
  if string.find(reply.err, 'WRONGTYPE', 1, true) or string.find(reply.err, 'equal or smaller', 1, true) then
    damaged = damaged + 1
    redis.call('UNLINK', KEYS[2])
  end
  redis.call(unpack(words))
end

local ids, known, wrote = {}, {}, false
for place = FIRST, #ARGV, STEP do ids[#ids + 1] = ARGV[place] end
local values, is_there = values_of(ids)
for place, id in ipairs(ids) do
  if values[place] then
    local born, sequence = numbers_of(values[place])
    if born then known[id] = {born, sequence} else damaged = damaged + 1 end
  end
end

local epoch, sequence, mark = read_head()
if epoch and epoch == ARGV[4] and is_lost({ARGV[5], ARGV[6]}, sequence, mark) then
  epoch, wrote = ARGV[1], true
end

-- The stream first: a server that is full or read-only refuses the first write, and then nothing is written.
local fields, numbers = {}, {}
for place = FIRST, #ARGV, STEP do
  local id, kind, body, expected = ARGV[place], ARGV[place + 1], ARGV[place + 2], ARGV[place + 3]
  local born, own = unpack(known[id] or {0, 0})
  if expected == '' or tonumber(expected) == own then
    -- Where all documents are gone, whoever knows them must read anew.
    if not epoch or not is_there then epoch, sequence = begin_epoch(sequence) end
    is_there = true
    sequence, mark, wrote = sequence + 1, ARGV[2], true
    if born == 0 then born = sequence end
    add(sequence, id)
    fields[#fields + 1] = id
    fields[#fields + 1] = whole(born) .. ' ' .. whole(sequence) .. ' ' .. kind .. ' ' .. body
    known[id] = {born, sequence}
    numbers[#numbers + 1] = born
    numbers[#numbers + 1] = sequence
  else
    numbers[#numbers + 1] = 0
    numbers[#numbers + 1] = 0
  end
end
if #fields > 0 then insist('HSET', KEYS[1], unpack(fields)) end
if wrote then
  redis.call('SET', KEYS[3], epoch .. ' ' .. whole(sequence) .. ' ' .. mark)
  redis.pcall('XTRIM', KEYS[2], 'MAXLEN', '~', ARGV[3])
end
if not epoch then return {'', 0, '', damaged, unpack(numbers)} end
return {epoch, sequence, mark, damaged, unpack(numbers)}
