--[[
  Settles and extends reservations, and tells how they stand, one after another. Its parts come before it, see redis/scripts.ts.

  keys[keys_from + i]  for each call the record of its reservation, then the buckets of the reservation's keys, in its order
  ARGV[1]              the runs, in order: "what ttl keys count what ttl keys count …", where the next `count` calls are alike; then after a line
                       end for each call the fingerprint of its reservation, and a line end. What is asked:
                       0 to tell its state; 1 to settle it or 2 to release it; or 3 to extend it, with the time to live from now in ms, or 0
                       for that of its start. The keys are "policy:tokens,policy:tokens,…": the number of the policy in force, or 0 if it has no
                       limits, and the tokens to settle
  ARGV[2]              the limits of the policies as JSON, see limits.lua

  Returns a string of big-endian doubles: for each call a code, a number, and for each key the tokens settled, the tokens charged (−1 if
  the reservation holds nothing of the key), and how many reservations of the key this call found expired. Of an expired reservation, the
  expiry has charged them. For a call to settle with the code 1 or 2, what a check of 0 tokens finds of each key follows, as check.lua returns
  it. At the end are notes as those of check.lua. Codes:
    0  held, or extended: the number is the deadline in ms
    1  settled · 2 released: the number is 1 if it was before, otherwise 0
    3  expired: the number is the deadline in ms
    4  lost: a reset has forgotten what it held; the number is the deadline in ms
    5  not found: there is no such reservation, or the caller has the keys of another one
    6  ended before with other tokens, as settled, or 7, as released
    8  not decided, since a bucket is elsewhere; 9, since the caller does not know the present period of a quota
    10 not decided, since more reservations have expired than one access, or one call, settles: the caller is to ask again
    11 settled now: all tokens of its only key are charged. What a check finds of it follows at once
]]
  local TELL, SETTLE, RELEASE, EXTEND = 0, 1, 2, 3
  local HELD_NOW, RESERVATION_EXPIRED, LOST, NOT_FOUND, ENDED_OTHERWISE, NOT_HERE, NO_PERIOD, UNFINISHED = 0, 3, 4, 5, 5, 8, 9, 10
  local NOTHING_HELD = -1

  -- Tables are created with all their members: one that grows later costs several times as much.
  local function call_of(run, fingerprint)
    local asked = { nil, fingerprint = fingerprint, key = keys[place + 1], what = run.what, ttl = run.ttl, record = nil }
    for i = 1, #run do
      asked[i] = {
        key = keys[place + 1 + i], limits = run[i].limits, tokens = run[i].tokens,
        stored = nil, is_open = nil, bucket = nil, is_malformed = nil, found = nil, shortfall = nil, before = nil,
      }
    end
    return asked
  end

  -- Reads the buckets. Returns why they cannot be decided here.
  local function read_all(asked, record)
    for i, named in ipairs(asked) do
      named.stored = general.get(named.key)
      if is_elsewhere(named.stored) then return NOT_HERE end
      local needs_holds = record[i].is_held and record.ended == 0
      if needs_holds and not buckets.holds().are_here(named.key, named.stored, false) then return NOT_HERE end
      if named.limits and named.limits.is_undecidable then return NO_PERIOD end
    end
  end

  -- What a reservation holds of a key.
  local function hold_of(asked, record, i)
    return { id = id_of(asked.key), tokens = record[i].tokens, is_charged = record.is_charged, deadline = record.deadline }
  end

  -- After an access to the bucket of a hold whose deadline has passed: why it is not known what its expiry has charged, or nil.
  local function find_expired(named, hold)
    local held = named.bucket and named.bucket.held
    if held and held.earliest <= now then
      if not buckets.holds().expiries().can_end_here(named.key, named.bucket) then return NOT_HERE end
      if has_hold(named, hold) then return UNFINISHED end
    end
    return not find_expiry(named, hold) and NOT_HERE or nil
  end

  -- Opens the buckets of a reservation whose deadline has passed, all of them, so that each access settles some holds of each. Returns why it is
  -- not known what its expiry has charged, or nil.
  local function open_expired(asked, record)
    local reason
    for i, named in ipairs(asked) do
      open(named)
      local found = record[i].is_held and find_expired(named, hold_of(asked, record, i)) or nil
      if found == NOT_HERE then return NOT_HERE end
      reason = reason or found
    end
    return reason
  end

  local function settle(asked, record)
    if record.ended > 0 then
      local is_same = record.ended == asked.what
      for i, named in ipairs(asked) do
        open(named)
        is_same = is_same and record[i].settled == named.tokens
      end
      if is_same then return record.ended, 1 end
      return ENDED_OTHERWISE + record.ended, 0
    end
    for i, named in ipairs(asked) do
      record[i].charged = settle_key(named, record[i], hold_of(asked, record, i))
      record[i].settled = named.tokens
    end
    record.ended = asked.what
    write_reservation(asked.key, record)
    return record.ended, 0
  end

  local function status_of(asked, record)
    if record.ended > 0 then return record.ended end
    if record.deadline <= now then return RESERVATION_EXPIRED end
    local status = HELD_NOW
    for i, named in ipairs(asked) do
      local hold = hold_of(asked, record, i)
      if record[i].is_held and not has_hold(named, hold) then
        find_expiry(named, hold)
        if not named.before then return LOST end
        status = RESERVATION_EXPIRED
      end
    end
    return status
  end

  local function extend(asked, record)
    local status = status_of(asked, record)
    if status ~= HELD_NOW then return status, record.deadline end
    record.deadline = now + (asked.ttl > 0 and asked.ttl or record.ttl)
    for i, named in ipairs(asked) do
      if record[i].is_held then
        buckets.holds().move(named.key, named.bucket.held, hold_of(asked, record, i), record.deadline)
        store(named)
      end
    end
    write_reservation(asked.key, record)
    return HELD_NOW, record.deadline
  end

  local function answer(asked)
    if buckets.holds().are_many_settled() then return UNFINISHED, 0 end
    local record, is_record_elsewhere = read_reservation(asked.key)
    if is_record_elsewhere then return NOT_HERE, 0 end
    if not record or #record ~= #asked or fingerprint_of(record) ~= asked.fingerprint then return NOT_FOUND, 0 end
    local reason = read_all(asked, record)
    if reason then return reason, 0 end
    reason = record.ended == 0 and record.deadline <= now and open_expired(asked, record) or nil
    if reason then return reason, 0 end
    asked.record = record
    if asked.what == SETTLE or asked.what == RELEASE then return settle(asked, record) end
    for _, named in ipairs(asked) do open(named) end
    if asked.what == TELL then return status_of(asked, record), record.deadline end
    return extend(asked, record)
  end

  local function charged_to(code, named, recorded)
    if not recorded.is_held then return NOTHING_HELD end
    if code == RESERVATION_EXPIRED then return named.before and named.before.least or 0 end
    return recorded.charged
  end

  local function append_key(code, asked, i)
    local record = asked.record
    local settled, charged = 0, 0
    if record then settled, charged = record[i].settled, charged_to(code, asked[i], record[i]) end
    append(settled)
    append(charged)
    append(buckets.holds().take_expired(asked[i].key))
  end

  local function report(asked)
    for _, named in ipairs(asked) do
      index = index + 1
      if named.is_malformed then general.note(index, MALFORMED) end
      local found = named.found or buckets.found_in(named.key, named.bucket, named.limits)
      local allowed, violated = buckets.decide(found, 0)
      buckets.report(index, found, allowed, violated)
    end
  end

  return function(run, fingerprint)
    local asked = call_of(run, fingerprint)
    local code, value = answer(asked)
    append(code)
    append(value)
    for i = 1, #asked do append_key(code, asked, i) end
    if code == asked.what and (code == SETTLE or code == RELEASE) then report(asked) end
  end
end

-- Of a key whose policy has none, and of a call that names no policy.
local NO_LIMITS = { own = 0 }

-- What the calls of a run have in common: { key, key …, what, ttl }.
local function read_run(what, ttl, named)
  local run = { what = tonumber(what), ttl = tonumber(ttl) }
  for policy, tokens in string.gmatch(named, '(%d+):(%d+)') do
    run[#run + 1] = { limits = policies[tonumber(policy)] or NO_LIMITS, tokens = tonumber(tokens) }
  end
  return run
end

local perform
for what, ttl, named, count in string.gmatch(runs, '(%d) (%d+) (%S+) (%d+)') do
  local run = read_run(what, ttl, named)
  local is_simple = may_be_simple(run)
  for _ = 1, tonumber(count) do
    local fingerprint = next_text()
    if not (is_simple and settle_simply(run, fingerprint)) then
      perform = perform or uncommon_calls()
      perform(run, fingerprint)
    end
    place = place + 1 + #run
  end
end
return packed_reply()
