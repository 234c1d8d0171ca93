--[[
  What only buckets with other entries, holds or debt need is created by another function, which begins here and ends in bucket.lua.
  general: the functions of general.lua
]]
local function bucket_functions(general)
