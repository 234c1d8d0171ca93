--[[
  What a check finds in a bucket with any entries, holds and debt, and what changes it. A part of the scripts of buckets;
  domain/bucket.ts and domain/bucket-state.ts have the same arithmetic, with the reasons.
]]
  local layout, holds, charge, shortfalls, overdraft = bucket_layout(general), nil, nil, nil, nil
  local parse, write, forgotten_at = layout.parse, layout.write, layout.forgotten_at
  local note, full_at_of, spent_of_same, decide_unheld =
    general.note, general.full_at_of, general.spent_of_same, general.decide_unheld
  local buckets = {}
  local alone, same = held_alone_functions(buckets, general, layout), held_same_functions(general, layout)
  local others = other_entries_functions(general)
  local records_own, forget_records = others.records_own, others.forget_records

  local function kept(units, units_per_token, limit)
    if units_per_token == limit.units_per_token then return min(units, limit.capacity_units) end
    return min(ceil_div(units, units_per_token), limit.capacity) * limit.units_per_token
  end

  -- The units spent in an entry, debt included, as a limit counts them.
  local function spent_in(entry, limit, at)
    if at >= entry.full_at then return 0 end
    if limit.kind then return limit.kind.spent_at(limit, entry.spent, entry.last_spent_at, at) end
    local spent = kept(entry.spent, entry.units_per_token, limit)
    if entry.debt > 0 then spent = min(spent + kept(entry.debt, entry.units_per_token, limit), max_units(limit)) end
    return refilled(spent, (at - entry.last_spent_at) * limit.per_ms)
  end

  local function spent_now(bucket, limit, at)
    if limit.is_unspent then return 0 end
    for _, entry in ipairs(bucket.own) do
      if entry.id == limit.id then return spent_in(entry, limit, at) end
    end
    for _, entry in ipairs(bucket.others) do
      if entry.id == limit.id then return spent_in(entry, limit, at) end
    end
    return 0
  end

  -- After a clock that went back too far, moves times that lie ahead of it to now. Deadlines stay.
  local function set_back(bucket)
    local function not_ahead(times)
      local ahead = max(0, times.last_spent_at - now)
      times.last_spent_at, times.full_at = times.last_spent_at - ahead, times.full_at - ahead
    end
    for _, entry in ipairs(bucket.own) do not_ahead(entry) end
    for _, entry in ipairs(bucket.others) do not_ahead(entry) end
    not_ahead(bucket)
  end

  local function is_forgotten(bucket)
    return not (bucket.held and bucket.held.latest > now) and forgotten_at(bucket) <= now
  end

  -- The entry of a limit. spent: the units spent of it
  local function entry_with(limit, spent, at, is_recorded)
    local own = limit.per_ms > 0 and min(spent, limit.capacity_units) or spent
    local entry = { id = limit.id, units_per_token = limit.units_per_token, spent = own, debt = spent - own }
    if is_recorded then entry.recorded = limit.kind and limit.kind.recorded_at(limit, at) or limit end
    return entry
  end

  -- Moves a bucket to a time. spent: the units spent of each limit then. Entries of other limits stay.
  local function set_spent(bucket, limits, spent, at)
    -- A policy that nothing is spent from leaves the entries as they are.
    if limits.own == 0 then return end
    bucket.others = others.than(limits, bucket, at)
    local own, full_at, is_recorded = {}, at, records_own(bucket)
    for i, limit in ipairs(limits) do
      if not limit.is_unspent then
        own[#own + 1] = entry_with(limit, spent[i], at, is_recorded)
        full_at = max(full_at, full_at_of(limit, spent[i], at))
      end
    end
    for _, entry in ipairs(own) do entry.last_spent_at, entry.full_at = at, full_at end
    bucket.own, bucket.last_spent_at, bucket.full_at = own, at, full_at
  end

  -- Without holds, nothing needs to be recorded of other limits. Returns whether the bucket has none.
  function buckets.forget_if_unheld(bucket)
    if bucket.held.members > 0 then return false end
    bucket.held = nil
    forget_records(bucket.others)
    if not records_own(bucket) then forget_records(bucket.own) end
    return true
  end

  -- The bucket of a key: nil if it is full. What time has changed is stored. The second value says that it was malformed.
  local function open(key, stored)
    if type(stored) ~= 'string' then return nil, stored ~= false end
    local bucket = parse(key, stored)
    if not bucket then return nil, true end
    if is_forgotten(bucket) then return nil end
    local is_changed = bucket.last_spent_at - now > CLOCK_TOLERANCE_MS
    if is_changed then set_back(bucket) end
    if bucket.held and bucket.held.earliest <= now then
      buckets.holds().expiries().settle_due(key, bucket)
      is_changed = true
    end
    if is_changed then bucket = write(key, bucket) end
    return bucket, false
  end

  function buckets.holds()
    holds = holds or hold_functions(buckets, general, layout)
    return holds
  end

  local function found_in(key, bucket, limits)
    local spent, at = {}, bucket and max(now, bucket.last_spent_at) or now
    for i, limit in ipairs(limits) do spent[i] = bucket and spent_now(bucket, limit, at) or 0 end
    return { key = key, limits = limits, spent = spent, at = at, bucket = bucket, held = bucket and bucket.held }
  end

  -- What a check of some limits finds: { key, limits, spent, at, held, bucket, stored }. Without `bucket`, nothing else is in the bucket.
  -- stored: what held-same.lua writes its bucket with
  local function find(index, key, stored, limits)
    local is_text = type(stored) == 'string'
    local spent = is_text and spent_of_same(stored, limits)
    if spent then return { key = key, limits = limits, spent = spent, at = now, bucket = nil, held = nil } end
    local found = is_text and (alone.find(key, stored, limits) or same.find(key, stored, limits))
    if found then return found end
    local bucket, is_malformed = open(key, stored)
    if is_malformed then note(index, MALFORMED) end
    return found_in(key, bucket, limits)
  end

  local function is_allowed_by(limit, spent, held, tokens, reserves)
    if limit.is_unspent then return not reserves or limit.capacity - held.count >= 1 end
    if tokens == 0 then return spent <= limit.capacity_units end
    local units_per_token = limit.units_per_token
    return tokens <= limit.capacity
      and limit.capacity_units - spent - held.tokens * units_per_token >= tokens * units_per_token
  end

  local NOTHING_HELD = { tokens = 0, count = 0 }

  -- Whether the enforced limits allow; and if any shadow limits would deny, which of the limits those are.
  local function decide(found, tokens, reserves)
    local limits, spent = found.limits, found.spent
    local held, violated = found.held, nil
    if not held and not (reserves and limits.has_unspent) then return decide_unheld(limits, spent, tokens) end
    for i, limit in ipairs(limits) do
      if not is_allowed_by(limit, spent[i], held or NOTHING_HELD, tokens, reserves) then
        if not limit.is_shadow then return false end
        violated = violated or {}
        violated[i] = true
      end
    end
    return true, violated
  end

  local function spend(found, tokens, violated)
    local spent, bucket = found.spent, found.bucket
    for i, limit in ipairs(found.limits) do
      if not (limit.is_unspent or (violated and violated[i])) then spent[i] = spent[i] + tokens * limit.units_per_token end
    end
    if bucket then
      set_spent(bucket, found.limits, spent, found.at)
      write(found.key, bucket)
    elseif found.stored then
      same.write(found)
    elseif found.held then
      alone.write(found, found.held.latest)
    else
      general.write_plain(found.key, found.limits, spent, found.at)
    end
  end

  -- Records the limits of a check as they are, and returns the bucket, which is not stored yet.
  -- is_held: whether a hold will be added to it
  function buckets.record(found, is_held)
    local bucket = found.bucket or { last_spent_at = found.at, full_at = found.at, own = {}, others = {}, held = found.held }
    found.bucket = bucket
    if is_held and not bucket.held then
      bucket.held = buckets.holds().none()
      -- The first hold is not charged to limits that are not of its policy.
      if found.limits.own == 0 then
        bucket.others, bucket.own = others.than(found.limits, bucket, found.at), {}
        bucket.full_at = bucket.last_spent_at
      end
    end
    found.held = bucket.held
    set_spent(bucket, found.limits, found.spent, found.at)
    return bucket
  end

  function buckets.charge(...)
    charge = charge or charge_function(buckets, general)
    return charge(...)
  end

  function buckets.shortfalls()
    shortfalls = shortfalls or shortfall_functions(general)
    return shortfalls
  end

  -- Appends to the reply what a check found.
  local function report(index, found, allowed, violated)
    local at = found.at
    if at > now then note(index, at - now) end
    if found.held then general.note_held(index, found.held) end
    if holds then
      general.note_expired(index, holds.take_expired(found.key))
      if holds.take_damaged(found.key) then general.note_damaged(index) end
    end
    general.report(found.limits, found.spent, at, allowed, violated)
  end

  -- Limits that nothing is ever spent of allow every check. Returns whether there are no others, and nothing else needs to be looked at.
  local function check_unspent(index, stored, limits)
    local held = same.held_unspent(stored, limits)
    if not held then return false end
    general.note_held(index, held)
    for _ = 1, #limits do append(0) end
    return true
  end

  function buckets.check(index, key, stored, limits, tokens)
    if check_unspent(index, stored, limits) then return end
    local found = find(index, key, stored, limits)
    local allowed, violated = decide(found, tokens)
    if allowed and tokens > 0 then spend(found, tokens, violated) end
    report(index, found, allowed, violated)
  end

  -- Checks that are charged although they are denied, or that give back.
  function buckets.overdraft(...)
    overdraft = overdraft or overdraft_functions(buckets, general)
    overdraft(...)
  end

  buckets.open, buckets.found_in, buckets.find, buckets.decide = open, found_in, find, decide
  buckets.spend, buckets.report, buckets.store, buckets.alone = spend, report, write, alone
  buckets.is_allowed_by, buckets.spent_in, buckets.entry_with = is_allowed_by, spent_in, entry_with
  buckets.records_own = records_own
  buckets.holds_key = layout.holds_key
  return buckets
end

