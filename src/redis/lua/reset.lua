--[[
  Fills buckets, and forgets what their reservations hold. Its parts come before it, see redis/scripts.ts.

  keys[keys_from + i]  the buckets
  ARGV[1]              their number

  Returns a string of big-endian doubles, two for each bucket: 1, or 0 if the bucket, or a part of what it holds, is elsewhere; and how many
  reservations of it this call found expired.
]]
general = general_functions()
local buckets = general.buckets()

-- What has expired is charged first.
local function note_forgotten(key, stored)
  local bucket, is_elsewhere = buckets.open(key, stored), false
  if not (bucket and bucket.held) then return true end
  local expiries = buckets.holds().expiries()
  bucket, is_elsewhere = expiries.settle_all_due(key, bucket)
  if is_elsewhere then return false end
  return not (bucket and bucket.held) or expiries.forget_all(key, bucket.held)
end

local function reset(key)
  local stored = general.get(key)
  if is_elsewhere(stored) or not buckets.holds().are_here(key, stored, false) then return false end
  if not note_forgotten(key, stored) then return false end
  if stored then call('UNLINK', key) end
  -- Another value of the bucket may have left a set, which may be elsewhere.
  pcall('UNLINK', buckets.holds_key(key))
  return true
end

for index = 1, tonumber(ARGV[1]) do
  local key = keys[keys_from + index]
  append(reset(key) and 1 or 0)
  append(buckets.holds().take_expired(key))
end
return packed_reply()
