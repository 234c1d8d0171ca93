--[[
  Decides a batch of checks, one after another, each against its own token bucket.
  The same arithmetic as domain/token-bucket.ts, which says why it is so.

  KEYS[i]      the bucket of check i
  ARGV[1]      the runs, in order: "policy tokens count policy tokens count …", where the next `count` checks
               ask policy number `policy` (from 1) for `tokens`
  ARGV[1 + p]  the limits of policy p: "id unit unitsPerMs capacityUnits capacity id unit …"

  Returns a string of big-endian doubles: for each check, for each limit of its policy, the units spent after the check, or
  −1 − units where the check was denied; then, for each check whose refill rests because the clock went back, its index and
  the pause in ms. Doubles are exact for these integers, and cost client and server less than as many replies of their own.

  A bucket is a string: big-endian double, ms at which it was last spent from; then for each limit
  4 bytes id, 4 bytes unit, and a double, the units spent.
]]
local CLOCK_TOLERANCE_MS = 10000
local EXPIRY_SLACK_MS = 5
-- Redis writes larger numbers as 9e+15, which it does not read as a time.
local PLAIN_INTEGER = 2 ^ 51
local HEADER, ENTRY = 8, 16

local spread = unpack
local call, pack, unpack = redis.call, struct.pack, struct.unpack
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

-- The unit and the units spent that the bucket holds for the limit; `at` is where it stands if the policy did not change.
local function find_entry(bucket, limit, at)
  if at < #bucket then
    local id, unit, spent = unpack('>I4I4d', bucket, at)
    if id == limit.id then return unit, spent end
  end
  for offset = HEADER + 1, #bucket, ENTRY do
    local id, unit, spent = unpack('>I4I4d', bucket, offset)
    if id == limit.id then return unit, spent end
  end
end

-- Beyond 2^53 the product is rounded, but to no less than 2^53, which is more than was ever spent.
local function refilled(spent, regained)
  if regained >= spent then return 0 end
  return spent - regained
end

local function spent_now(bucket, limit, at, elapsed)
  local unit, spent = find_entry(bucket, limit, at)
  if not unit then return 0 end
  if unit == limit.unit then
    spent = min(spent, limit.capacity_units)
  else
    spent = min(ceil_div(spent, unit), limit.capacity) * limit.unit
  end
  return refilled(spent, elapsed * limit.per_ms)
end

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The bucket, how long ago it was last spent from, and how long refill still rests.
local function read_bucket(key)
  local bucket = call('GET', key)
  if not bucket then return nil, 0, 0 end
  local used_at = unpack('>d', bucket)
  if used_at - now > CLOCK_TOLERANCE_MS then
    -- Expiry is a point in time, which moves back with the last spending.
    local time_to_live = max(1, call('PTTL', key) - (used_at - now))
    call('SET', key, pack('>d', now) .. string.sub(bucket, HEADER + 1), 'PXAT', format('%.0f', now + time_to_live))
    return bucket, 0, 0
  end
  return bucket, max(0, now - used_at), max(0, used_at - now)
end

local function write_bucket(key, limits, spent, pause)
  local entries = { pack('>d', now + pause) }
  local time_to_full = 0
  for i, limit in ipairs(limits) do
    entries[i + 1] = pack('>I4I4d', limit.id, limit.unit, spent[i])
    time_to_full = max(time_to_full, ceil_div(spent[i], limit.per_ms))
  end
  call('SET', key, table.concat(entries), 'PXAT', format('%.0f', now + pause + time_to_full + EXPIRY_SLACK_MS))
end

-- Decides one check. Returns whether it is allowed, the units spent of each limit, and the pause.
local function check(key, limits, tokens)
  local bucket, elapsed, pause = read_bucket(key)
  local spent, allowed = {}, true
  for i, limit in ipairs(limits) do
    spent[i] = bucket and spent_now(bucket, limit, HEADER + 1 + (i - 1) * ENTRY, elapsed) or 0
    allowed = allowed and tokens <= limit.capacity and limit.capacity_units - spent[i] >= tokens * limit.unit
  end
  if allowed and tokens > 0 then
    for i, limit in ipairs(limits) do spent[i] = spent[i] + tokens * limit.unit end
    write_bucket(key, limits, spent, pause)
  end
  return allowed, spent, pause
end

local reply, replied = {}, 0

local function append(value)
  replied = replied + 1
  reply[replied] = value
end

local pauses = {}

local function check_and_append(index, limits, tokens)
  local allowed, spent, pause = check(keys[index], limits, tokens)
  for i = 1, #limits do append(allowed and spent[i] or -1 - spent[i]) end
  if pause > 0 then
    pauses[#pauses + 1] = index
    pauses[#pauses + 1] = pause
  end
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
    local bucket = call('GET', key)
    local spent, is_own = 0, true
    if bucket then
      local used_at, entry_id, entry_unit, stored = unpack('>dI4I4d', bucket)
      is_own = #bucket == HEADER + ENTRY and entry_id == id and entry_unit == unit and used_at <= now
      if is_own then spent = refilled(min(stored, capacity_units), (now - used_at) * per_ms) end
    end
    if not is_own then
      check_and_append(index, limits, tokens)
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
    for index = first, last do check_and_append(index, limits, tokens) end
  end
end
for _, value in ipairs(pauses) do append(value) end
return pack('>' .. string.rep('d', replied), spread(reply, 1, replied))
