--[[
  What every script of buckets begins with, after the part that says where its keys are: short names, one clock for all of a call, and
  exact arithmetic. Numbers are integers below 2^53. What most checks do not need is in names.lua: each outer local that a function uses costs
  something whenever the function is created.
]]
local MAX_UNITS = 2 ^ 53
local EXPIRY_SLACK_MS = 5
-- Bytes of a bucket's time and of each entry; see bucket-layout.lua.
local TIME, ENTRY = 8, 16

local spread = unpack
local call, pcall, pack, unpack, format = redis.call, redis.pcall, struct.pack, struct.unpack, string.format

-- One clock for all checks of a call, in ms.
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The quotient of two integers, rounded up. Dividing rounds it to the nearest double, which may be the next integer already, but never lies
-- below the one before.
local function ceil_div(a, b)
  local quotient = a / b
  local whole = quotient - quotient % 1
  if whole * b < a then return whole + 1 end
  return whole
end

-- Creates what most calls do not need; see uncommon.lua.
local general, general_functions

