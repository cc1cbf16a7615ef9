-- Forgets a user, and writes down that and when, so that an older bundle does not bring them back.
-- KEYS: event stream, erasures, recent events, seen, purchased, event ids, then a long vector of each version
-- ARGV: hash of the user (8 bytes), unix seconds, stream entry
-- Returns how many recent events, items seen, items purchased and long vectors there were.
local found = {
  math.floor(redis.call('STRLEN', KEYS[3]) / 13),
  redis.call('STRLEN', KEYS[4]) / 8,
  redis.call('STRLEN', KEYS[5]) / 8,
  0,
}
for place = 7, #KEYS do found[4] = found[4] + redis.call('EXISTS', KEYS[place]) end
redis.call('XADD', KEYS[1], '*', 'j', ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
for place = 3, #KEYS do redis.call('UNLINK', KEYS[place]) end
return found
