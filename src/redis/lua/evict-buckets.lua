--[[
  Looks at some keys, and deletes a quarter of the buckets and records of reservations among them: those that expire first.

  ARGV[1] where the last call ended; first 0   ARGV[2] about how many keys to look at   ARGV[3…] the prefixes of their keys

  Returns where it has ended, which is 0 after the last key, and how many keys it has deleted.
]]
local function is_evictable(key)
  for i = 3, #ARGV do
    if string.sub(key, 1, #ARGV[i]) == ARGV[i] then return true end
  end
  return false
end

local cursor, keys = unpack(redis.call('SCAN', ARGV[1], 'COUNT', ARGV[2]))
local found = {}
for _, key in ipairs(keys) do
  if is_evictable(key) then found[#found + 1] = { key = key, left = redis.call('PTTL', key) } end
end
table.sort(found, function(a, b) return a.left < b.left end)

local deleted = math.ceil(#found / 4)
for i = 1, deleted do redis.call('UNLINK', found[i].key) end
return { cursor, deleted }
