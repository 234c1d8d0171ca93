--[[
  Decides the most common group: a new reservation of one key, by one token bucket that nothing is held of and nothing else was spent of.
  check-groups.lua decides any other one. Written out, since tables and lookups would be half of its cost. A part of that script.
]]
local RESERVED = 2
local HOLD_NUMBERS = 12

local function spent_of(stored, limits)
  if not stored then return 0 end
  local spent = type(stored) == 'string' and general.spent_of_same(stored, limits)
  return spent and spent[1]
end

-- Returns whether it was such a group, and is held now. Otherwise nothing was read of the arguments or changed.
local function hold_simply()
  local is_reservation, policy, tokens, never_denies, ttl, is_charged, is_new, id_bytes, text_bytes, named, named_tokens, check =
    spread(numbers, numbers_read + 1, numbers_read + HOLD_NUMBERS)
  local limits = policies[policy]
  if is_reservation ~= 1 or is_new ~= 1 or named ~= 1 or check ~= 1 or never_denies ~= 0 then return false end
  if not is_simple(limits) then return false end
  local key, record_key, limit, deadline = keys[place + 1], keys[place + 2], limits[1], now + ttl
  local spent = spent_of(pcall('GET', key), limits)
  if not spent or tokens > limit.capacity then return false end
  if spent + tokens * limit.units_per_token > limit.capacity_units then return false end
  local id, text = text_at(0, id_bytes), text_at(id_bytes, text_bytes)
  local record = packed_record_of_one(0, is_charged, ttl, deadline, named_tokens, 0, text)
  if not write_record(record_key, record, deadline) then return false end
  buckets.alone.write_only(key, limit, spent, buckets.holds().only(id, is_charged), tokens, deadline)
  numbers_read, texts_at, place, index = numbers_read + HOLD_NUMBERS, texts_at + id_bytes + text_bytes, place + 2, index + 1
  append_results(RESERVED, deadline)
  append(spent)
  general.note_held(index, { tokens = tokens, count = 1, earliest = deadline, latest = deadline })
  return true
end

