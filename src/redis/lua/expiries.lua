--[[
  What happens to holds that nobody settles in time: they expire, or a reset forgets them. A part of the scripts of buckets;
  domain/held-bucket.ts has the same rules. A function creates it, since most calls do not need it.
]]
-- holds: some functions of holds.lua
local function expiry_functions(buckets, general, layout, holds)
  -- How many expired holds an access settles at most, and once its call has settled many: it may have many keys, and Redis serves
  -- nobody else meanwhile.
  local MOST, FEW = 64, 1
  local expiries, holds_key, read_member = {}, layout.holds_key, holds.read_member

  -- Charges what was due at a deadline, as of then or as of the last spending if that was later. If the period of a quota has ended between
  -- the two, its charge no longer counts: the quota stays as it is, and counts as charged in full. Returns what `buckets.charge` does.
  local function charge_due(bucket, tokens, deadline)
    local at, is_over = max(deadline, bucket.last_spent_at), false
    local charged, charges = buckets.charge(bucket, tokens, at, function(entry)
      local limit = entry.recorded
      if not (limit and limit.kind and limit.kind.spent_at(limit, 1, deadline, at) == 0) then return limit end
      is_over = true
    end)
    return charged or (is_over and tokens or 0), charges
  end

  -- Settles an expired hold. A hold that stands for several reservations has no id.
  local function expire(key, bucket, tokens, count, is_charged, deadline, id)
    if is_charged and tokens > 0 then
      local charged, charges = charge_due(bucket, tokens, deadline)
      if charged < tokens and id ~= '' then buckets.shortfalls().note(key, id, deadline, tokens, charges) end
    end
    holds.drop(bucket.held, tokens, count)
    holds.count(key, count)
  end

  -- Members with their scores.
  local function read_due(key, most)
    return call('ZRANGEBYSCORE', holds_key(key), '-inf', format('%.0f', now), 'WITHSCORES', 'LIMIT', 0, most)
  end

  local function has_damaged(members)
    for i = 1, #members, 2 do
      if not read_member(members[i], members[i + 1]) then return true end
    end
    return false
  end

  -- In the order of their deadlines.
  local function expire_of_set(key, bucket, most)
    local due = read_due(key, most)
    if has_damaged(due) then
      holds.restore(key, bucket.held)
      due = read_due(key, most)
    end
    for i = 1, #due, 2 do expire(key, bucket, read_member(due[i], due[i + 1])) end
    if #due > 0 then call('ZREMRANGEBYRANK', holds_key(key), 0, #due / 2 - 1) end
  end

  -- Whether expiries may charge less than is held, as if nothing refilled until then.
  local function may_charge_less(bucket)
    local tokens, is_recorded = bucket.held.tokens, false
    for _, entries in ipairs({ bucket.own, bucket.others }) do
      for _, entry in ipairs(entries) do
        local limit = entry.recorded
        if limit then
          if entry.spent + entry.debt + tokens * limit.units_per_token > general.most_units(limit) then return true end
          is_recorded = true
        end
      end
    end
    return tokens > 0 and not is_recorded
  end

  -- Whether all that the end of holds changes is here.
  function expiries.can_end_here(key, bucket)
    if not bucket.held.only and not holds.repair(key, bucket.held) then return false end
    return not may_charge_less(bucket) or buckets.shortfalls().are_here(key)
  end

  -- The bucket is not stored yet. Returns false if they cannot be settled here.
  local function settle_at_most(most, key, bucket)
    local held = bucket.held
    if not expiries.can_end_here(key, bucket) then return false end
    if held.only then
      expire(key, bucket, holds.read_only(held))
    else
      expire_of_set(key, bucket, most)
    end
    if not buckets.forget_if_unheld(bucket) then held.earliest = holds.deadline_at(key, held, 0) end
    return true
  end

  -- Settles expired holds as an access does.
  function expiries.settle_due(key, bucket)
    settle_at_most(holds.are_many_settled() and FEW or MOST, key, bucket)
  end

  -- Settles all expired holds of a bucket, and stores it. The second value says that they cannot be settled here.
  function expiries.settle_all_due(key, bucket)
    while bucket and bucket.held and bucket.held.earliest <= now do
      if not settle_at_most(MOST, key, bucket) then return bucket, true end
      bucket = buckets.store(key, bucket)
    end
    return bucket, false
  end

  local function forget(key, tokens, _, is_charged, deadline, id)
    if tokens and tokens > 0 and is_charged and id ~= '' then buckets.shortfalls().note_reset(key, id, deadline) end
  end

  -- Notes the holds that a reset forgets. None of them is due. Returns false if they cannot be noted here.
  function expiries.forget_all(key, held)
    if not buckets.shortfalls().are_here(key) then return false end
    if held.only then
      forget(key, holds.read_only(held))
      return true
    end
    if not holds.repair(key, held) then return false end
    local members = call('ZRANGE', holds_key(key), 0, -1, 'WITHSCORES')
    for i = 1, #members, 2 do forget(key, read_member(members[i], members[i + 1])) end
    return true
  end

  return expiries
end

