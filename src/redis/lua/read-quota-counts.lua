--[[
  Reads the buckets among these that have an entry of a quota; see bucket-layout.lua.

  KEYS  buckets
  ARGV  the ids of all quotas, each as the 4 bytes of an entry in hexadecimal digits
  Returns for each bucket its value in hexadecimal digits, without what reservations hold, and the time in ms when it expires; '' and 0
  for one without a quota.
]]
local TIME, ENTRY = 8, 16
local EXTENDED_WITH_HOLDS, EXTENDED_WITH_ONE_HOLD = '\0\0\0\0\3', '\0\0\0\0\4'
local HOLDS_AT, NO_HOLDS, ONE_HOLD_BYTES = 24, string.rep('\0', 32), 32
local is_quota, digits_of, counts = {}, {}, {}
for byte = 0, 255 do digits_of[string.char(byte)] = string.format('%02x', byte) end
for _, id in ipairs(ARGV) do
  is_quota[string.gsub(id, '..', function(digits) return string.char(tonumber(digits, 16)) end)] = true
end

local function has_quota(value)
  for at = TIME + 1, #value, ENTRY do
    if is_quota[string.sub(value, at, at + 3)] then return true end
  end
  return false
end

-- A bucket without its holds: a restart forgets the reservations, so nobody could end them.
local function without_holds(value)
  local head, last = string.sub(value, TIME + 1, TIME + 5), #value
  if head == EXTENDED_WITH_ONE_HOLD then
    last = last - ONE_HOLD_BYTES
  elseif head ~= EXTENDED_WITH_HOLDS then
    return value
  end
  local entries = string.sub(value, HOLDS_AT + #NO_HOLDS + 1, last)
  return string.sub(value, 1, TIME) .. EXTENDED_WITH_HOLDS .. string.sub(value, TIME + 6, HOLDS_AT) .. NO_HOLDS .. entries
end

for _, key in ipairs(KEYS) do
  local value = redis.pcall('GET', key)
  local is_counted = type(value) == 'string' and has_quota(value)
  counts[#counts + 1] = is_counted and string.gsub(without_holds(value), '.', digits_of) or ''
  counts[#counts + 1] = is_counted and redis.call('PEXPIRETIME', key) or 0
end
return counts
