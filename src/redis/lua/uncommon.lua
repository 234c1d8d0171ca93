--[[
  What the checks of most calls do not need is created by one function, which begins here and ends in general.lua: each function that a
  script creates costs every call of it something. A part of the scripts of buckets.
]]
function general_functions()
