--[[
  What only uncommon calls of the scripts of reservations need is created by one function, which begins here and ends in check-groups.lua or
  reservations.lua: each function that a script creates costs every call of it something. It returns the function that does one call.
]]
local function uncommon_calls()
  general = general or general_functions()
  local buckets = general.buckets()

