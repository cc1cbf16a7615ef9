-- What the scripts of the catalogue begin with.
-- KEYS: documents (item id -> `birth sequence kind body`), changes, head (`epoch sequence mark`)
local DIGITS, KINDS = 16, {put = true, patch = true, delete = true}

-- Birth and sequence of a record; nothing where a value is none. `app/artifact/catalogue_records.py` reads the same.
local function numbers_of(value)
  local born, sequence, kind = string.match(value or '', '^(%d+) (%d+) (%l+) ')
  if not KINDS[kind] or #born > DIGITS or #sequence > DIGITS then return nil end
  return tonumber(born), tonumber(sequence)
end

local function whole(number) return string.format('%.0f', number) end

-- Epoch, sequence and mark of the head; nothing where there is none.
local function read_head()
  local value = redis.pcall('GET', KEYS[3])
  if not value then return nil end
  local epoch, sequence, mark
  if type(value) == 'string' then epoch, sequence, mark = string.match(value, '^(%w+) (%d+) (%w+)$') end
  if not epoch or #sequence > DIGITS then
    damaged = damaged + 1
    return nil
  end
  return epoch, tonumber(sequence), mark
end

-- Entries of the changes from one sequence to another, at most so many.
local function entries(first, last, count)
  local reply = redis.pcall('XRANGE', KEYS[2], whole(first) .. '-0', last and whole(last) .. '-0' or '+', 'COUNT', count)
  if not reply.err then return reply end
  damaged = damaged + 1
  return {}
end

-- Values of the documents by the place of their ids, and whether the hash is there.
local function values_of(ids)
  if #ids == 0 then return {}, true end
  local reply = redis.pcall('HMGET', KEYS[1], unpack(ids))
  if not reply.err then return reply, true end
  damaged = damaged + 1
  return {}, false
end

-- Whether a change that was told is lost: the head is before it, or another call has its number now. Without a mark it
-- is not known which call had it.
local function is_lost(told, head_sequence, head_mark)
  local sequence, mark = tonumber(told[1]), told[2]
  if head_sequence < sequence or mark == '' then return head_sequence < sequence end
  if head_sequence == sequence then return head_mark ~= mark end
  local entry = entries(sequence, sequence, 1)[1]
  return entry ~= nil and entry[2][4] ~= mark
end
