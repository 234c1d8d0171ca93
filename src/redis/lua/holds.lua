--[[
  The holds of a bucket: what reservations hold, until they are settled or expire. A part of the scripts of buckets;
  domain/held-bucket.ts has the same rules. A function creates it, since most calls do not need it.

  Beside a bucket with holds is a sorted set: the score of a hold is its deadline in ms; its member is the id of its reservation, then a
  big-endian double, its tokens, 2 bytes, how many reservations it stands for, and 1 byte, whether it is charged when it expires.
  A hold stands for several reservations, and has no id, if the set was lost: what the head of the bucket says of them then stays held
  until the latest deadline, and is charged in full.
]]
local function hold_functions(buckets, general, layout)
  local MAX_SETTLED_PER_ACCESS = 64
  local HOLD_BYTES = 11
  local holds, holds_key, is_elsewhere = {}, layout.holds_key, general.is_elsewhere
  -- By the key of the bucket: how many reservations this call found expired.
  local expired = {}

  local function member_of(id, tokens, count, is_charged)
    return id .. pack('>dI2B', tokens, count, is_charged and 1 or 0)
  end

  -- The deadline of the first hold (from 0) or of the last one (from -1).
  local function deadline_at(key, rank)
    return tonumber(call('ZRANGE', holds_key(key), rank, rank, 'WITHSCORES')[2])
  end

  -- Restores a set that was lost. Returns whether the set is here: while a slot moves, its key is at either master, whatever that of its
  -- bucket is. The master that the slot moves to finds no set then, which does not mean that it was lost.
  local function repair(key, held)
    local set = holds_key(key)
    local members = pcall('ZCARD', set)
    if members == held.members then return true end
    if is_elsewhere(members) or is_redirected then return false end
    call('DEL', set)
    call('ZADD', set, format('%.0f', held.latest), member_of('', held.tokens, held.count, true))
    held.members, held.earliest = 1, held.latest
    return true
  end

  local function drop(held, tokens, count)
    held.members, held.count, held.tokens = held.members - 1, held.count - count, held.tokens - tokens
  end

  -- Settles expired holds in the order of their deadlines, each as of its deadline, or as of the last spending if that was later.
  function holds.settle_due(key, bucket)
    local held, set = bucket.held, holds_key(key)
    if not repair(key, held) then return end
    local due = call('ZRANGEBYSCORE', set, '-inf', format('%.0f', now), 'WITHSCORES', 'LIMIT', 0, MAX_SETTLED_PER_ACCESS)
    for i = 1, #due, 2 do
      local tokens, count, is_charged = unpack('>dI2B', due[i], #due[i] - HOLD_BYTES + 1)
      if is_charged == 1 and tokens > 0 then
        local at = max(tonumber(due[i + 1]), bucket.last_spent_at)
        buckets.charge(bucket, tokens, at, function(entry) return entry.recorded end)
      end
      drop(held, tokens, count)
      expired[key] = (expired[key] or 0) + count
    end
    if #due > 0 then call('ZREMRANGEBYRANK', set, 0, #due / 2 - 1) end
    if not buckets.forget_if_unheld(bucket) then held.earliest = deadline_at(key, 0) end
  end

  -- Whether the set of a bucket's holds is here, or can be created here. If not, its holds can neither be added nor ended now.
  -- stored: the value of the bucket
  function holds.are_here(key, stored)
    local members = pcall('ZCARD', holds_key(key))
    if is_elsewhere(members) then return false end
    return not is_redirected or members == layout.members_in(stored)
  end

  -- How many reservations of a key were found expired since this was last asked.
  function holds.take_expired(key)
    local count = expired[key] or 0
    expired[key] = nil
    return count
  end

  -- Adds a hold { id, is_charged } to what is held. The bucket is not stored yet.
  function holds.add(key, held, hold, tokens, deadline)
    if held.members > 0 then repair(key, held) else call('DEL', holds_key(key)) end
    local member = member_of(hold.id, tokens, 1, hold.is_charged)
    local added = call('ZADD', holds_key(key), format('%.0f', deadline), member)
    held.members, held.count, held.tokens = held.members + added, held.count + added, held.tokens + added * tokens
    if added == 0 then
      held.earliest, held.latest = deadline_at(key, 0), deadline_at(key, -1)
    else
      held.earliest, held.latest = min(held.earliest, deadline), max(held.latest, deadline)
    end
  end

  -- What a bucket without holds knows of them before the first one is added.
  function holds.none()
    return { members = 0, count = 0, tokens = 0, earliest = MAX_TIME, latest = 0 }
  end

  function holds.has(key, hold)
    return call('ZSCORE', holds_key(key), member_of(hold.id, hold.tokens, 1, hold.is_charged)) ~= false
  end

  -- Removes a hold { id, tokens, is_charged, deadline } from what is held. Returns whether it was there. The bucket is not stored yet.
  function holds.take(key, held, hold)
    if call('ZREM', holds_key(key), member_of(hold.id, hold.tokens, 1, hold.is_charged)) == 0 then return false end
    drop(held, hold.tokens, 1)
    if held.members == 0 then return true end
    repair(key, held)
    if hold.deadline == held.earliest then held.earliest = deadline_at(key, 0) end
    if hold.deadline == held.latest then held.latest = deadline_at(key, -1) end
    return true
  end

  -- Moves the deadline of a hold. The bucket is not stored yet.
  function holds.move(key, held, hold, deadline)
    call('ZADD', holds_key(key), 'XX', format('%.0f', deadline), member_of(hold.id, hold.tokens, 1, hold.is_charged))
    held.earliest, held.latest = deadline_at(key, 0), deadline_at(key, -1)
  end

  return holds
end

