--[[
  Writes buckets back that read-quota-counts.lua has read.

  KEYS  buckets
  ARGV  for each bucket its value in hexadecimal digits and the time in ms when it expires
]]
local function bytes(digits)
  return (string.gsub(digits, '..', function(byte) return string.char(tonumber(byte, 16)) end))
end

for i, key in ipairs(KEYS) do redis.call('SET', key, bytes(ARGV[2 * i - 1]), 'PXAT', ARGV[2 * i]) end
