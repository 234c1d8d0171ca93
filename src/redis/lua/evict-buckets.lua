--[[
  Looks at some keys, and deletes a quarter of the buckets and records of reservations among them: those that expire first. It deletes
  none if there are few of them in the whole store: something else fills it, for which they would make no room.

  ARGV[1] where the last call ended; first 0   ARGV[2] about how many keys to look at   ARGV[3…] the prefixes of their keys

  Returns where it has ended, which is 0 after the last key, and how many keys it has deleted.
]]
-- As a rule, so few buckets take less than a hundredth of the memory: they are much smaller than policies and events.
local FEW, FEW_SHARE = 5000, 0.03

local function is_evictable(key)
  for i = 3, #ARGV do
    if string.sub(key, 1, #ARGV[i]) == ARGV[i] then return true end
  end
  return false
end

-- SCAN follows the hashes of the keys, so a call looks at a random sample of all. By chance, one has somewhat more than its share: up to
-- three standard deviations. That of the last call may be too small to tell.
local function are_few(found, looked_at)
  local few = math.max(looked_at, ARGV[2]) * math.max(FEW_SHARE, FEW / redis.call('DBSIZE'))
  return found < few + 3 * math.sqrt(few)
end

local cursor, keys = unpack(redis.call('SCAN', ARGV[1], 'COUNT', ARGV[2]))
local found = {}
for _, key in ipairs(keys) do
  if is_evictable(key) then found[#found + 1] = { key = key } end
end
if are_few(#found, #keys) then return { cursor, 0 } end

for _, bucket in ipairs(found) do bucket.left = redis.call('PTTL', bucket.key) end
table.sort(found, function(a, b) return a.left < b.left end)

local deleted = math.ceil(#found / 4)
for i = 1, deleted do redis.call('UNLINK', found[i].key) end
return { cursor, deleted }
