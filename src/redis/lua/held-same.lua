--[[
  The buckets that most checks of keys with reservations find: no hold is due, nothing was spent but of the limits of the check, and nothing
  is owed. What bucket.lua does with a table for each entry, this part does with the bucket's string, at half the cost. A part of the scripts of
  buckets; bucket-layout.lua describes the layout. A function creates it.
]]
local function held_same_functions(general, layout)
  local HEAD, HEAD_BYTES, HOLDS_FROM = '>dc8dI2I2I4ddd', 56, TIME + ENTRY + 1
  local same = {}

  -- What such buckets of these limits have in common in this call: their heads, their length without the only hold, whether they have quotas,
  -- and of each limit its record.
  local function shape_of(limits)
    local own, records, bytes, has_quotas = limits.own, {}, HEAD_BYTES, false
    for i, limit in ipairs(limits) do
      if not limit.is_unspent then
        records[i] = layout.packed_record({ recorded = limit.kind and limit.kind.recorded_at(limit, now) or limit, debt = 0 })
        bytes = bytes + ENTRY + #records[i]
        has_quotas = has_quotas or limit.kind ~= nil
      end
    end
    return {
      records = records, bytes = bytes, has_quotas = has_quotas,
      head_of_set = layout.packed_head(false, own, 0), head_of_one_hold = layout.packed_head(true, own, 0),
    }
  end

  local function shape_for(limits)
    limits.held_shape = limits.held_shape or shape_of(limits)
    return limits.held_shape
  end

  -- What is held in such a bucket, when it was last spent from, and when it is full. Returns nil for any other one.
  local function read_head(stored, shape)
    local is_only = #stored == shape.bytes + ONE_HOLD_BYTES
    if not (is_only or #stored == shape.bytes) then return nil end
    local last_spent_at, head, full_at, count, members, _, tokens, earliest, latest = unpack(HEAD, stored)
    if head ~= (is_only and shape.head_of_one_hold or shape.head_of_set) or not (last_spent_at <= now) then return nil end
    if not are_holds_ahead(count, members, tokens, earliest, latest, is_only) then return nil end
    local held = {
      tokens = tokens, count = count, members = members, earliest = earliest, latest = latest,
      only = is_only and string.sub(stored, -ONE_HOLD_BYTES) or nil,
    }
    return held, last_spent_at, full_at
  end

  -- What a check finds in such a bucket, as bucket.lua has it, without `bucket`. Returns nil for any other one.
  function same.find(key, stored, limits)
    if limits.own == 0 then return nil end
    local shape = shape_for(limits)
    local held, last_spent_at, full_at = read_head(stored, shape)
    -- After a clock that went back, a quota may be full before its period ends.
    if not held or (shape.has_quotas and full_at <= now) then return nil end
    local spent = general.spent_of_entries(stored, limits, last_spent_at, HEAD_BYTES + 1, shape)
    if not spent then return nil end
    return { key = key, limits = limits, spent = spent, at = now, bucket = nil, held = held, stored = stored }
  end

  -- What is held in such a bucket of limits that nothing is ever spent of. Returns nil for any other one.
  function same.held_unspent(stored, limits)
    if limits.own > 0 or type(stored) ~= 'string' then return nil end
    return (read_head(stored, shape_for(limits)))
  end

  -- Writes such a bucket that was spent from. While there are holds, the time to live does not depend on what is spent.
  function same.write(found)
    local limits, spent, only = found.limits, found.spent, found.held.only
    local shape, full_at = limits.held_shape, now
    local parts = { '', string.sub(found.stored, HOLDS_FROM, HEAD_BYTES) }
    for i, limit in ipairs(limits) do
      local record = shape.records[i]
      if record then
        parts[#parts + 1] = pack('>I4I4dc16', limit.id, limit.units_per_token, spent[i], record)
        full_at = max(full_at, general.full_at_of(limit, spent[i], now))
      end
    end
    parts[1] = pack('>dc8d', now, only and shape.head_of_one_hold or shape.head_of_set, full_at)
    if only then parts[#parts + 1] = only end
    call('SET', found.key, table.concat(parts), 'KEEPTTL')
  end

  return same
end

