--[[
  Decides a batch of checks, one after another, each by its own bucket. domain/bucket.ts has the same arithmetic, with
  the reasons. bucket-layout.lua comes before it, and one of keys-declared.lua and keys-as-arguments.lua before that.

  keys[keys_from + i]  the bucket of check i
  ARGV[1]              the runs, in order: "policy tokens count policy tokens count …", where the next `count` checks
                       ask policy number `policy` (from 1) for `tokens`
  ARGV[2]              the limits of each policy: "id unitsPerToken unitsPerMs capacityUnits capacity id unitsPerToken …;id …"

  Returns a string of big-endian doubles: for each check, for each limit of its policy, the units spent after the check, or
  −1 − units if the check was denied; then pairs: the index of a check, and the ms for which its refill is paused because the
  clock went back, or −1 if its bucket was malformed, or −2 if it was not decided because its slot is at another master or moves
  there. Doubles are exact for these integers, and cheaper for client and server than as many separate replies.
]]
local CLOCK_TOLERANCE_MS = 10000
local MAX_OTHER_ENTRIES = 8
-- Redis writes larger numbers as 9e+15, which it does not read as a time.
local PLAIN_INTEGER = 2 ^ 51

local function read_policy(text)
  local limits = {}
  for id, units_per_token, per_ms, capacity_units, capacity in string.gmatch(text, '(%d+) (%d+) (%d+) (%d+) (%d+)') do
    limits[#limits + 1] = {
      id = tonumber(id),
      units_per_token = tonumber(units_per_token),
      per_ms = tonumber(per_ms),
      capacity_units = tonumber(capacity_units),
      capacity = tonumber(capacity),
    }
  end
  return limits
end

-- A product beyond 2^53 is rounded, but never below 2^53, which is more than was ever spent.
local function refilled(spent, regained)
  if regained >= spent then return 0 end
  return spent - regained
end

-- The units spent now of each limit, if the bucket holds exactly these limits in this order and the clock did not go back.
local function spent_of_same(stored, limits)
  if #stored ~= TIME + #limits * ENTRY then return nil end
  local last_spent_at = unpack('>d', stored)
  if not (last_spent_at <= now) then return nil end
  local spent, elapsed, at = {}, now - last_spent_at, TIME + 1
  for i, limit in ipairs(limits) do
    local id, units_per_token, units = unpack('>I4I4d', stored, at)
    if id ~= limit.id or units_per_token ~= limit.units_per_token or not (units >= 0 and units <= MAX_UNITS) then return nil end
    spent[i], at = refilled(min(units, limit.capacity_units), elapsed * limit.per_ms), at + ENTRY
  end
  return spent
end

-- After a clock that went back too far, moves times that lie ahead of it to now.
local function set_back(key, bucket)
  local parts, others = { pack('>d', now) }, {}
  for i, entry in ipairs(bucket) do
    local ahead = max(0, entry.last_spent_at - now)
    entry.last_spent_at, entry.full_at = entry.last_spent_at - ahead, entry.full_at - ahead
    if i <= bucket.own then
      parts[i + 1] = pack('>I4I4d', entry.id, entry.units_per_token, entry.spent)
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
      if entry.units_per_token == limit.units_per_token then
        spent = min(entry.spent, limit.capacity_units)
      else
        spent = min(ceil_div(entry.spent, entry.units_per_token), limit.capacity) * limit.units_per_token
      end
      return refilled(spent, (at - entry.last_spent_at) * limit.per_ms)
    end
  end
  return 0
end

-- Entries of limits that are not among these, the slowest first.
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

-- The units spent now of each limit; the bucket if it holds more than that; and whether it was malformed.
local function read_bucket(key, stored, limits)
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
    spent[i] = spent[i] + tokens * limit.units_per_token
    parts[i + 1] = pack('>I4I4d', limit.id, limit.units_per_token, spent[i])
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
    if not (tokens <= limit.capacity and limit.capacity_units - spent[i] >= tokens * limit.units_per_token) then return false end
  end
  return true
end

local reply, replied = {}, 0

local function append(value)
  replied = replied + 1
  reply[replied] = value
end

-- Pairs of an index, and a pause, MALFORMED or ELSEWHERE.
local notes = {}

local function note(index, value)
  notes[#notes + 1] = index
  notes[#notes + 1] = value
end

local MALFORMED, ELSEWHERE = -1, -2

local function leave_undecided(index, limits)
  note(index, ELSEWHERE)
  for _ = 1, #limits do append(0) end
end

local function check(index, limits, tokens)
  local key = keys[keys_from + index]
  local stored = get(key)
  if is_elsewhere(stored) then return leave_undecided(index, limits) end
  local spent, bucket, is_malformed = read_bucket(key, stored, limits)
  if is_malformed then note(index, MALFORMED) end
  if bucket and bucket.last_spent_at > now then note(index, bucket.last_spent_at - now) end
  local allowed = allow(limits, tokens, spent)
  if allowed and tokens > 0 then spend(key, limits, tokens, spent, bucket) end
  for i = 1, #limits do append(allowed and spent[i] or -1 - spent[i]) end
end

local function is_simple(limits)
  return #limits == 1 and limits[1].capacity_units / limits[1].per_ms < PLAIN_INTEGER
end

-- The same for the most common run: one limit, and a bucket that only this limit spent from. Written out, since calls and lookups
-- would be half of its cost.
local function check_simply(first, last, limits, tokens)
  local limit = limits[1]
  local id, units_per_token, per_ms, capacity_units = limit.id, limit.units_per_token, limit.per_ms, limit.capacity_units
  local cost = tokens * units_per_token
  local most_spent = tokens <= limit.capacity and capacity_units - cost or -1
  for index = first, last do
    local key = keys[keys_from + index]
    local bucket = pcall('GET', key)
    local spent, is_own = 0, true
    if bucket then
      is_own = #bucket == TIME + ENTRY
      if is_own then
        local last_spent_at, entry_id, entry_units_per_token, stored = unpack('>dI4I4d', bucket)
        is_own = entry_id == id and entry_units_per_token == units_per_token
          and last_spent_at <= now and stored >= 0 and stored <= MAX_UNITS
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
      call('SET', key, pack('>dI4I4d', now, id, units_per_token, spent), 'PXAT', now + ceil_div(spent, per_ms) + EXPIRY_SLACK_MS)
      append(spent)
    end
  end
end

local policies = {}
for text in string.gmatch(ARGV[2], '[^;]+') do policies[#policies + 1] = read_policy(text) end

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
