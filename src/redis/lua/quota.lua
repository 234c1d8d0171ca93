--[[
  The quota, a kind of limit: what was spent returns when the next period begins. domain/limits/quota.ts has the same arithmetic.
  A part of the scripts of buckets, see limits.lua. A function creates the kind, so that a call without quotas does not.

  A limit continues with "q" and the length of all its periods in ms, or with "q", the boundaries of the period that the caller takes
  for the present one, and those of several consecutive periods, in ms since 1970. So its clock need not agree with this one.
]]
local function quota_kind()
  local quota = {}
  local LONGEST_FIXED_MS = 3600000

  local function known_period_at(limit, at)
    local starts_at, ends_at = 0, 0
    for boundary in string.gmatch(limit.boundaries, '%d+') do
      starts_at, ends_at = ends_at, tonumber(boundary)
      if at < ends_at then break end
    end
    return starts_at, ends_at
  end

  -- Start and end of the period that contains a time.
  local function period_at(limit, at)
    local starts_at, ends_at, length = limit.starts_at, limit.ends_at, limit.length
    if starts_at <= at and at < ends_at then return starts_at, ends_at end
    if limit.boundaries then return known_period_at(limit, at) end
    local from = at >= ends_at and ends_at or starts_at
    starts_at = from + floor((at - from) / length) * length
    return starts_at, starts_at + length
  end

  -- The caller does not know the present period if its clock differs by more than a period.
  function quota.read(limit, text)
    local starts_at, ends_at, boundaries = string.match(text, '^q(%d+),(%d+),(.*)')
    if boundaries then
      limit.starts_at, limit.ends_at, limit.boundaries = tonumber(starts_at), tonumber(ends_at), boundaries
    else
      limit.starts_at, limit.ends_at, limit.length = 0, 0, tonumber(string.sub(text, 2))
    end
    limit.starts_at, limit.ends_at = period_at(limit, now)
    return limit.starts_at > 0 and now < limit.ends_at
  end

  -- A quota forgets nothing before its period ends, also if its capacity is lowered.
  function quota.spent_at(limit, spent, last_spent_at, at)
    if last_spent_at < period_at(limit, at) then return 0 end
    return spent
  end

  -- A clock that went over the end of the period may go back, and must not find the period new. A period whose end is not known is
  -- kept for longer than it can last.
  function quota.full_at(limit, at)
    local _, ends_at = period_at(limit, at)
    local known_until = limit.known_until
    if known_until and not (limit.starts_at <= at and at < known_until) then ends_at = ends_at + limit.length end
    return ends_at + CLOCK_TOLERANCE_MS
  end

  function quota.append(limit, at)
    local starts_at, ends_at = period_at(limit, at)
    append(ends_at - now)
    append(ends_at - starts_at)
  end

  -- What a bucket records of it: a period, and the length of the next one, by which the others are found.
  function quota.recorded(id, starts_at, ends_at, length)
    return {
      id = id,
      units_per_token = 1,
      per_ms = 0,
      kind = quota,
      starts_at = starts_at,
      ends_at = ends_at,
      length = length,
      known_until = length > LONGEST_FIXED_MS and ends_at + length or nil,
      is_recorded = true,
    }
  end

  function quota.recorded_at(limit, at)
    if limit.is_recorded then return limit end
    local starts_at, ends_at = period_at(limit, at)
    local next_starts_at, next_ends_at = period_at(limit, ends_at)
    return quota.recorded(limit.id, starts_at, ends_at, next_ends_at - next_starts_at)
  end

  return quota
end

