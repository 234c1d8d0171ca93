--[[
  The layout of a bucket: reads and writes the value of a bucket's key. A part of the scripts of buckets.

  A bucket is a string of big-endian numbers: a double, the time in ms when it was last spent from; then an entry of 16 bytes for
  each limit of the policy that spent last: 4 bytes id, 4 bytes units per token, and a double, the units spent.
  A bucket with more than that is extended. Its first entry is a head:
    4 bytes 0, a version (1 byte), the number of own entries (1 byte), the number of other entries (1 byte), 1 byte 0,
    and a double, the time in ms when the own entries are full.
  Its own entries are followed by others of 32 bytes, for limits that the policy which spent last does not have: an entry as above, a
  double, the time in ms when it was last spent from, and a double, the time in ms when it is full.
  Version 2 has nothing else. It is still read.
  In version 3, the head is followed by 32 bytes about holds, which holds.lua describes: their number (2 bytes), the number of members of
    their set (2 bytes), 4 bytes 0, and three doubles: the sum of their tokens, the earliest and the latest deadline. Each entry, own or
    other, has 16 more bytes, by which holds can be charged to it, and from which an own entry knows when it is full itself:
    of a token bucket: its units per ms (4 bytes), its capacity in tokens (4 bytes), and a double, the units that are debt;
    of a quota: 2^31 + the length of a period in s (4 bytes), the length of the next period in s (4 bytes), and a double, the time in ms
    when the first one ends; of another entry without that: 4 bytes 0, 1 or 0 (4 bytes), and a double, the units that are debt.
    1 says that its time when it is full is that of the slowest limit of its policy; its own is not known.
  Version 4 is that of a bucket whose only hold has no set: as version 3, and then 32 bytes of text, the hold as holds.lua describes it.
  Every part has the size of whole entries, so release 0.1.0 finds its limits in an extended bucket too.
  Any other value is malformed: it counts as a full bucket, and the next spending check replaces it.

  In the scripts, a bucket is { last_spent_at, full_at, own = { entry … }, others = { entry … }, held }; an entry is { id,
  units_per_token, spent, debt, last_spent_at, full_at, is_estimated, recorded }, where `recorded` is a limit; `held` is absent without
  holds.
]]
-- Creates the functions that read a bucket with any entries, and write one. Most calls need none of them.
local function bucket_layout(general)
  local HELD_BYTES, TIMES, RECORD = 32, 16, 16
  -- No limit has this id.
  local EXTENDED, VERSION_OF_OTHERS, VERSION_OF_RECORDS, VERSION_OF_ONE_HOLD = 0, 2, 3, 4
  local QUOTA, ESTIMATED = 2 ^ 31, 1
  local is_whole = general.is_whole
  local forgotten_at = lifetime_function(general)

  -- What the value of a bucket says of its holds: their members, and whether the only one has no set.
  local function members_in(stored)
    if type(stored) ~= 'string' or #stored < TIME + ENTRY + HELD_BYTES then return 0, false end
    local first, version = unpack('>I4B', stored, TIME + 1)
    local is_only = version == VERSION_OF_ONE_HOLD
    if first ~= EXTENDED or not (is_only or version == VERSION_OF_RECORDS) then return 0, false end
    return unpack('>I2', stored, TIME + ENTRY + 3), is_only
  end

  -- The key of the sorted set of a bucket's holds. No bucket has such a key.
  local function holds_key(key)
    return key .. '\1holds'
  end

  -- When the own entries of a bucket that is not extended are full: when its key expires. Without an expiry, in a moment.
  local function full_at_by_expiry(key, last_spent_at)
    local time_to_live = call('PTTL', key)
    if time_to_live < 0 then return max(now, last_spent_at) + 1 end
    local expires_at = pcall('PEXPIRETIME', key)
    -- Redis 6.2 does not know the command.
    if type(expires_at) ~= 'number' then expires_at = now + time_to_live end
    return expires_at - EXPIRY_SLACK_MS
  end

  local function read_entry(stored, at, last_spent_at, full_at)
    local id, units_per_token, spent = unpack('>I4I4d', stored, at)
    if id == EXTENDED or units_per_token == 0 or not is_whole(spent, MAX_UNITS) or full_at < last_spent_at then return nil end
    return {
      id = id,
      units_per_token = units_per_token,
      spent = spent,
      debt = 0,
      last_spent_at = last_spent_at,
      full_at = full_at,
    }
  end

  -- Other limits were never spent from after the own ones.
  local function read_other(stored, at, latest)
    local last_spent_at, full_at = unpack('>dd', stored, at + ENTRY)
    if not (is_whole(last_spent_at, latest) and is_whole(full_at, MAX_TIME)) then return nil end
    return read_entry(stored, at, last_spent_at, full_at)
  end

  -- Adds what is recorded of its limit. Returns nil if that is malformed.
  local function read_record(entry, stored, at)
    local rate, size, value = unpack('>I4I4d', stored, at)
    if rate >= QUOTA then
      if rate == QUOTA or size == 0 or not is_whole(value, MAX_TIME) then return nil end
      entry.recorded = general.kind_of('q').recorded(entry.id, value - (rate - QUOTA) * 1000, value, size * 1000)
      return entry
    end
    if not is_whole(value, MAX_UNITS) then return nil end
    entry.debt = value
    if rate == 0 then
      entry.is_estimated = size == ESTIMATED or nil
      return entry
    end
    local units_per_token = entry.units_per_token
    entry.recorded = {
      id = entry.id,
      units_per_token = units_per_token,
      per_ms = rate,
      capacity = size,
      capacity_units = size * units_per_token,
    }
    return entry
  end

  -- nil without holds, false if it is malformed.
  local function read_held(stored, at, is_only)
    local count, members, _, tokens, earliest, latest = unpack('>I2I2I4ddd', stored, at)
    if count == 0 then return is_only and false or nil end
    if members == 0 or members > count or (is_only and count > 1) then return false end
    if not (is_whole(tokens, MAX_UNITS) and is_whole(latest, MAX_TIME) and is_whole(earliest, latest)) then return false end
    local only = is_only and string.sub(stored, -ONE_HOLD_BYTES) or nil
    return { count = count, members = members, tokens = tokens, earliest = earliest, latest = latest, only = only }
  end

  local function bucket_of(last_spent_at, full_at)
    return { last_spent_at = last_spent_at, full_at = full_at, own = {}, others = {} }
  end

  local function parse_plain(key, stored, last_spent_at)
    local bucket = bucket_of(last_spent_at, full_at_by_expiry(key, last_spent_at))
    for at = TIME + 1, #stored, ENTRY do
      local entry = read_entry(stored, at, last_spent_at, bucket.full_at)
      if not entry then return nil end
      table.insert(bucket.own, entry)
    end
    return bucket
  end

  local function parse_extended(stored, last_spent_at)
    local version, own, others, _, full_at = unpack('>BBBBd', stored, TIME + 5)
    local is_only = version == VERSION_OF_ONE_HOLD
    local has_records = is_only or version == VERSION_OF_RECORDS
    if not is_whole(full_at, MAX_TIME) or not (has_records or (version == VERSION_OF_OTHERS and own > 0)) then return nil end
    local record, at = has_records and RECORD or 0, TIME + ENTRY + (has_records and HELD_BYTES or 0)
    local entries = own * (ENTRY + record) + others * (ENTRY + TIMES + record)
    if #stored ~= at + entries + (is_only and ONE_HOLD_BYTES or 0) then return nil end
    local bucket = bucket_of(last_spent_at, full_at)
    if has_records then bucket.held = read_held(stored, TIME + ENTRY + 1, is_only) end
    if bucket.held == false then return nil end
    for i = 1, own + others do
      local entry
      if i <= own then
        entry, at = read_entry(stored, at + 1, last_spent_at, full_at), at + ENTRY
      else
        entry, at = read_other(stored, at + 1, last_spent_at), at + ENTRY + TIMES
      end
      if entry and has_records then entry, at = read_record(entry, stored, at + 1), at + RECORD end
      if not entry then return nil end
      -- Holds that are gone left a record in the counts that the embedded store keeps.
      if i > own and not bucket.held then entry.recorded = nil end
      table.insert(i <= own and bucket.own or bucket.others, entry)
    end
    return bucket
  end

  -- nil if it is malformed.
  local function parse(key, stored)
    if #stored < TIME + ENTRY or fmod(#stored - TIME, ENTRY) ~= 0 then return nil end
    local last_spent_at, first = unpack('>dI4', stored)
    if not is_whole(last_spent_at, MAX_TIME) then return nil end
    if first == EXTENDED then return parse_extended(stored, last_spent_at) end
    return parse_plain(key, stored, last_spent_at)
  end

  local function has_debt(bucket)
    for _, entry in ipairs(bucket.own) do if entry.debt > 0 then return true end end
    for _, entry in ipairs(bucket.others) do if entry.debt > 0 then return true end end
    return false
  end

  local function packed_record(entry)
    local limit = entry.recorded
    if not limit then return pack('>I4I4d', 0, entry.is_estimated and ESTIMATED or 0, entry.debt) end
    if limit.per_ms > 0 then return pack('>I4I4d', limit.per_ms, limit.capacity, entry.debt) end
    return pack('>I4I4d', QUOTA + (limit.ends_at - limit.starts_at) / 1000, limit.length / 1000, limit.ends_at)
  end

  -- is_only: whether the only hold has no set
  local function packed_head(is_only, own, others)
    return pack('>I4BBBB', EXTENDED, is_only and VERSION_OF_ONE_HOLD or VERSION_OF_RECORDS, own, others, 0)
  end

  local function packed(bucket)
    local own, others, held = bucket.own, bucket.others, bucket.held
    local only, is_extended = held and held.only, held ~= nil or #others > 0 or has_debt(bucket)
    local parts = { pack('>d', bucket.last_spent_at) }
    if is_extended then parts[2] = packed_head(only ~= nil, #own, #others) .. pack('>d', bucket.full_at) end
    if held then
      parts[3] = pack('>I2I2I4ddd', held.count, held.members, 0, held.tokens, held.earliest, held.latest)
    elseif is_extended then
      parts[3] = pack('>I2I2I4ddd', 0, 0, 0, 0, 0, 0)
    end
    for _, entry in ipairs(own) do
      parts[#parts + 1] = pack('>I4I4d', entry.id, entry.units_per_token, entry.spent)
      if is_extended then parts[#parts + 1] = packed_record(entry) end
    end
    for _, entry in ipairs(others) do
      parts[#parts + 1] =
        pack('>I4I4ddd', entry.id, entry.units_per_token, entry.spent, entry.last_spent_at, entry.full_at)
      if is_extended then parts[#parts + 1] = packed_record(entry) end
    end
    if only then parts[#parts + 1] = only end
    return table.concat(parts)
  end

  -- Makes holds expire with their bucket. If they are at another master, they keep their time to live: what is spent meanwhile does not
  -- change when they end.
  local function keep_holds(key, full_at)
    pcall('PEXPIREAT', holds_key(key), format('%.0f', full_at + EXPIRY_SLACK_MS))
  end

  -- Stores a bucket, whose holds expire with it, and returns it. Deletes it and returns nil if it is full.
  local function write(key, bucket)
    local full_at = forgotten_at(bucket)
    if full_at <= now then
      call('DEL', key)
      return nil
    end
    write_until(key, packed(bucket), full_at)
    if bucket.held and not bucket.held.only then keep_holds(key, full_at) end
    return bucket
  end

  return {
    parse = parse,
    write = write,
    members_in = members_in,
    packed_head = packed_head,
    packed_record = packed_record,
    forgotten_at = forgotten_at,
    holds_key = holds_key,
    keep_holds = keep_holds,
  }
end

