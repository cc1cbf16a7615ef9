-- Takes back from a user what a merge had copied of a visitor who was erased meanwhile.
-- KEYS: the user's recent events, seen, purchased
-- ARGV: the recent events, seen and purchased that the copy had added
local widths = {WIDTH, WORD, WORD}
for place = 1, 3 do
  local gone, left = {}, {}
  for _, record in ipairs(words(ARGV[place], widths[place])) do gone[record] = (gone[record] or 0) + 1 end
  for _, record in ipairs(words(read(KEYS[place], widths[place]), widths[place])) do
    if (gone[record] or 0) > 0 then gone[record] = gone[record] - 1 else left[#left + 1] = record end
  end
  if #left > 0 then
    redis.call('SET', KEYS[place], table.concat(left), 'KEEPTTL')
  else
    redis.call('UNLINK', KEYS[place])
  end
end
return damaged
