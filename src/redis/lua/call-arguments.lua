--[[
  Reads the arguments of the scripts of reservations: ARGV[1] is a text of runs, a line end, then one text after another. A part of these
  scripts.
]]
local runs_end = string.find(ARGV[1], '\n', 1, true)
local runs = string.sub(ARGV[1], 1, runs_end - 1)
local policies = read_policies(ARGV[2])
-- The last key of the items that are done, and the last check that was reported.
local place, index = keys_from, 0

-- Returns a function that returns the next text. last: the character that ends each of them
local function texts_ending(last)
  return string.gmatch(string.sub(ARGV[1], runs_end + 1), '([^' .. last .. ']*)' .. last)
end

local function is_simple(limits)
  return limits ~= nil and #limits == 1 and not limits[1].kind and not limits[1].is_shadow
end
