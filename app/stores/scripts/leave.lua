-- Ends a merge: writes it down and forgets the visitor, if nothing has changed since the user got a copy.
-- KEYS: the visitor's recent events, seen, purchased, event ids; event stream, erasures; then the visitor's long
--       vectors, which count no more
-- ARGV: recent events, seen and purchased as they were copied; seconds that event ids live on at most, so that a retry
--       still is one; stream entry; hash of the visitor (8 bytes)
-- Returns 1 when the visitor is gone, else 0; what there is now of recent events, seen and purchased; when the visitor
-- was erased; and how many values were damaged.
local now = {read(KEYS[1], WIDTH), read(KEYS[2], WORD), read(KEYS[3], WORD)}
local erased = redis.pcall('HGET', KEYS[6], ARGV[6])
if type(erased) ~= 'string' then erased = '' end
for place = 1, 3 do
  if now[place] ~= ARGV[place] then return {0, now[1], now[2], now[3], erased, damaged} end
end
local leaving = {}
for place = 1, #KEYS do
  local stays = place >= 4 and place <= 6
  if not stays and redis.call('EXISTS', KEYS[place]) == 1 then leaving[#leaving + 1] = KEYS[place] end
end
if #leaving > 0 then
  insist('XADD', KEYS[5], '*', 'j', ARGV[5])
  for _, key in ipairs(leaving) do redis.call('UNLINK', key) end
  local left = redis.call('TTL', KEYS[4])
  if left == -1 or left > tonumber(ARGV[4]) then redis.call('EXPIRE', KEYS[4], ARGV[4]) end
end
return {1, '', '', '', erased, damaged}
