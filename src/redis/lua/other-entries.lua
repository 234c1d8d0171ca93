--[[
  The entries of a bucket for limits that the policy which spent last does not have. A part of the scripts of buckets;
  domain/other-entries.ts has the same arithmetic.
]]
local function other_entries_functions(general)
  -- Entries that a bucket keeps of each class. Holds are charged to recorded ones. An estimated one has the time of its policy's slowest limit.
  local MOST = { recorded = 48, estimated = 8, other = 8 }
  local full_at_of = general.full_at_of

  -- Whether the bucket records its own limits: holds are charged to them, and beside other entries each has a time of its own.
  local function records_own(bucket)
    return bucket.held ~= nil or #bucket.others > 0
  end

  -- Gives an own entry the time when it is full itself, if that is known: not if it is the first policy of the bucket that is left, or if the
  -- clock went back to an earlier period. Holds that come later are not charged to it.
  local function leave(entry, bucket)
    local limit, at = entry.recorded, entry.last_spent_at
    local is_known = limit and not (limit.starts_at and at < limit.starts_at)
    if is_known then entry.full_at = min(entry.full_at, full_at_of(limit, entry.spent + entry.debt, at)) end
    entry.is_estimated = not is_known and #bucket.own > 1 or nil
    if not (bucket.held and bucket.held.members > 0) then entry.recorded = nil end
  end

  local function is_slower(a, b)
    if a.full_at ~= b.full_at then return a.full_at > b.full_at end
    if a.last_spent_at ~= b.last_spent_at then return a.last_spent_at > b.last_spent_at end
    return a.id < b.id
  end

  local function class_of(entry)
    if entry.recorded then return 'recorded' end
    return entry.is_estimated and 'estimated' or 'other'
  end

  local function slowest_of(entries)
    local kept, counts = {}, { recorded = 0, estimated = 0, other = 0 }
    for _, entry in ipairs(entries) do
      local class = class_of(entry)
      counts[class] = counts[class] + 1
      if counts[class] <= MOST[class] then kept[#kept + 1] = entry end
    end
    return kept
  end

  -- Entries of limits that are not among these, the slowest first, and of equals those that were spent from last.
  local function than(limits, bucket, at)
    local is_own, others = {}, {}
    for _, limit in ipairs(limits) do is_own[limit.id] = true end
    local function keep(entry)
      if (entry.full_at > at or entry.recorded) and not is_own[entry.id] then others[#others + 1] = entry end
    end
    for _, entry in ipairs(bucket.own) do
      leave(entry, bucket)
      keep(entry)
    end
    for _, entry in ipairs(bucket.others) do keep(entry) end
    table.sort(others, is_slower)
    return slowest_of(others)
  end

  local function forget_records(entries)
    for _, entry in ipairs(entries) do entry.recorded = nil end
  end

  return { than = than, records_own = records_own, forget_records = forget_records }
end

