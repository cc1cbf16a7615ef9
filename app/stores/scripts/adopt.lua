-- Adds to a user what is known of somebody else: a visitor who logged in, or the state as of a bundle's cut.
-- KEYS: the user's recent events, seen, purchased
-- ARGV: events kept, seconds that keys live (0: for ever), items kept of each set,
--       recent events, items seen and items purchased to add, and 1 where they are older than what is there
-- What is already there stays; equal events and items count once, so that it may be done again without effect.
-- Returns how many of each were added; how many values were damaged; and, unless they are older, what was added.
local keep, live, items_keep = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local older = ARGV[7] == '1'

local own, values, added = {read(KEYS[1], WIDTH), read(KEYS[2], WORD), read(KEYS[3], WORD)}, {}, {}
if older then
  local taken
  values[1], taken = interleave(ARGV[4], own[1], keep)
  added[1] = #ARGV[4] / WIDTH - (#own[1] / WIDTH - #taken)
else
  values[1], added[1] = interleave(own[1], ARGV[4], keep)
end
for set = 2, 3 do
  local given = ARGV[3 + set]
  local fresh = lacking(own[set], given)
  if older then
    values[set], added[set] = given .. table.concat(lacking(given, own[set])), #fresh
  else
    values[set], added[set] = own[set] .. table.concat(fresh), fresh
  end
  values[set] = string.sub(values[set], -items_keep * WORD)
end
for place = 1, 3 do
  local count = older and added[place] or #added[place]
  if count > 0 and values[place] ~= own[place] then write(KEYS[place], values[place], live) end
end
if older then return {added[1], added[2], added[3], damaged} end
return {
  #added[1], #added[2], #added[3], damaged, table.concat(added[1]), table.concat(added[2]), table.concat(added[3])
}
