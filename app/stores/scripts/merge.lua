-- Adds to a user what is kept of somebody else: a visitor who logged in, or the state as of a bundle's cut.
-- KEYS: the user's recent events, seen, purchased; then, for a visitor, the visitor's, the event stream, and the
--       visitor's long vectors, which count no more
-- ARGV: events kept, seconds that keys live (0: for ever);
--       for a visitor the stream entry, else recent events, seen and purchased as of the cut
-- What is already there stays; equal events and items count once. Returns how many of each were added.
local WIDTH, WORD = 13, 8
local keep, live = tonumber(ARGV[1]), tonumber(ARGV[2])
local visitor = #KEYS > 3

local function given(place)
  if visitor then return redis.call('GET', KEYS[3 + place]) or '' end
  return ARGV[2 + place]
end

local function words(text, width)
  local found = {}
  for at = 1, #text, width do found[#found + 1] = string.sub(text, at, at + width - 1) end
  return found
end

local function when(record)
  return struct.unpack('<I4', record, 9) * 64 + math.floor(string.byte(record, WIDTH) / 4)
end

local function union(own, more)
  local known, added = {}, {}
  for _, word in ipairs(words(own, WORD)) do known[word] = true end
  for _, word in ipairs(words(more, WORD)) do
    if not known[word] then
      known[word] = true
      added[#added + 1] = word
    end
  end
  return own .. table.concat(added), #added
end

-- Both lists are in order, and so is what they become. Of `extra` only what `base` lacks is taken: what happened at the
-- same time goes behind, and what has no time to the front, where the oldest is.
local function interleave(base, extra)
  local known, rest, merged = {}, {}, {}
  for _, record in ipairs(base) do known[record] = (known[record] or 0) + 1 end
  for _, record in ipairs(extra) do
    if (known[record] or 0) > 0 then
      known[record] = known[record] - 1
    elseif when(record) == 0 then
      merged[#merged + 1] = record
    else
      rest[#rest + 1] = record
    end
  end
  local taken, place = #merged + #rest, 1
  for _, record in ipairs(base) do
    while rest[place] and when(rest[place]) < when(record) do
      merged[#merged + 1], place = rest[place], place + 1
    end
    merged[#merged + 1] = record
  end
  for left = place, #rest do merged[#merged + 1] = rest[left] end
  return table.concat(merged, '', math.max(1, #merged - keep + 1)), taken
end

local added, values = {}, {}
local own, more, taken = words(redis.call('GET', KEYS[1]) or '', WIDTH), words(given(1), WIDTH), 0
if visitor then
  values[1], added[1] = interleave(own, more)
else
  values[1], taken = interleave(more, own)
  added[1] = #more - (#own - taken)
end
for set = 2, 3 do values[set], added[set] = union(redis.call('GET', KEYS[set]) or '', given(set)) end
local leaving = {}
for place = 4, #KEYS do
  if place ~= 7 and redis.call('EXISTS', KEYS[place]) == 1 then leaving[#leaving + 1] = KEYS[place] end
end
if visitor and #leaving == 0 then return added end
if visitor then redis.call('XADD', KEYS[7], '*', 'j', ARGV[3]) end
for place = 1, 3 do
  if added[place] > 0 then
    if live > 0 then
      redis.call('SET', KEYS[place], values[place], 'EX', live)
    else
      redis.call('SET', KEYS[place], values[place])
    end
  end
end
for _, key in ipairs(leaving) do redis.call('UNLINK', key) end
return added
