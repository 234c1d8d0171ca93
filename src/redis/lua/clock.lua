--[[
  What every script of buckets begins with, after the part that says where its keys are: short names, one clock for all of a call, and
  exact arithmetic. Numbers are integers below 2^53.
]]
local CLOCK_TOLERANCE_MS = 10000
-- For how long a reservation is kept after its end.
local KEPT_AFTER_END_MS = 600000
local MAX_UNITS, MAX_TIME = 2 ^ 53, 2 ^ 54
local EXPIRY_SLACK_MS = 5
-- Bytes of a bucket's time and of each entry; see bucket-layout.lua.
local TIME, ENTRY = 8, 16

local spread = unpack
local call, pcall, pack, unpack = redis.call, redis.pcall, struct.pack, struct.unpack
local floor, fmod, max, min, format = math.floor, math.fmod, math.max, math.min, string.format

-- One clock for all checks of a call, in ms.
local time = call('TIME')
local now = time[1] * 1000 + floor(time[2] / 1000)

-- The quotient of two integers, rounded up. Dividing rounds it to the nearest double, which may be the next integer already, but never lies
-- below the one before.
local function ceil_div(a, b)
  local quotient = a / b
  local whole = quotient - quotient % 1
  if whole * b < a then return whole + 1 end
  return whole
end

-- A product beyond 2^53 is rounded, but never below 2^53, which is more than was ever spent.
local function refilled(spent, regained)
  if regained >= spent then return 0 end
  return spent - regained
end

-- Creates what most calls do not need; see uncommon.lua.
local general, general_functions

