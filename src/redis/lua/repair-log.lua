--[[
  Restores the identity and the compacted position of a log from the log itself if another program has overwritten them.

  KEYS[1] log (stream)   KEYS[2] identity of the log (string)   KEYS[3] position up to which the log is compacted (string)

  ARGV[1] new identity, used if the present one has another type

  Returns what was repaired, any of 'identity' and 'compacted-to'; nothing if the log is not a stream.
]]
local log, identity, compacted_to = KEYS[1], KEYS[2], KEYS[3]
local call = redis.call

local function is_of_another_type(key, expected)
  local found = call('TYPE', key).ok
  return found ~= 'none' and found ~= expected
end

if is_of_another_type(log, 'stream') then return {} end
local repaired = {}
if is_of_another_type(identity, 'string') then
  call('SET', identity, ARGV[1])
  table.insert(repaired, 'identity')
end
local first = call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local first_position = first and tonumber(string.match(first[1], '^%d+'))
if is_of_another_type(compacted_to, 'string') or not is_position(call('GET', compacted_to) or '0', first_position) then
  call('SET', compacted_to, string.format('%.0f', first_position and first_position - 1 or 0))
  table.insert(repaired, 'compacted-to')
end
return repaired
