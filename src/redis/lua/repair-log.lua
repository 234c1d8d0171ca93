--[[
  Restores the identity and the compacted position of a log from the log itself if another program has overwritten them. If another
  program has deleted the last events, the stream still counts from them, so it is copied: nothing else makes it count from its end.

  KEYS[1] log (stream)   KEYS[2] identity of the log (string)   KEYS[3] position up to which the log is compacted (string)
  KEYS[4] name for the copy of the log

  ARGV[1] new identity, used if the present one has another type

  Returns what was repaired, any of 'identity', 'compacted-to' and 'end'; nothing if the log is not a stream.
]]
local log, identity, compacted_to, copy = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ENTRIES_PER_STEP = 500
local call = redis.call

local function is_of_another_type(key, expected)
  local found = call('TYPE', key).ok
  return found ~= 'none' and found ~= expected
end

local function last_generated()
  local info = redis.pcall('XINFO', 'STREAM', log)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return tonumber(string.match(info[i + 1], '^%d+')) end
  end
  return 0
end

local function copy_log()
  call('DEL', copy)
  local after = '-'
  repeat
    local entries = call('XRANGE', log, after, '+', 'COUNT', ENTRIES_PER_STEP)
    for _, entry in ipairs(entries) do
      call('XADD', copy, entry[1], unpack(entry[2]))
      after = '(' .. entry[1]
    end
  until #entries == 0
  call('DEL', log)
  if call('EXISTS', copy) == 1 then call('RENAME', copy, log) end
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
local last = call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
if last_generated() > tonumber(last and string.match(last[1], '^%d+') or call('GET', compacted_to) or '0') then
  copy_log()
  table.insert(repaired, 'end')
end
return repaired
