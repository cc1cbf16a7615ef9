-- What every script begins with: lists of fixed-width records, and values that are none.
local WIDTH, WORD, PURCHASE = 13, 8, 3
local FEW = 32 -- words that are looked for one by one; of more, the whole set is read once
local damaged = 0 -- values that are no records: each counts as none, and is overwritten by the next write

local function read(key, width)
  local value = redis.pcall('GET', key)
  if not value then return '' end
  if type(value) == 'string' and #value % width == 0 then return value end
  damaged = damaged + 1
  return ''
end

local function write(key, value, seconds)
  if seconds > 0 then redis.call('SET', key, value, 'EX', seconds) else redis.call('SET', key, value) end
end

-- A write to a key of another type makes room for itself; what else is wrong is raised by the second try.
local function insist(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) ~= 'table' or not reply.err then return end
  if string.find(reply.err, 'WRONGTYPE', 1, true) then
    damaged = damaged + 1
    redis.call('UNLINK', key)
  end
  redis.call(command, key, ...)
end

local function words(text, width)
  local found = {}
  for at = 1, #text, width do found[#found + 1] = string.sub(text, at, at + width - 1) end
  return found
end

local function has(set, word)
  local at = string.find(set, word, 1, true)
  while at and (at - 1) % WORD ~= 0 do at = string.find(set, word, at + 1, true) end
  return at ~= nil
end

-- Which words of a list are in a set.
local function among(set, list)
  local known = {}
  if #list < FEW then
    for _, word in ipairs(list) do known[word] = has(set, word) or nil end
    return known
  end
  local asked = {}
  for _, word in ipairs(list) do asked[word] = true end
  for at = 1, #set, WORD do
    local word = string.sub(set, at, at + WORD - 1)
    if asked[word] then known[word] = true end
  end
  return known
end

-- The words of `more` that `own` lacks, each once, in their order.
local function lacking(own, more)
  if more == '' then return {} end
  local list, added = words(more, WORD), {}
  local known = among(own, list)
  for _, word in ipairs(list) do
    if not known[word] then
      known[word] = true
      added[#added + 1] = word
    end
  end
  return added
end

local function when(records, at)
  return struct.unpack('<I4', records, at + 8) * 64 + math.floor(string.byte(records, at + 12) / 4)
end

-- Both lists are in order, and so is what they become. Of `extra` only what `base` lacks is taken: what happened at the
-- same time goes behind, and what has no time to the front, where the oldest is. Returns the newest `keep`, and what of
-- `extra` was taken.
local function interleave(base, extra, keep)
  if extra == '' or base == '' then return string.sub(base .. extra, -keep * WIDTH), words(extra, WIDTH) end
  local known, rest, merged, taken = {}, {}, {}, {}
  base = words(base, WIDTH)
  for _, record in ipairs(base) do known[record] = (known[record] or 0) + 1 end
  for _, record in ipairs(words(extra, WIDTH)) do
    if (known[record] or 0) > 0 then
      known[record] = known[record] - 1
    else
      taken[#taken + 1] = record
      if when(record, 1) == 0 then merged[#merged + 1] = record else rest[#rest + 1] = record end
    end
  end
  local place = 1
  for _, record in ipairs(base) do
    while rest[place] and when(rest[place], 1) < when(record, 1) do
      merged[#merged + 1], place = rest[place], place + 1
    end
    merged[#merged + 1] = record
  end
  for left = place, #rest do merged[#merged + 1] = rest[left] end
  return table.concat(merged, '', math.max(1, #merged - keep + 1)), taken
end
