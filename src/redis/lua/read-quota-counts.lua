--[[
  Reads the buckets among these that have an entry of a quota; see bucket-layout.lua. Constants are those of clock.lua and names.lua, which come before it.

  KEYS  buckets
  Returns for each bucket its value in hexadecimal digits, without what reservations hold, and the time in ms when it expires; '' and 0
  for one without a quota.
]]
local EXTENDED_WITH_HOLDS, EXTENDED_WITH_ONE_HOLD = '\0\0\0\0\3', '\0\0\0\0\4'
local HOLDS_AT, NO_HOLDS, ONE_HOLD_BYTES = 24, string.rep('\0', 32), 32
local ONE_UNIT_PER_TOKEN = '\0\0\0\1'
-- A longer value is no bucket. Its words would not fit on Lua's stack.
local MAX_BYTES = 4096
local formats, counts = {}, {}

-- The ids of quotas are not known here: a policy may be gone, and some limits come with a call. The entry of a quota has one unit per
-- token, and its bucket is kept until the period and the tolerance of clocks are over. Few buckets without a quota look the same, and they
-- count too: those with a token bucket that refills whole tokens each ms, if they have holds or take longer than the tolerance to fill.
local function has_quota(value, expires_at)
  if expires_at - unpack('>d', value) <= CLOCK_TOLERANCE_MS + EXPIRY_SLACK_MS then return false end
  for at = TIME + 1, #value, ENTRY do
    if string.sub(value, at + 4, at + 7) == ONE_UNIT_PER_TOKEN then return true end
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

-- Formats words of four bytes: this runs for each bucket that changes, and byte by byte it would take most of the script's time.
local function digits_of(value)
  local size = #value
  local format = formats[size]
  if not format then
    local words, bytes = math.floor(size / 4), size % 4
    format = {
      binary = '>' .. string.rep('I4', words) .. string.rep('B', bytes),
      digits = string.rep('%08x', words) .. string.rep('%02x', bytes),
    }
    formats[size] = format
  end
  return string.format(format.digits, unpack(format.binary, value))
end

for _, key in ipairs(KEYS) do
  local value = pcall('GET', key)
  local has_size = type(value) == 'string' and #value >= TIME + ENTRY and #value <= MAX_BYTES
  local expires_at = has_size and call('PEXPIRETIME', key) or 0
  local is_counted = expires_at > 0 and has_quota(value, expires_at)
  counts[#counts + 1] = is_counted and digits_of(without_holds(value)) or ''
  counts[#counts + 1] = is_counted and expires_at or 0
end
return counts
