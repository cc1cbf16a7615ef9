-- Brings what is stored of a user in the layout before into this one. The two lie on different nodes of a cluster, in
-- which there never was the layout before.
-- KEYS: recent events, seen, purchased, event ids, then long vectors, in the layout before; then the same in this one
-- ARGV: events kept, items kept of each set, event ids kept, and 1 where the old keys are removed
-- What both have counts once, so that it may be done again without effect; of two times to live the longer one holds.
-- Returns how many old keys there were, and how many values were damaged.
local keep = {tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[2]), tonumber(ARGV[3])}
local removes, half = ARGV[4] == '1', #KEYS / 2

local function lives(key) -- milliseconds; 0 for ever
  local left = redis.call('PTTL', key)
  return left == -1 and 0 or left
end

local function put(key, value, one, other)
  if one == 0 or other == 0 then
    redis.call('SET', key, value)
  else
    redis.call('SET', key, value, 'PX', math.max(one, other, 1))
  end
end

local there = {}
for place = 1, half do
  if redis.call('EXISTS', KEYS[place]) == 1 then there[#there + 1] = place end
end
for _, place in ipairs(there) do
  local from, to = KEYS[place], KEYS[half + place]
  if place > 4 then
    if redis.call('EXISTS', to) == 0 then
      local value = redis.pcall('GET', from)
      if type(value) == 'string' then put(to, value, lives(from), lives(from)) end
    end
  else
    local width = place == 1 and WIDTH or WORD
    local old, new, value = read(from, width), read(to, width), nil
    if place == 1 then
      value = interleave(old, new, keep[1])
    else
      value = string.sub(old .. table.concat(lacking(old, new)), -keep[place] * width)
    end
    if value ~= '' then
      local left = new == '' and lives(from) or lives(to)
      if value ~= new or (left ~= 0 and lives(from) == 0) or (left ~= 0 and lives(from) > left) then
        put(to, value, lives(from), left)
      end
    end
  end
end
if removes then
  for _, place in ipairs(there) do redis.call('UNLINK', KEYS[place]) end
end
return {#there, damaged}
