--[[
  Charges tokens to a bucket, whether or not so many are left. A part of the scripts of buckets; `charge` in domain/bucket-state.ts has
  the same arithmetic. A function creates it, since most calls do not need it.
]]
local function charge_function(buckets, general)
  local spent_in, entry_with, full_at_of = buckets.spent_in, buckets.entry_with, general.full_at_of

  -- Charges at a time that is not before the last spending. Returns the whole tokens that were charged in all, the fewest over the limits, or
  -- nil if there was no limit to charge; and by the ids of limits what this call has charged.
  -- limit_of: the limit of an entry; nil if it cannot be charged. Of the entries of one policy, all can be or none.
  -- before: what was charged already, see shortfalls.lua, or nil. Each limit is charged the difference.
  return function(bucket, tokens, at, limit_of, before)
    local least, charges = nil, {}
    local function charge_entry(entry, is_recorded)
      local limit = limit_of(entry)
      if not limit then return end
      local spent, units_per_token, id = spent_in(entry, limit, at), limit.units_per_token, entry.id
      local charged = before and (before.less[id] or before.tokens) or 0
      local after = min(spent + max(0, tokens - charged) * units_per_token, general.most_units(limit))
      charges[id] = floor((after - spent) / units_per_token)
      least = min(least or MAX_UNITS, charged + charges[id])
      for name, value in pairs(entry_with(limit, after, at, is_recorded)) do entry[name] = value end
      entry.last_spent_at, entry.full_at, entry.is_estimated = at, full_at_of(limit, after, at), nil
    end
    for _, entry in ipairs(bucket.own) do charge_entry(entry, buckets.records_own(bucket)) end
    for _, entry in ipairs(bucket.others) do charge_entry(entry, bucket.held) end
    if not least then return nil, charges end
    local full_at = at
    for _, entry in ipairs(bucket.own) do full_at = max(full_at, entry.full_at) end
    for _, entry in ipairs(bucket.own) do entry.full_at = full_at end
    bucket.last_spent_at, bucket.full_at = at, full_at
    return least, charges
  end
end

