--[[
  How long a bucket is kept. A part of the scripts of buckets; domain/bucket-state.ts has the same arithmetic.
]]
local function lifetime_function(general)
  local full_at_of = general.full_at_of

  -- When a bucket may be dropped. While it has holds, that does not depend on what is spent meanwhile. Expired holds stay as long as they
  -- can be settled late, so that the next access charges and counts them.
  return function(bucket)
    local held, at = bucket.held, bucket.full_at
    if not held and #bucket.own == 0 and #bucket.others == 0 then return 0 end
    for _, entry in ipairs(bucket.others) do at = max(at, entry.full_at) end
    if not held then return at end
    local from = max(held.latest, bucket.last_spent_at)
    at = max(at, held.latest + KEPT_AFTER_END_MS)
    for _, entries in ipairs({ bucket.own, bucket.others }) do
      for _, entry in ipairs(entries) do
        local limit = entry.recorded
        if limit then at = max(at, full_at_of(limit, limit.per_ms > 0 and max_units(limit), from)) end
      end
    end
    return at
  end
end

