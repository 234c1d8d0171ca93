--[[
  Looks at some keys, and deletes a share of the buckets and records of reservations among them: those that expire first. It keeps them if
  there are few in the whole store: something else fills it, for which they would make no room.

  ARGV[1] where the last call ended; first 0   ARGV[2] about how many keys to look at   ARGV[3] the share to delete
  ARGV[4…] the prefixes of their keys

  Returns where it has ended, which is 0 after the last key, and how many keys it has deleted.
]]
-- As a rule, so few buckets take less than a hundredth of the memory: they are much smaller than policies and events.
local FEW, FEW_SHARE = 5000, 0.03

local function is_evictable(key)
  for i = 4, #ARGV do
    if string.sub(key, 1, #ARGV[i]) == ARGV[i] then return true end
  end
  return false
end

-- SCAN follows the hashes of the keys, so a call looks at a random sample of all. By chance, one has somewhat more than its share: up to
-- three standard deviations. That of the last call may be too small to tell.
local function few_of(looked_at)
  local few = math.max(looked_at, ARGV[2]) * math.max(FEW_SHARE, FEW / redis.call('DBSIZE'))
  return math.ceil(few + 3 * math.sqrt(few))
end

local function first_to_expire(keys, count)
  local left, ordered = {}, {}
  for i, key in ipairs(keys) do
    left[i] = redis.call('PTTL', key)
    ordered[i] = left[i]
  end
  -- To sort numbers takes a fraction of the time that it takes to sort tables by one.
  table.sort(ordered)
  local first = {}
  for i, key in ipairs(keys) do
    if left[i] <= ordered[count] and #first < count then first[#first + 1] = key end
  end
  return first
end

local cursor, keys = unpack(redis.call('SCAN', ARGV[1], 'COUNT', ARGV[2]))
local found, share = {}, tonumber(ARGV[3])
for _, key in ipairs(keys) do
  if is_evictable(key) then found[#found + 1] = key end
end
local count = math.min(math.ceil(#found * share), #found - few_of(#keys))
if count <= 0 then return { cursor, 0 } end

-- Half of the time is for the order, which matters little if nearly all are deleted.
local deleted = share < 1 and first_to_expire(found, count) or found
redis.call('UNLINK', unpack(deleted, 1, count))
return { cursor, count }
