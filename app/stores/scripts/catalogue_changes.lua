-- Reads the records that changes of the catalogue left, without those that a later change replaced.
-- ARGV: epoch and sequence of what is known; epoch, sequence and mark of the newest change that the caller was told;
--       records at most, bytes of values from which it ends
-- Returns how many values were damaged, and where the changes behind what is known are there: the sequence that was
-- read up to, the mark of that change, and name and value of each record.
local GROUP, MOST = 200, 1000 -- entries at once, and in all
local limit, bytes = tonumber(ARGV[6]), tonumber(ARGV[7])

local epoch, newest, mark = read_head()
local position = tonumber(ARGV[2])
if not epoch or epoch ~= ARGV[1] or position > newest then return {damaged} end
if epoch == ARGV[3] and is_lost({ARGV[4], ARGV[5]}, newest, mark) then return {damaged} end

local found, seen = {}, 0
while position < newest and #found < 2 * limit and bytes > 0 and seen < MOST do
  local group, ids = entries(position + 1, nil, GROUP), {}
  for place, entry in ipairs(group) do
    if entry[1] ~= whole(position + place) .. '-0' or #entry[2] ~= 4 then return {damaged} end
    ids[place] = entry[2][2]
  end
  if #ids == 0 then return {damaged} end
  local values = values_of(ids)
  for place, entry in ipairs(group) do
    if #found >= 2 * limit or bytes <= 0 then break end
    local _, sequence = numbers_of(values[place])
    position, mark, seen = position + 1, entry[2][4], seen + 1
    if not sequence then
      damaged = damaged + 1
    elseif sequence == position then
      found[#found + 1] = ids[place]
      found[#found + 1] = values[place]
      bytes = bytes - #values[place]
    end
  end
end
return {damaged, position, mark, unpack(found)}
