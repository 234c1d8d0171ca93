--[[
  Decides a batch of checks, one after another, each against its own token bucket.
  The same arithmetic as domain/token-bucket.ts, which says why it is so.

  KEYS[i]      the bucket of check i
  ARGV[1]      the runs, in order: "policy tokens count policy tokens count …", where the next `count` checks
               ask policy number `policy` (from 1) for `tokens`
  ARGV[1 + p]  the limits of policy p: "id unit unitsPerMs capacityUnits capacity id unit …"

  Returns a string of big-endian doubles: for each check, for each limit of its policy, the units spent after the check, or
  −1 − units where the check was denied; then pairs: the index of a check, and for how many ms its refill pauses because the
  clock went back, or −1 where its bucket was malformed. Doubles are exact for these integers, and cost client and server
  less than as many replies of their own.

  A bucket is a string of big-endian numbers: a double, ms at which it was last spent from; then entries of 16 bytes, of
  4 bytes id, 4 bytes unit, and a double, the units spent, one for each limit of the policy that spent last.
  A bucket that holds more than that is extended: its first entry is a head of
    4 bytes 0, a version (1 byte), the number of own entries (1 byte), the number of other entries (1 byte), 1 byte 0,
    and a double, ms at which the own entries are full
  and after its own entries come others of 32 bytes, of limits that the policy which spent last does not have:
    an entry as above, a double, ms at which it was last spent from, and a double, ms at which it is full.
  Release 0.1.0 finds its own limits in an extended bucket too, since everything is whole entries.
  A value that is neither is malformed: it counts as a full bucket, and the next check that spends replaces it.
]]
local CLOCK_TOLERANCE_MS = 10000
local EXPIRY_SLACK_MS = 5
local MAX_OTHER_ENTRIES = 8
-- Redis writes larger numbers as 9e+15, which it does not read as a time.
local PLAIN_INTEGER = 2 ^ 51
local MAX_UNITS, MAX_TIME = 2 ^ 53, 2 ^ 54
local TIME, ENTRY, OTHER = 8, 16, 32
-- No limit has this id.
local EXTENDED, VERSION = 0, 2

local spread = unpack
local call, pcall, pack, unpack = redis.call, redis.pcall, struct.pack, struct.unpack
local fmod, max, min, format = math.fmod, math.max, math.min, string.format
local keys = KEYS

local function ceil_div(a, b)
  local rest = fmod(a, b)
  if rest == 0 then return a / b end
  return (a - rest) / b + 1
end

local function read_policy(text)
  local limits = {}
  for id, unit, per_ms, capacity_units, capacity in string.gmatch(text, '(%d+) (%d+) (%d+) (%d+) (%d+)') do
    limits[#limits + 1] = {
      id = tonumber(id),
      unit = tonumber(unit),
      per_ms = tonumber(per_ms),
      capacity_units = tonumber(capacity_units),
      capacity = tonumber(capacity),
    }
  end
  return limits
end

-- Written so that only a proof passes: NaN does not.
local function is_whole(number, most)
  return number >= 0 and number <= most and fmod(number, 1) == 0
end

-- Beyond 2^53 the product is rounded, but to no less than 2^53, which is more than was ever spent.
local function refilled(spent, regained)
  if regained >= spent then return 0 end
  return spent - regained
end

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- What is spent now of each limit, if the bucket holds these limits alone, in this order, and the clock did not go back.
local function spent_of_same(stored, limits)
  if #stored ~= TIME + #limits * ENTRY then return nil end
  local last_spent_at = unpack('>d', stored)
  if not (last_spent_at <= now) then return nil end
  local spent, elapsed, at = {}, now - last_spent_at, TIME + 1
  for i, limit in ipairs(limits) do
    local id, unit, units = unpack('>I4I4d', stored, at)
    if id ~= limit.id or unit ~= limit.unit or not (units >= 0 and units <= MAX_UNITS) then return nil end
    spent[i], at = refilled(min(units, limit.capacity_units), elapsed * limit.per_ms), at + ENTRY
  end
  return spent
end

-- When the own entries of a bucket that is not extended are full: its key expires then. Without an expiry, in a moment.
local function full_at_by_expiry(key, last_spent_at)
  local time_to_live = call('PTTL', key)
  if time_to_live < 0 then return max(now, last_spent_at) + 1 end
  local expires_at = pcall('PEXPIRETIME', key)
  -- Redis 6.2 does not know the command.
  if type(expires_at) ~= 'number' then expires_at = now + time_to_live end
  return expires_at - EXPIRY_SLACK_MS
end

local function read_entry(stored, at, last_spent_at, full_at)
  local id, unit, spent = unpack('>I4I4d', stored, at)
  if id == EXTENDED or unit == 0 or not is_whole(spent, MAX_UNITS) or full_at < last_spent_at then return nil end
  return { id = id, unit = unit, spent = spent, last_spent_at = last_spent_at, full_at = full_at }
end

-- No other limit was spent from after the own ones.
local function read_other(stored, at, latest)
  local last_spent_at, full_at = unpack('>dd', stored, at + ENTRY)
  if not (is_whole(last_spent_at, latest) and is_whole(full_at, MAX_TIME)) then return nil end
  return read_entry(stored, at, last_spent_at, full_at)
end

-- The head of an extended bucket: how many entries it has, own and others, and when the own ones are full.
local function read_head(stored)
  local version, own, others, _, full_at = unpack('>BBBBd', stored, TIME + 5)
  if version ~= VERSION or own == 0 or not is_whole(full_at, MAX_TIME) then return nil end
  if #stored ~= TIME + ENTRY + own * ENTRY + others * OTHER then return nil end
  return own, others, full_at
end

-- A bucket as { last_spent_at, own = number of own entries, entry, entry … }, or nil when it is malformed.
local function parse(key, stored)
  if #stored < TIME + ENTRY or fmod(#stored - TIME, ENTRY) ~= 0 then return nil end
  local last_spent_at, first = unpack('>dI4', stored)
  if not is_whole(last_spent_at, MAX_TIME) then return nil end
  local own, others, full_at, at = (#stored - TIME) / ENTRY, 0, nil, TIME + 1
  if first == EXTENDED then
    own, others, full_at = read_head(stored)
    if not own then return nil end
    at = at + ENTRY
  else
    full_at = full_at_by_expiry(key, last_spent_at)
  end
  local bucket = { last_spent_at = last_spent_at, own = own }
  for i = 1, own do
    bucket[i] = read_entry(stored, at + (i - 1) * ENTRY, last_spent_at, full_at)
    if not bucket[i] then return nil end
  end
  for i = 1, others do
    bucket[own + i] = read_other(stored, at + own * ENTRY + (i - 1) * OTHER, last_spent_at)
    if not bucket[own + i] then return nil end
  end
  return bucket
end

local function write_until(key, parts, full_at)
  call('SET', key, table.concat(parts), 'PXAT', format('%.0f', full_at + EXPIRY_SLACK_MS))
end

-- `parts` are the time and the own entries, packed. A bucket without others is not extended.
local function write_bucket(key, parts, full_at, others)
  if #others == 0 then return write_until(key, parts, full_at) end
  local forgotten_at = full_at
  table.insert(parts, 2, pack('>I4BBBBd', EXTENDED, VERSION, #parts - 1, #others, 0, full_at))
  for _, entry in ipairs(others) do
    parts[#parts + 1] = pack('>I4I4ddd', entry.id, entry.unit, entry.spent, entry.last_spent_at, entry.full_at)
    forgotten_at = max(forgotten_at, entry.full_at)
  end
  write_until(key, parts, forgotten_at)
end

-- A clock that went back too far takes what lies ahead of it along.
local function set_back(key, bucket)
  local parts, others = { pack('>d', now) }, {}
  for i, entry in ipairs(bucket) do
    local ahead = max(0, entry.last_spent_at - now)
    entry.last_spent_at, entry.full_at = entry.last_spent_at - ahead, entry.full_at - ahead
    if i <= bucket.own then
      parts[i + 1] = pack('>I4I4d', entry.id, entry.unit, entry.spent)
    else
      others[i - bucket.own] = entry
    end
  end
  bucket.last_spent_at = now
  write_bucket(key, parts, bucket[1].full_at, others)
end

local function spent_now(bucket, limit, at)
  for _, entry in ipairs(bucket) do
    if entry.id == limit.id then
      if at >= entry.full_at then return 0 end
      local spent
      if entry.unit == limit.unit then
        spent = min(entry.spent, limit.capacity_units)
      else
        spent = min(ceil_div(entry.spent, entry.unit), limit.capacity) * limit.unit
      end
      return refilled(spent, (at - entry.last_spent_at) * limit.per_ms)
    end
  end
  return 0
end

-- What was spent of limits that are not among these, the slowest first.
local function others_than(limits, bucket, at)
  local is_own, others = {}, {}
  for _, limit in ipairs(limits) do is_own[limit.id] = true end
  for _, entry in ipairs(bucket) do
    if entry.full_at > at and not is_own[entry.id] then others[#others + 1] = entry end
  end
  table.sort(others, function(a, b)
    if a.full_at == b.full_at then return a.id < b.id end
    return a.full_at > b.full_at
  end)
  for i = #others, MAX_OTHER_ENTRIES + 1, -1 do others[i] = nil end
  return others
end

-- The value of a bucket's key: false where there is none, a table where it is of another type. Any other error ends the script,
-- since a bucket that cannot be read is not a full one.
local function get(key)
  local stored = pcall('GET', key)
  if type(stored) == 'table' and not string.find(stored.err, 'WRONGTYPE', 1, true) then call('GET', key) end
  return stored
end

-- What is spent now of each limit, the bucket where it holds more than that, and whether it was malformed.
local function read_bucket(key, limits)
  local stored = get(key)
  local is_text = type(stored) == 'string'
  local spent = is_text and spent_of_same(stored, limits)
  if spent then return spent, nil, false end
  local bucket = is_text and parse(key, stored)
  spent = {}
  if not bucket then
    for i = 1, #limits do spent[i] = 0 end
    return spent, nil, stored ~= false
  end
  if bucket.last_spent_at - now > CLOCK_TOLERANCE_MS then set_back(key, bucket) end
  local at = max(now, bucket.last_spent_at)
  for i, limit in ipairs(limits) do spent[i] = spent_now(bucket, limit, at) end
  return spent, bucket, false
end

local function spend(key, limits, tokens, spent, bucket)
  local at = bucket and max(now, bucket.last_spent_at) or now
  local parts, fills_in = { pack('>d', at) }, 0
  for i, limit in ipairs(limits) do
    spent[i] = spent[i] + tokens * limit.unit
    parts[i + 1] = pack('>I4I4d', limit.id, limit.unit, spent[i])
    fills_in = max(fills_in, ceil_div(spent[i], limit.per_ms))
  end
  if bucket then
    write_bucket(key, parts, at + fills_in, others_than(limits, bucket, at))
  else
    write_until(key, parts, at + fills_in)
  end
end

local function allow(limits, tokens, spent)
  for i, limit in ipairs(limits) do
    if not (tokens <= limit.capacity and limit.capacity_units - spent[i] >= tokens * limit.unit) then return false end
  end
  return true
end

local reply, replied = {}, 0

local function append(value)
  replied = replied + 1
  reply[replied] = value
end

-- Pairs of an index and a pause, or −1.
local notes = {}

local function note(index, value)
  notes[#notes + 1] = index
  notes[#notes + 1] = value
end

local MALFORMED = -1

local function check(index, limits, tokens)
  local key = keys[index]
  local spent, bucket, is_malformed = read_bucket(key, limits)
  if is_malformed then note(index, MALFORMED) end
  if bucket and bucket.last_spent_at > now then note(index, bucket.last_spent_at - now) end
  local allowed = allow(limits, tokens, spent)
  if allowed and tokens > 0 then spend(key, limits, tokens, spent, bucket) end
  for i = 1, #limits do append(allowed and spent[i] or -1 - spent[i]) end
end

local function is_simple(limits)
  return #limits == 1 and limits[1].capacity_units / limits[1].per_ms < PLAIN_INTEGER
end

-- The same for a run of what is most common: one limit, and a bucket that it alone was spent from. Written out, since half of
-- what a check costs here would be calls and look-ups.
local function check_simply(first, last, limits, tokens)
  local limit = limits[1]
  local id, unit, per_ms, capacity_units = limit.id, limit.unit, limit.per_ms, limit.capacity_units
  local cost = tokens * unit
  local most_spent = tokens <= limit.capacity and capacity_units - cost or -1
  for index = first, last do
    local key = keys[index]
    local bucket = pcall('GET', key)
    local spent, is_own = 0, true
    if bucket then
      is_own = #bucket == TIME + ENTRY
      if is_own then
        local last_spent_at, entry_id, entry_unit, stored = unpack('>dI4I4d', bucket)
        is_own = entry_id == id and entry_unit == unit and last_spent_at <= now and stored >= 0 and stored <= MAX_UNITS
        if is_own then spent = refilled(min(stored, capacity_units), (now - last_spent_at) * per_ms) end
      end
    end
    if not is_own then
      check(index, limits, tokens)
    elseif not (spent <= most_spent) then
      append(-1 - spent)
    elseif tokens == 0 then
      append(spent)
    else
      spent = spent + cost
      call('SET', key, pack('>dI4I4d', now, id, unit, spent), 'PXAT', now + ceil_div(spent, per_ms) + EXPIRY_SLACK_MS)
      append(spent)
    end
  end
end

local policies = {}
for p = 2, #ARGV do policies[p - 1] = read_policy(ARGV[p]) end

local last = 0
for policy, tokens, count in string.gmatch(ARGV[1], '(%d+) (%d+) (%d+)') do
  local limits, first = policies[tonumber(policy)], last + 1
  tokens, last = tonumber(tokens), last + tonumber(count)
  if is_simple(limits) then
    check_simply(first, last, limits, tokens)
  else
    for index = first, last do check(index, limits, tokens) end
  end
end
for _, value in ipairs(notes) do append(value) end
return pack('>' .. string.rep('d', replied), spread(reply, 1, replied))
