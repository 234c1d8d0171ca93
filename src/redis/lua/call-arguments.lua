--[[
  Reads ARGV[1] of the scripts of reservations: numbers, a newline, then texts, which nothing separates. A part of these scripts.
]]
local numbers_end = string.find(ARGV[1], '\n', 1, true)
local next_number = string.gmatch(string.sub(ARGV[1], 1, numbers_end), '%d+')
local texts_at = numbers_end

local function number()
  return tonumber((next_number()))
end

local function take_text(bytes)
  local text = string.sub(ARGV[1], texts_at + 1, texts_at + bytes)
  texts_at = texts_at + bytes
  return text
end

