--[[
  The buckets of most keys, read and written without tables, which would be most of the cost: nothing but one token bucket was spent of
  them, without debt. A part of the scripts of buckets; bucket-layout.lua describes the layout.
]]
-- The rest of a head of version 3 or 4 that is followed by one own entry and no other.
local HEAD_OF_SET, HEAD_OF_ONE_HOLD = '\0\0\0\0\3\1\0\0', '\0\0\0\0\4\1\0\0'
local HELD_ALONE, HELD_ALONE_BYTES, ONE_HOLD_BYTES = '>dc8dI2I2I4dddI4I4dI4I4d', 88, 32

-- Whether a reply is an error with this text.
local function is_error(stored, text)
  return type(stored) == 'table' and string.find(stored.err, text, 1, true) ~= nil
end

-- Whether this master does not serve the key now: its slot is at another one or moves there, or the cluster is down. Then Redis says
-- "Script attempted to", and Valkey from version 9 "Attempted to".
local function is_elsewhere(stored)
  return is_error(stored, 'Script attempted to ') or is_error(stored, 'Attempted to ')
end

-- Most that can be spent of a token bucket, with its debt.
local function max_units(limit)
  return min(2 * limit.capacity_units, MAX_UNITS - 1)
end

local function write_until(key, value, full_at)
  call('SET', key, value, 'PXAT', format('%.0f', full_at + EXPIRY_SLACK_MS))
end

-- The units spent now of a bucket that only this token bucket was spent from, and nothing is held of; nil for any other one.
local function spent_alone(stored, limit)
  if stored == false then return 0 end
  if type(stored) ~= 'string' or #stored ~= TIME + ENTRY then return nil end
  local last_spent_at, id, units_per_token, units = unpack('>dI4I4d', stored)
  if id ~= limit.id or units_per_token ~= limit.units_per_token then return nil end
  if not (last_spent_at <= now and units >= 0 and units <= MAX_UNITS) then return nil end
  return refilled(min(units, limit.capacity_units), (now - last_spent_at) * limit.per_ms)
end

-- Writes such a bucket.
local function write_alone(key, limit, spent, at)
  write_until(key, pack('>dI4I4d', at, limit.id, limit.units_per_token, spent), at + ceil_div(spent, limit.per_ms))
end

-- Whether what a bucket says of its holds is well-formed, and none of them is due. is_only: whether the only one has no set
local function are_holds_ahead(count, members, tokens, earliest, latest, is_only)
  return earliest > now and latest >= earliest and latest <= MAX_TIME and tokens >= 0 and tokens <= MAX_UNITS
    and members > 0 and count > 0 and not (is_only and count > 1)
end

-- Reads a bucket with holds of which none is due and of which only this token bucket was spent, without debt. Returns nil for any other bucket;
-- otherwise the units spent now, and what is held: tokens, number, members, the first and the last deadline, and the only hold, or '' if
-- there is a set.
local function read_held_alone(bucket, limit)
  if type(bucket) ~= 'string' or limit.kind then return nil end
  local only_bytes = #bucket - HELD_ALONE_BYTES
  if not (only_bytes == 0 or only_bytes == ONE_HOLD_BYTES) then return nil end
  local last_spent_at, head, _, count, members, _, tokens, earliest, latest,
    id, units_per_token, stored, per_ms, capacity, debt = unpack(HELD_ALONE, bucket)
  if head ~= (only_bytes == 0 and HEAD_OF_SET or HEAD_OF_ONE_HOLD) or debt ~= 0 then return nil end
  if id ~= limit.id or units_per_token ~= limit.units_per_token or per_ms ~= limit.per_ms then return nil end
  if capacity ~= limit.capacity or not (last_spent_at <= now and stored >= 0 and stored <= MAX_UNITS) then return nil end
  if not are_holds_ahead(count, members, tokens, earliest, latest, only_bytes > 0) then return nil end
  local spent = refilled(min(stored, limit.capacity_units), (now - last_spent_at) * per_ms)
  return spent, tokens, count, members, earliest, latest, string.sub(bucket, HELD_ALONE_BYTES + 1)
end

-- Such a bucket that was spent from now.
local function packed_held_alone(limit, spent, tokens, count, members, earliest, latest, only)
  local head = only == '' and HEAD_OF_SET or HEAD_OF_ONE_HOLD
  return pack(HELD_ALONE, now, head, now + ceil_div(spent, limit.per_ms), count, members, 0, tokens,
    earliest, latest, limit.id, limit.units_per_token, spent, limit.per_ms, limit.capacity, 0) .. only
end

-- The text of the only hold of a bucket, as holds.lua describes it. is_charged: whether it is charged when it expires
local function only_hold(id, is_charged)
  return (is_charged and '1' or '0') .. id .. string.rep(' ', ONE_HOLD_BYTES - 1 - #id)
end

-- When a bucket with holds may be dropped. By then, what was spent has refilled, and the holds can no longer be settled.
-- latest: the last deadline of the holds
local function forgotten_after(latest, limit)
  return latest + max(KEPT_AFTER_END_MS, ceil_div(max_units(limit), limit.per_ms))
end

