--[[
  Reads the arguments of the scripts of reservations, and keeps the first part of their reply. ARGV[1] is a JSON array of numbers, a
  newline, then texts, which nothing separates. A part of these scripts.
]]
local numbers_end = string.find(ARGV[1], '\n', 1, true)
local numbers, numbers_read = cjson.decode(string.sub(ARGV[1], 1, numbers_end - 1)), 0
local texts_at = numbers_end

local function number()
  numbers_read = numbers_read + 1
  return numbers[numbers_read]
end

-- from: after so many bytes of those that were not taken yet
local function text_at(from, bytes)
  return string.sub(ARGV[1], texts_at + from + 1, texts_at + from + bytes)
end

local function take_text(bytes)
  local text = text_at(0, bytes)
  texts_at = texts_at + bytes
  return text
end

local policies = read_policies(ARGV[2])
-- The last key that was read, and the last check that was reported.
local place, index = keys_from, 0
-- The first numbers of the reply. What checks find follows them.
local results = {}

local function is_simple(limits)
  return limits ~= nil and #limits == 1 and not limits[1].kind and not limits[1].is_shadow
end

local function append_results(...)
  for _, value in ipairs({ ... }) do results[#results + 1] = value end
end

local function packed_results()
  return pack('>' .. string.rep('d', #results), spread(results)) .. packed_reply()
end

