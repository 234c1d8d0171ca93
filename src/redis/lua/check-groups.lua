--[[
  Decides groups of checks, one group after another. Either all checks of a group are allowed, or nothing is spent from any. A group may
  hold its tokens for a reservation instead of spending them. Its parts come before it, see redis/scripts.ts.

  keys[keys_from + i]  for each group the buckets of its checks, then for a reservation its record
  ARGV[1]              the runs, in order: "checks hold count checks hold count …", where the next `count` groups are alike; then after a
                       line end for each reservation the text of its record, see records.lua, and a carriage return.
                       The checks are "policy:tokens,policy:tokens,…", or "-" if there are none; "~" follows a check that never denies.
                       The hold is "-", or for a reservation "ttl:charged:new:tokens:check:tokens:check…": its time to live in ms, 1 if it is
                       charged when it expires, otherwise 0, 1 if no earlier request can have its id, otherwise 0, and for each of its keys
                       the tokens, and the number of its check in the group, or 0 if it has none
  ARGV[2]              the limits of the policies as JSON, see limits.lua

  Returns a string of big-endian doubles: for each group a code, a number, and what its checks find, as check.lua returns it; then notes as those
  of check.lua. Codes:
    0  denied
    1  allowed, and spent if it is no reservation
    2  held, or 5, held before under the same id: the number is the deadline in ms
    3  allowed, but a key has as many reservations as it can have: the number is that of its check in the group
    4  allowed, but another request has the same id
    6  held as 2, of one key of which no other reservation holds anything; no note says so
  A check that is not decided leaves its whole group undecided.
]]
  local RESERVED, TOO_MANY, ID_REUSED, RESERVED_BEFORE = 2, 3, 4, 5
  local MAX_HOLDS = 1000

  -- Tables are created with all their members: one that grows later costs several times as much.
  local function checks_of(run)
    local checks = {}
    for i = 1, #run do
      local asked = run[i]
      checks[i] = {
        key = keys[place + i], limits = asked.limits, tokens = asked.tokens, never_denies = asked.never_denies, index = index + i,
        stored = nil, found = nil, allowed = nil, violated = nil, is_held = nil,
      }
    end
    return checks
  end

  local function hold_of(run, text)
    local of_run, key = run.hold, keys[place + #run + 1]
    return {
      id = id_of(key), text = text, key = key, ttl = of_run.ttl, is_charged = of_run.is_charged, is_new = of_run.is_new,
      named = of_run.named, record = nil,
    }
  end

  -- Whether holds can be added to the buckets of all checks.
  local function can_hold(checks)
    for _, check in ipairs(checks) do
      if not buckets.holds().are_here(check.key, check.stored, true) then return false end
    end
    return true
  end

  -- Why the group cannot be decided here, as far as its values say.
  local function reason_undecided(checks, hold)
    if hold and not hold.is_new then
      local is_record_elsewhere, is_damaged
      hold.record, is_record_elsewhere, is_damaged = read_reservation(hold.key)
      if is_record_elsewhere then return ELSEWHERE end
      if is_damaged and checks[1] then general.note_damaged(checks[1].index) end
    end
    for _, check in ipairs(checks) do
      check.stored = general.get(check.key)
      if is_elsewhere(check.stored) then return ELSEWHERE end
    end
    for _, check in ipairs(checks) do
      if check.limits.is_undecidable then return UNKNOWN_PERIOD end
    end
  end

  -- Whether all checks are allowed that can deny.
  local function decide(checks, reserves)
    local is_allowed = true
    for _, check in ipairs(checks) do
      check.found = buckets.find(check.index, check.key, check.stored, check.limits)
      check.allowed, check.violated = buckets.decide(check.found, check.tokens, reserves)
      is_allowed = is_allowed and (check.allowed or check.never_denies)
    end
    return is_allowed
  end

  local function has_too_many(check)
    local held = check.found.held
    return held and held.count >= MAX_HOLDS
  end

  local function record_of(checks, hold, deadline)
    local record = new_record(0, hold.is_charged, hold.ttl, deadline, hold.text)
    for i, named in ipairs(hold.named) do
      local check = checks[named.check]
      record[i] = { is_held = check and check.is_held, tokens = named.tokens, settled = 0, charged = 0 }
    end
    return record
  end

  local function hold_all(checks, hold)
    if not can_hold(checks) then return DENIED, 0, ELSEWHERE end
    for i, check in ipairs(checks) do
      if has_too_many(check) and not check.never_denies then return TOO_MANY, i end
    end
    local deadline, holds_any = now + hold.ttl, false
    for _, check in ipairs(checks) do
      check.is_held = check.allowed and not has_too_many(check)
      holds_any = holds_any or check.is_held
    end
    if not holds_any then return ALLOWED, 0 end
    -- First, since nothing was asked of it yet if its reservation is new.
    if not write_reservation(hold.key, record_of(checks, hold, deadline)) then return DENIED, 0, ELSEWHERE end
    for _, check in ipairs(checks) do
      if check.is_held then
        local of_key = { id = hold.id, tokens = check.tokens, is_charged = hold.is_charged, deadline = deadline }
        buckets.alone.hold(check.found, of_key)
      end
    end
    return RESERVED, deadline
  end

  -- A repeated request gets the reservation that it made before, whatever is left now.
  local function find_again(checks, hold)
    local record = hold.record
    if fingerprint_of(record) ~= fingerprint_of(hold) then return ID_REUSED, 0 end
    for _, check in ipairs(checks) do check.allowed, check.violated = true, nil end
    return RESERVED_BEFORE, record.deadline
  end

  -- The third value says why the group is not decided here.
  local function decide_group(checks, hold)
    local is_allowed = decide(checks, hold ~= nil)
    if hold and hold.record then return find_again(checks, hold) end
    if not is_allowed then return DENIED, 0 end
    if hold then return hold_all(checks, hold) end
    for _, check in ipairs(checks) do
      if check.allowed and check.tokens > 0 then buckets.spend(check.found, check.tokens, check.violated) end
    end
    return ALLOWED, 0
  end

  local function report(checks, reason)
    for _, check in ipairs(checks) do
      if reason then
        general.leave_undecided(check.index, check.limits, reason)
      else
        buckets.report(check.index, check.found, check.allowed, check.violated)
      end
    end
  end

  return function(run, text)
    local checks, hold = checks_of(run), text and hold_of(run, text)
    local reason = reason_undecided(checks, hold)
    local code, value = DENIED, 0
    if not reason then code, value, reason = decide_group(checks, hold) end
    append(code)
    append(value)
    report(checks, reason)
  end
end

local decide
for checks, hold, count in string.gmatch(runs, '(%S+) (%S+) (%d+)') do
  local run = read_run(checks, hold)
  local decide_simply = simple_decision(run)
  for _ = 1, tonumber(count) do
    local text = run.hold and next_text()
    if not (decide_simply and decide_simply(run, text)) then
      decide = decide or uncommon_calls()
      decide(run, text)
    end
    place, index = place + #run + (text and 1 or 0), index + #run
  end
end
return packed_reply()
