--[[
  Reads ARGV[1] of the scripts of reservations: a JSON array of numbers, a newline, then texts, which nothing separates. A part of these
  scripts.
]]
local numbers_end = string.find(ARGV[1], '\n', 1, true)
local numbers, numbers_read = cjson.decode(string.sub(ARGV[1], 1, numbers_end - 1)), 0
local texts_at = numbers_end

local function number()
  numbers_read = numbers_read + 1
  return numbers[numbers_read]
end

local function take_text(bytes)
  local text = string.sub(ARGV[1], texts_at + 1, texts_at + bytes)
  texts_at = texts_at + bytes
  return text
end

