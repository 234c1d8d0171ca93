--[[
  Decides a batch of checks, one after another, each by its own bucket. domain/bucket.ts has the same arithmetic, with
  the reasons. Its parts come before it, see redis/scripts.ts: where its keys are, the layout of buckets, the reply, and limits.

  keys[keys_from + i]  the bucket of check i
  ARGV[1]              the runs, in order: "policy tokens count policy tokens count …", where the next `count` checks
                       ask policy number `policy` (from 1) for `tokens`
  ARGV[2]              the limits of each policy, separated by ";", see limits.lua

  Returns a string of big-endian doubles: for each check, for each limit of its policy, the units spent after the check, or
  −1 − units if the check was denied, or would have been by this shadow limit; after those of a quota, the ms until its period ends, and the length of that period.
  Then pairs: the index of a check, and the ms for which its refill is paused because the clock went back, or −1 if its bucket was
  malformed, or the reason why it was not decided: −2 if its slot is at another master or moves there, −3 if the caller does not
  know the present period of a quota. Doubles are exact for these integers, and cheaper for client and server than as many separate
  replies.
]]
local MAX_OTHER_ENTRIES = 8
-- Redis writes larger numbers as 9e+15, which it does not read as a time.
local PLAIN_INTEGER = 2 ^ 51

-- A product beyond 2^53 is rounded, but never below 2^53, which is more than was ever spent.
local function refilled(spent, regained)
  if regained >= spent then return 0 end
  return spent - regained
end

local MALFORMED, ELSEWHERE, UNKNOWN_PERIOD = -1, -2, -3

-- Creates the check of a bucket with any limits and entries. Most calls do not need it, and creating its functions would cost them as
-- much as a check does.
local function general_check()
  local parse, write_bucket

  -- The units spent now of each limit, if the bucket holds exactly these limits in this order and the clock did not go back.
  local function spent_of_same(stored, limits)
    if #stored ~= TIME + #limits * ENTRY then return nil end
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
        if limit.kind then return limit.kind.spent_at(limit, entry.spent, entry.last_spent_at, at) end
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
    if is_text and not parse then parse, write_bucket = bucket_layout() end
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

  local function spend(key, limits, tokens, spent, violated, bucket, at)
    local parts, full_at = { pack('>d', at) }, at
    for i, limit in ipairs(limits) do
      if not (violated and violated[i]) then spent[i] = spent[i] + tokens * limit.units_per_token end
      parts[i + 1] = pack('>I4I4d', limit.id, limit.units_per_token, spent[i])
      local per_ms = limit.per_ms
      full_at = max(full_at, per_ms > 0 and at + ceil_div(spent[i], per_ms) or limit.kind.full_at(limit, at))
    end
    if bucket then
      write_bucket(key, parts, full_at, others_than(limits, bucket, at))
    else
      write_until(key, parts, full_at)
    end
  end

  -- Whether the enforced limits allow; and if any shadow limits would deny, which of the limits those are.
  local function decide(limits, tokens, spent)
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

  local function leave_undecided(index, limits, reason)
    note(index, reason)
    for _, limit in ipairs(limits) do
      append(0)
      if limit.kind then limit.kind.append(limit, now) end
    end
  end

  local function check(index, limits, tokens)
    local key = keys[keys_from + index]
    local stored = get(key)
    if is_elsewhere(stored) then return leave_undecided(index, limits, ELSEWHERE) end
    if limits.is_undecidable then return leave_undecided(index, limits, UNKNOWN_PERIOD) end
    local spent, bucket, is_malformed = read_bucket(key, stored, limits)
    if is_malformed then note(index, MALFORMED) end
    if bucket and bucket.last_spent_at > now then note(index, bucket.last_spent_at - now) end
    local allowed, violated = decide(limits, tokens, spent)
    local at = bucket and max(now, bucket.last_spent_at) or now
    if allowed and tokens > 0 then spend(key, limits, tokens, spent, violated, bucket, at) end
    local has_kinds = limits.has_kinds
    for i = 1, #limits do
      append(allowed and not (violated and violated[i]) and spent[i] or -1 - spent[i])
      if has_kinds and limits[i].kind then limits[i].kind.append(limits[i], at) end
    end
  end

  return check
end

local check

local function is_simple(limits)
  return #limits == 1 and not limits[1].kind and limits[1].capacity_units / limits[1].per_ms < PLAIN_INTEGER
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
      check = check or general_check()
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
    check = check or general_check()
    for index = first, last do check(index, limits, tokens) end
  end
end
for _, value in ipairs(notes) do append(value) end
return pack('>' .. string.rep('d', replied), spread(reply, 1, replied))
