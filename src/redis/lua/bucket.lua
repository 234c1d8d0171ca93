--[[
  What a check finds in a bucket, and what changes it. A part of the scripts of buckets; domain/bucket.ts and domain/bucket-state.ts
  have the same arithmetic, with the reasons. A function creates it, since most calls do not need it, and creating its functions would
  cost them as much as a check does.
]]
local MAX_OTHER_ENTRIES = 8

local function bucket_functions()
  local layout, holds = bucket_layout(), nil
  local get, is_elsewhere, parse, write = layout.get, layout.is_elsewhere, layout.parse, layout.write
  local write_until, full_at_of, max_units, forgotten_at =
    layout.write_until, layout.full_at_of, layout.max_units, layout.forgotten_at
  local buckets = { layout = layout, get = get, is_elsewhere = is_elsewhere }

  local function note(index, value)
    notes[#notes + 1] = index
    notes[#notes + 1] = value
  end

  -- The units spent now of each limit, if the bucket holds exactly these limits in this order and the clock did not go back.
  local function spent_of_same(stored, limits)
    if #stored ~= TIME + #limits * ENTRY or limits.has_unspent then return nil end
    local last_spent_at = unpack('>d', stored)
    if not (last_spent_at <= now) then return nil end
    local spent, elapsed, at = {}, now - last_spent_at, TIME + 1
    for i, limit in ipairs(limits) do
      local id, units_per_token, units = unpack('>I4I4d', stored, at)
      if id ~= limit.id or units_per_token ~= limit.units_per_token or not (units >= 0 and units <= MAX_UNITS) then return nil end
      local per_ms = limit.per_ms
      if per_ms > 0 then
        spent[i] = refilled(min(units, limit.capacity_units), elapsed * per_ms)
      else
        spent[i] = limit.kind.spent_at(limit, units, last_spent_at, now)
      end
      at = at + ENTRY
    end
    return spent
  end

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

  -- The entry of a limit of which so much is spent.
  local function entry_with(limit, spent, at, is_held)
    local own = limit.per_ms > 0 and min(spent, limit.capacity_units) or spent
    local entry = { id = limit.id, units_per_token = limit.units_per_token, spent = own, debt = spent - own }
    if is_held then entry.recorded = limit.kind and limit.kind.recorded_at(limit, at) or limit end
    return entry
  end

  -- Entries of limits that are not among these, the slowest first.
  local function others_than(limits, bucket, at)
    local is_own, others = {}, {}
    for _, limit in ipairs(limits) do is_own[limit.id] = true end
    local function keep(entry)
      if (entry.full_at > at or entry.recorded) and not is_own[entry.id] then others[#others + 1] = entry end
    end
    for _, entry in ipairs(bucket.own) do keep(entry) end
    for _, entry in ipairs(bucket.others) do keep(entry) end
    table.sort(others, function(a, b)
      if a.full_at == b.full_at then return a.id < b.id end
      return a.full_at > b.full_at
    end)
    for i = #others, MAX_OTHER_ENTRIES + 1, -1 do others[i] = nil end
    return others
  end

  -- Moves a bucket to a time at which so much is spent of each limit. Entries of other limits stay.
  local function set_spent(bucket, limits, spent, at)
    local own, full_at = {}, at
    for i, limit in ipairs(limits) do
      if not limit.is_unspent then
        own[#own + 1] = entry_with(limit, spent[i], at, bucket.held)
        full_at = max(full_at, full_at_of(limit, spent[i], at))
      end
    end
    -- A policy that nothing is spent from leaves the entries as they are.
    if #own == 0 then return end
    for _, entry in ipairs(own) do entry.last_spent_at, entry.full_at = at, full_at end
    bucket.others = others_than(limits, bucket, at)
    bucket.own, bucket.last_spent_at, bucket.full_at = own, at, full_at
  end

  -- Writes a bucket of which nothing is held or owed, and of which other limits were not spent.
  local function write_plain(found)
    local parts, at, full_at = { pack('>d', found.at) }, found.at, found.at
    for i, limit in ipairs(found.limits) do
      if not limit.is_unspent then
        parts[#parts + 1] = pack('>I4I4d', limit.id, limit.units_per_token, found.spent[i])
        full_at = max(full_at, full_at_of(limit, found.spent[i], at))
      end
    end
    if #parts > 1 then write_until(found.key, table.concat(parts), full_at) end
  end

  -- Without holds, nothing needs to be recorded.
  function buckets.forget_records(bucket)
    for _, entry in ipairs(bucket.own) do entry.recorded = nil end
    for _, entry in ipairs(bucket.others) do entry.recorded = nil end
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
      buckets.holds().settle_due(key, bucket)
      is_changed = true
    end
    if is_changed then bucket = write(key, bucket) end
    return bucket, false
  end

  -- Stores a bucket and returns it, or nil if it is full.
  buckets.store = write

  function buckets.holds()
    holds = holds or hold_functions(buckets)
    return holds
  end

  local function found_in(key, bucket, limits)
    local found = { key = key, limits = limits, spent = {}, bucket = bucket }
    found.at = bucket and max(now, bucket.last_spent_at) or now
    for i, limit in ipairs(limits) do found.spent[i] = bucket and spent_now(bucket, limit, found.at) or 0 end
    return found
  end

  -- What a check of some limits finds: { key, limits, spent, at, bucket }. Without `bucket`, nothing else is in the bucket.
  local function find(index, key, stored, limits)
    local is_text = type(stored) == 'string'
    local spent = is_text and spent_of_same(stored, limits)
    if spent then return { key = key, limits = limits, spent = spent, at = now } end
    local bucket, is_malformed = open(key, stored)
    if is_malformed then note(index, MALFORMED) end
    return found_in(key, bucket, limits)
  end

  -- Whether the limits allow if reservations hold nothing, and none of the limits counts them.
  local function decide_unheld(limits, spent, tokens)
    local violated
    for i, limit in ipairs(limits) do
      if not (tokens <= limit.capacity and limit.capacity_units - spent[i] >= tokens * limit.units_per_token) then
        if not limit.is_shadow then return false end
        violated = violated or {}
        violated[i] = true
      end
    end
    return true, violated
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
    local held, violated = found.bucket and found.bucket.held, nil
    if not held and not limits.has_unspent then return decide_unheld(limits, spent, tokens) end
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
    if not bucket then return write_plain(found) end
    set_spent(bucket, found.limits, spent, found.at)
    write(found.key, bucket)
  end

  -- Records the limits of a check as they are, and returns the bucket, which is not stored yet.
  -- is_held: whether a hold will be added to it
  function buckets.record(found, is_held)
    local bucket = found.bucket or { last_spent_at = found.at, full_at = found.at, own = {}, others = {} }
    found.bucket = bucket
    if is_held and not bucket.held then bucket.held = buckets.holds().none() end
    set_spent(bucket, found.limits, found.spent, found.at)
    return bucket
  end

  -- Charges tokens at a time that is not before the last spending, whether or not so many are left. Returns the whole tokens that were
  -- charged, the fewest over the limits.
  -- limit_of: the limit of an entry; nil if it cannot be charged. Of the entries of one policy, all can be or none.
  function buckets.charge(bucket, tokens, at, limit_of)
    local charged
    local function charge_entry(entry)
      local limit = limit_of(entry)
      if not limit then return end
      local before, units_per_token = spent_in(entry, limit, at), limit.units_per_token
      local after = min(before + tokens * units_per_token, limit.per_ms > 0 and max_units(limit) or MAX_UNITS - 1)
      local whole = floor((after - before) / units_per_token)
      charged = min(charged or whole, whole)
      local changed = entry_with(limit, after, at, bucket.held)
      for name, value in pairs(changed) do entry[name] = value end
      entry.last_spent_at, entry.full_at = at, full_at_of(limit, after, at)
    end
    for _, entry in ipairs(bucket.own) do charge_entry(entry) end
    for _, entry in ipairs(bucket.others) do charge_entry(entry) end
    if not charged then return 0 end
    local full_at = -1
    for _, entry in ipairs(bucket.own) do full_at = max(full_at, entry.full_at) end
    for _, entry in ipairs(bucket.own) do entry.full_at = full_at end
    bucket.last_spent_at, bucket.full_at = at, full_at
    return charged
  end

  -- What reservations hold of the key of a check. Expired ones that no access has settled yet still count.
  local function note_held(index, held)
    note(index, HELD)
    note(held.tokens, held.count)
    note(max(1, held.earliest - now), max(1, held.latest - now))
  end

  -- How many reservations of the key of a check this call found expired.
  local function note_expired(index, count)
    if count == 0 then return end
    note(index, EXPIRED)
    note(count, 0)
  end

  -- Appends what a check found to the reply.
  local function report(index, found, allowed, violated)
    local limits, spent, at, bucket = found.limits, found.spent, found.at, found.bucket
    if at > now then note(index, at - now) end
    if bucket and bucket.held then note_held(index, bucket.held) end
    if holds then note_expired(index, holds.take_expired(found.key)) end
    local has_kinds = limits.has_kinds
    for i = 1, #limits do
      append(allowed and not (violated and violated[i]) and spent[i] or -1 - spent[i])
      if has_kinds and limits[i].kind then limits[i].kind.append(limits[i], at) end
    end
  end

  -- The reply to a check that was not decided.
  local function leave_undecided(index, limits, reason)
    note(index, reason)
    for _, limit in ipairs(limits) do
      append(0)
      if limit.kind then limit.kind.append(limit, now) end
    end
  end

  function buckets.check(index, limits, tokens)
    local key = keys[keys_from + index]
    local stored = get(key)
    if is_elsewhere(stored) then return leave_undecided(index, limits, ELSEWHERE) end
    if limits.is_undecidable then return leave_undecided(index, limits, UNKNOWN_PERIOD) end
    local found = find(index, key, stored, limits)
    local allowed, violated = decide(found, tokens)
    if allowed and tokens > 0 then spend(found, tokens, violated) end
    report(index, found, allowed, violated)
  end

  buckets.note, buckets.open, buckets.found_in, buckets.find, buckets.decide = note, open, found_in, find, decide
  buckets.spend, buckets.report, buckets.leave_undecided = spend, report, leave_undecided
  return buckets
end

