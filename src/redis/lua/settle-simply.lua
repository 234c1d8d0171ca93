--[[
  The most common settlement: of the only hold of one key, before its deadline, by one token bucket that nothing else was spent of, and
  that is not in debt afterwards. reservations.lua does any other call. Written out, since tables and lookups would be half of its cost.
  A part of that script.
]]
local SETTLED_ONCE = 0
local SETTLEMENT_NUMBERS = 4

-- Returns whether it was such a settlement, and is done now. Otherwise nothing was read of the arguments or changed.
local function settle_simply(fingerprint_bytes)
  local count, what, policy, tokens = spread(numbers, numbers_read + 1, numbers_read + SETTLEMENT_NUMBERS)
  local limits = policies[policy]
  if count ~= 1 or what ~= SETTLED or tokens == 0 or not is_simple(limits) then return false end
  local record_key, key, limit = keys[place + 1], keys[place + 2], limits[1]
  local ended, is_charged, ttl, deadline, reserved, text = read_record_of_one(pcall('GET', record_key))
  if ended ~= 0 or deadline <= now then return false end
  if string.sub(text, 1, fingerprint_bytes + 1) ~= text_at(0, fingerprint_bytes) .. '\n' then return false end
  local spent, held_tokens, _, _, _, _, only = general.read_held_alone(pcall('GET', key), limit)
  if not spent or only ~= buckets.holds().only(id_of(record_key), is_charged) or held_tokens ~= reserved then return false end
  spent = spent + tokens * limit.units_per_token
  if tokens > limit.capacity or spent > limit.capacity_units then return false end
  general.write_plain(key, limits, { spent }, now)
  write_record(record_key, packed_record_of_one(SETTLED, is_charged, ttl, deadline, reserved, tokens, text), now)
  numbers_read, texts_at, place, index = numbers_read + SETTLEMENT_NUMBERS, texts_at + fingerprint_bytes, place + 2, index + 1
  append_results(SETTLED, SETTLED_ONCE, tokens, tokens, 0)
  append(spent)
  return true
end

