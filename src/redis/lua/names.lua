--[[
  Constants and functions that most checks do not need. A part of the scripts of buckets.
]]
local CLOCK_TOLERANCE_MS = 10000
-- For how long a reservation is kept after its end.
local KEPT_AFTER_END_MS = 600000
local MAX_TIME = 2 ^ 54
-- The kinds of notes; see check.lua.
local MALFORMED, ELSEWHERE, UNKNOWN_PERIOD, HELD, EXPIRED, CHARGED, DAMAGED_RESERVATION = -1, -2, -3, -4, -5, -6, -7
local floor, fmod, max, min = math.floor, math.fmod, math.max, math.min

-- A product beyond 2^53 is rounded, but never below 2^53, which is more than was ever spent.
local function refilled(spent, regained)
  if regained >= spent then return 0 end
  return spent - regained
end

