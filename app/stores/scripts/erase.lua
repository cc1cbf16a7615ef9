-- Forgets a user, and writes down that and when, so that an older bundle does not bring them back.
-- KEYS: event stream, erasures, recent events, seen, purchased, event ids, then a long vector of each version
-- ARGV: hash of the user (8 bytes), unix seconds, stream entry ('' where it is written already)
-- Returns how many recent events, items seen, items purchased and long vectors there were, and how many values were
-- damaged.
local found = {#read(KEYS[3], WIDTH) / WIDTH, #read(KEYS[4], WORD) / WORD, #read(KEYS[5], WORD) / WORD, 0}
for place = 7, #KEYS do found[4] = found[4] + redis.call('EXISTS', KEYS[place]) end
if ARGV[3] ~= '' then insist('XADD', KEYS[1], '*', 'j', ARGV[3]) end
insist('HSET', KEYS[2], ARGV[1], ARGV[2])
for place = 3, #KEYS do redis.call('UNLINK', KEYS[place]) end
found[5] = damaged
return found
