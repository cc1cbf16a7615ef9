-- Drops records of the catalogue up to a sequence, and the entries of the changes that left them.
-- ARGV: epoch, sequence, then item ids
-- Returns how many records there were; nothing is dropped in another epoch.
if read_head() ~= ARGV[1] then return 0 end
local last, ids, names = tonumber(ARGV[2]), {}, {}
-- The entries first: who is behind them then reads all documents, and never asks for one that is gone.
redis.pcall('XTRIM', KEYS[2], 'MINID', whole(last + 1) .. '-0')
for place = 3, #ARGV do ids[#ids + 1] = ARGV[place] end
for place, value in ipairs((values_of(ids))) do
  local _, sequence = numbers_of(value)
  if sequence and sequence <= last then names[#names + 1] = ids[place] end
end
return #names > 0 and redis.call('HDEL', KEYS[1], unpack(names)) or 0
