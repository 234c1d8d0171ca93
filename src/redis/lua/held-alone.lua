--[[
  Buckets of which nothing but one token bucket was spent, without debt, and whose holds are not due: those of most reservations. What
  bucket.lua does with a table for each part of a bucket, this part does with its string, at half the cost. A part of the scripts of
  buckets. A function creates it.
]]
local function held_alone_functions(buckets, general, layout)
  local alone = {}

  -- What a check by one limit finds in a bucket with holds that has only this limit, without `bucket`. Returns nil for any other one.
  function alone.find(key, stored, limits)
    if #limits ~= 1 then return nil end
    local spent, tokens, count, members, earliest, latest, only = read_held_alone(stored, limits[1])
    if not spent then return nil end
    local held =
      { tokens = tokens, count = count, members = members, earliest = earliest, latest = latest, only = only ~= '' and only or nil }
    return { key = key, limits = limits, spent = { spent }, at = now, bucket = nil, held = held }
  end

  -- Writes a bucket with holds that has only one limit. known_latest: the last deadline with which it was written before
  function alone.write(found, known_latest)
    local key, limit, held = found.key, found.limits[1], found.held
    local value = packed_held_alone(
      limit, found.spent[1], held.tokens, held.count, held.members, held.earliest, held.latest, held.only or '')
    -- While there are holds, the time to live does not depend on what is spent.
    if held.latest == known_latest then return call('SET', key, value, 'KEEPTTL') end
    local forgotten_at = forgotten_after(held.latest, limit)
    write_until(key, value, forgotten_at)
    if not held.only then layout.keep_holds(key, forgotten_at) end
  end

  -- Adds a hold to what a check found, in such a bucket or in any other one.
  function alone.hold(found, hold)
    local holds, limits = buckets.holds(), found.limits
    if found.bucket or #limits > 1 or limits[1].per_ms == 0 then
      local bucket = buckets.record(found, true)
      holds.add(found.key, bucket.held, hold)
      return layout.write(found.key, bucket)
    end
    local known_latest = found.held and found.held.latest
    found.held = found.held or holds.none()
    holds.add(found.key, found.held, hold)
    alone.write(found, known_latest)
  end

  -- Settles a hold of such a bucket, unless that makes debt. Returns whether it did so.
  function alone.settle(found, hold, tokens)
    local limit, held = found.limits[1], found.held
    local spent, known_latest = found.spent[1] + tokens * limit.units_per_token, held.latest
    if not (tokens <= limit.capacity and spent <= limit.capacity_units) then return false end
    if not buckets.holds().take(found.key, held, hold) then return false end
    found.spent[1] = spent
    if held.members > 0 then
      alone.write(found, known_latest)
    else
      found.held = nil
      general.write_plain(found.key, found.limits, found.spent, now)
    end
    return true
  end

  return alone
end

