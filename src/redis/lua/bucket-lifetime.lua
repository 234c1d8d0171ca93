--[[
  How long a bucket is kept. A part of the scripts of buckets; domain/bucket-state.ts has the same arithmetic.
]]
local function lifetime_functions(general)
  local full_at_of, most_units = general.full_at_of, general.most_units

  -- Whether expiries may charge less than is held, as if nothing refilled until then.
  local function may_charge_less(bucket)
    local tokens, is_recorded = bucket.held.tokens, false
    for _, entries in ipairs({ bucket.own, bucket.others }) do
      for _, entry in ipairs(entries) do
        local limit = entry.recorded
        if limit then
          if entry.spent + entry.debt + tokens * limit.units_per_token > most_units(limit) then return true end
          is_recorded = true
        end
      end
    end
    return tokens > 0 and not is_recorded
  end

  -- When a bucket may be dropped. While it has holds, that does not depend on what is spent meanwhile. What expiries charge is needed as
  -- long as they can be settled late, unless that is what was held.
  local function forgotten_at(bucket)
    local held, at = bucket.held, bucket.full_at
    if not held and #bucket.own == 0 and #bucket.others == 0 then return 0 end
    for _, entry in ipairs(bucket.others) do at = max(at, entry.full_at) end
    if not held then return at end
    local from = max(held.latest, bucket.last_spent_at)
    at = max(at, from, may_charge_less(bucket) and held.latest + KEPT_AFTER_END_MS or 0)
    for _, entries in ipairs({ bucket.own, bucket.others }) do
      for _, entry in ipairs(entries) do
        local limit = entry.recorded
        if limit then at = max(at, full_at_of(limit, limit.per_ms > 0 and max_units(limit), from)) end
      end
    end
    return at
  end

  return { may_charge_less = may_charge_less, forgotten_at = forgotten_at }
end

