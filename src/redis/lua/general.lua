--[[
  The check of a bucket with any limits, of which only these were spent. A part of the scripts of buckets; domain/bucket.ts has the same
  arithmetic, with the reasons. Buckets with other entries, holds or debt are for bucket.lua.
]]
  local buckets, kinds
  local noted = 0

  -- The kind of a limit by its letter; see limits.lua.
  local function kind_of(letter)
    kinds = kinds or { q = quota_kind(), c = concurrency_kind() }
    return kinds[letter]
  end

  -- What a limit is besides a token bucket that denies; see limits.lua.
  local function read_text(limits, limit, text)
    if string.sub(text, 1, 1) == 's' then limit.is_shadow, text = true, string.sub(text, 2) end
    if text == '' then return end
    limits.has_kinds = true
    limit.kind = kind_of(string.sub(text, 1, 1))
    limit.is_unspent = limit.kind.is_unspent
    if not limit.kind.read(limit, text) then limits.is_undecidable = true end
  end

  local function note(index, value)
    notes[noted + 1], notes[noted + 2] = index, value
    noted = noted + 2
  end

  -- What reservations hold of the key of a check.
  local function note_reservations(index, tokens, count, earliest, latest)
    note(index, HELD)
    note(tokens, count)
    note(max(1, earliest - now), max(1, latest - now))
  end

  -- The same of the holds of a bucket. Expired ones that no access has settled yet still count.
  local function note_held(index, held)
    note_reservations(index, held.tokens, held.count, held.earliest, held.latest)
  end

  -- How many reservations of the key of a check this call found expired.
  local function note_expired(index, count)
    if count == 0 then return end
    note(index, EXPIRED)
    note(count, 0)
  end

  -- That a part of a reservation of the key of a check was damaged.
  local function note_damaged(index)
    note(index, DAMAGED_RESERVATION)
  end

  -- Whether a number that was read is one that this service writes. Written so that NaN fails.
  local function is_whole(number, most)
    return number >= 0 and number <= most and fmod(number, 1) == 0
  end

  -- The value of a bucket's key: false if there is none, a table if it is of another type or elsewhere. Any other error ends the
  -- script, since a bucket that cannot be read is not full.
  local function get(key)
    local stored = pcall('GET', key)
    if type(stored) == 'table' and not is_error(stored, 'WRONGTYPE') and not is_elsewhere(stored) then call('GET', key) end
    return stored
  end

  -- The most units that holds can be charged to, debt included.
  local function most_units(limit)
    return limit.per_ms > 0 and max_units(limit) or MAX_UNITS - 1
  end

  local function full_at_of(limit, spent, at)
    if limit.per_ms > 0 then return at + ceil_div(spent, limit.per_ms) end
    return limit.kind.full_at(limit, at)
  end

  -- The units spent now of each limit by entries that begin at a byte, if they are exactly those of these limits, in this order.
  -- shape: what follows the entries in a bucket with holds, see held-same.lua; nil if nothing follows
  local function spent_of_entries(stored, limits, last_spent_at, at, shape)
    local spent, elapsed = {}, now - last_spent_at
    for i, limit in ipairs(limits) do
      if limit.is_unspent then
        spent[i] = 0
      else
        local id, units_per_token, units = unpack('>I4I4d', stored, at)
        if id ~= limit.id or units_per_token ~= limit.units_per_token or not (units >= 0 and units <= MAX_UNITS) then return nil end
        local per_ms = limit.per_ms
        if per_ms > 0 then
          spent[i] = refilled(min(units, limit.capacity_units), elapsed * per_ms)
        else
          spent[i] = limit.kind.spent_at(limit, units, last_spent_at, now)
        end
        at = at + ENTRY
        if shape then
          local record = shape.records[i]
          if string.sub(stored, at, at + #record - 1) ~= record then return nil end
          at = at + #record
        end
      end
    end
    return spent
  end

  -- The units spent now of each limit, if the bucket holds exactly these limits in this order and the clock did not go back.
  local function spent_of_same(stored, limits)
    if limits.own == 0 or #stored ~= TIME + limits.own * ENTRY then return nil end
    local last_spent_at = unpack('>d', stored)
    if not (last_spent_at <= now) then return nil end
    return spent_of_entries(stored, limits, last_spent_at, TIME + 1)
  end

  -- Whether the limits allow a check, if reservations hold nothing.
  local function decide_unheld(limits, spent, tokens)
    local violated
    for i, limit in ipairs(limits) do
      local is_left = tokens <= limit.capacity and limit.capacity_units - spent[i] >= tokens * limit.units_per_token
      if not (is_left or limit.is_unspent) then
        if not limit.is_shadow then return false end
        violated = violated or {}
        violated[i] = true
      end
    end
    return true, violated
  end

  -- Writes a bucket of which nothing is held or owed, and of which other limits were not spent.
  local function write_plain(key, limits, spent, at)
    local limit = limits[1]
    if #limits == 1 and limit.per_ms > 0 then return write_alone(key, limit, spent[1], at) end
    local parts, full_at = { pack('>d', at) }, at
    for i, limit in ipairs(limits) do
      if not limit.is_unspent then
        parts[#parts + 1] = pack('>I4I4d', limit.id, limit.units_per_token, spent[i])
        full_at = max(full_at, full_at_of(limit, spent[i], at))
      end
    end
    if #parts > 1 then write_until(key, table.concat(parts), full_at) end
  end

  -- Appends to the reply what a check found. at: the time by which its limits count
  local function report(limits, spent, at, allowed, violated)
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

  local general = {
    kind_of = kind_of,
    read_text = read_text,
    note = note,
    note_held = note_held,
    note_expired = note_expired,
    note_damaged = note_damaged,
    is_whole = is_whole,
    get = get,
    most_units = most_units,
    full_at_of = full_at_of,
    spent_of_entries = spent_of_entries,
    spent_of_same = spent_of_same,
    decide_unheld = decide_unheld,
    write_plain = write_plain,
    report = report,
    leave_undecided = leave_undecided,
  }

  -- Returns false for a bucket that cannot be read so.
  local function check_held_alone(index, key, bucket, limit, tokens)
    local spent, held, count, members, earliest, latest, only = read_held_alone(bucket, limit)
    if not spent then return false end
    local capacity_units, cost = limit.capacity_units, tokens * limit.units_per_token
    local held_units = tokens > 0 and held * limit.units_per_token or 0
    note_reservations(index, held, count, earliest, latest)
    if not (tokens <= limit.capacity and capacity_units - spent - held_units >= cost) then
      append(-1 - spent)
      return true
    end
    append(spent + cost)
    if tokens == 0 then return true end
    -- While there are holds, the time to live does not depend on what is spent.
    call('SET', key, packed_held_alone(limit, spent + cost, held, count, members, earliest, latest, only), 'KEEPTTL')
    return true
  end

  -- Checks a bucket by one token bucket.
  function general.check_one(index, key, bucket, limits, tokens)
    if not check_held_alone(index, key, bucket, limits[1], tokens) then general.check(index, limits, tokens) end
  end

  -- The functions for buckets with other entries, holds or debt.
  function general.buckets()
    buckets = buckets or bucket_functions(general)
    return buckets
  end

  function general.check(index, limits, tokens)
    local key = keys[keys_from + index]
    local stored = get(key)
    if is_elsewhere(stored) then return leave_undecided(index, limits, ELSEWHERE) end
    if limits.is_undecidable then return leave_undecided(index, limits, UNKNOWN_PERIOD) end
    local spent
    if not stored then
      spent = {}
      for i = 1, #limits do spent[i] = 0 end
    elseif type(stored) == 'string' then
      spent = spent_of_same(stored, limits)
    end
    if not spent then return general.buckets().check(index, key, stored, limits, tokens) end
    local allowed, violated = decide_unheld(limits, spent, tokens)
    if allowed and tokens > 0 then
      for i, limit in ipairs(limits) do
        if not (limit.is_unspent or (violated and violated[i])) then spent[i] = spent[i] + tokens * limit.units_per_token end
      end
      write_plain(key, limits, spent, now)
    end
    report(limits, spent, now, allowed, violated)
  end

  return general
end

