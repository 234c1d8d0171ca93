--[[
  Restores the identity and the compacted position of a log from the log itself if another program has overwritten them. If another
  program has deleted the last events, the stream still counts from them, so it is copied: nothing else makes it count from its end.
  Keys with a time to live lose it.

  KEYS[1] log (stream)   KEYS[2] identity of the log (string)   KEYS[3] position up to which the log is compacted (string)
  KEYS[4] name for the copy of the log, which does not exist   KEYS[5] snapshot (hash)

  ARGV[1] new identity, used if the present one has another type

  All of it is repaired, or nothing.

  Returns what was repaired, any of 'identity', 'compacted-to', 'end' and 'lifetime'; nothing if the log is not a stream.
]]
local log, identity, compacted_to, copy, snapshot = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
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

local function position_of(entry)
  return entry and tonumber(string.match(entry[1], '^%d+'))
end

local function copy_log()
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
local first = position_of(call('XRANGE', log, '-', '+', 'COUNT', 1)[1])
local last = position_of(call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1])
local compacted = not is_of_another_type(compacted_to, 'string') and (call('GET', compacted_to) or '0')
local right_compacted = compacted and is_position(compacted, first) and compacted or string.format('%.0f', first and first - 1 or 0)

local has_wrong_identity = is_of_another_type(identity, 'string')
local has_wrong_position = compacted ~= right_compacted
local has_wrong_end = last_generated() > (last or tonumber(right_compacted))

local expiring = {}
for _, key in ipairs({ log, identity, compacted_to, snapshot }) do
  if call('PTTL', key) >= 0 then table.insert(expiring, key) end
end

local attempts = {}
-- A wrong key exists, so NX changes nothing.
if has_wrong_identity then table.insert(attempts, { 'SET', identity, '', 'NX' }) end
if has_wrong_position then table.insert(attempts, { 'SET', compacted_to, '', 'NX' }) end
if has_wrong_end then
  table.insert(attempts, { 'XADD', copy, 'NOMKSTREAM', '*', '', '' })
  table.insert(attempts, { 'DEL', copy })
  table.insert(attempts, { 'RENAME', log, log })
end
if #expiring > 0 then table.insert(attempts, { 'PERSIST', copy }) end
local refusal = refused_attempt(attempts)
if refusal then return refusal end

local repaired = {}
if has_wrong_identity then
  call('SET', identity, ARGV[1])
  table.insert(repaired, 'identity')
end
if has_wrong_position then
  call('SET', compacted_to, right_compacted)
  table.insert(repaired, 'compacted-to')
end
if has_wrong_end then
  copy_log()
  table.insert(repaired, 'end')
end
if #expiring > 0 then
  for _, key in ipairs(expiring) do call('PERSIST', key) end
  table.insert(repaired, 'lifetime')
end
return repaired
