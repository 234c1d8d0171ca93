--[[
  The holds of a bucket: what reservations hold, until they are settled or expire. A part of the scripts of buckets;
  domain/held-bucket.ts has the same rules. A function creates it, since most calls do not need it.

  The only hold of a bucket is in the bucket itself, which knows its tokens and its deadline: "1" if it is charged when it expires,
  otherwise "0", and the id of its reservation, filled with spaces to 32 bytes.
  Beside a bucket that got a second hold is a sorted set, until it has none: the score of a hold is its deadline in ms; its member is the
  id of its reservation, then a big-endian double, its tokens, 2 bytes, how many reservations it stands for, and 1 byte, whether it is
  charged when it expires.
  A hold stands for several reservations, and has no id, if members of the set were lost or are damaged: what the head of the bucket
  says of them then stays held until the latest deadline, and is charged in full.
]]
local function hold_functions(buckets, general, layout)
  local HOLD_BYTES, MANY = 11, 256
  local holds, holds_key, is_whole = {}, layout.holds_key, general.is_whole
  -- By the key of the bucket: how many reservations this call found expired, and whether a part of its set was damaged.
  local expired, damaged, expiries = {}, {}, nil
  -- How many expired holds this call has settled.
  local settled = 0

  local function member_of(id, tokens, count, is_charged)
    return id .. pack('>dI2B', tokens, count, is_charged and 1 or 0)
  end

  local function only_of(hold)
    return only_hold(hold.id, hold.is_charged)
  end

  local function is_only(held, hold)
    return held.only == only_of(hold) and held.tokens == hold.tokens
  end

  -- The tokens of a member, how many reservations it stands for, whether it is charged, its deadline, and the id; nil if it is damaged.
  local function read_member(member, score)
    local at, deadline = #member - HOLD_BYTES + 1, tonumber(score) or -1
    if at < 1 or not is_whole(deadline, MAX_TIME) then return nil end
    local tokens, count, is_charged = unpack('>dI2B', member, at)
    if not is_whole(tokens, MAX_UNITS) or count == 0 or is_charged > 1 then return nil end
    return tokens, count, is_charged == 1, deadline, string.sub(member, 1, at - 1)
  end

  -- What the head of a bucket says of its holds beyond the members that are left, without those that are damaged.
  local function remove_damaged(key, held)
    local found = pcall('ZRANGE', holds_key(key), 0, -1, 'WITHSCORES')
    if found.err then
      damaged[key] = true
      return held.tokens, held.count
    end
    local tokens, count = held.tokens, held.count
    for i = 1, #found, 2 do
      local of_member, reservations = read_member(found[i], found[i + 1])
      if of_member then
        tokens, count = tokens - of_member, count - reservations
      else
        damaged[key] = true
        call('ZREM', holds_key(key), found[i])
      end
    end
    return tokens, count
  end

  -- Makes a set agree with the head of its bucket.
  local function restore(key, held)
    local set, tokens, count = holds_key(key), remove_damaged(key, held)
    if tokens < 0 or count < 0 or (count == 0 and tokens > 0) or count == held.count then
      call('DEL', set)
      tokens, count = held.tokens, held.count
    end
    if count > 0 then call('ZADD', set, format('%.0f', held.latest), member_of('', tokens, count, true)) end
    held.members = call('ZCARD', set)
  end

  -- The deadline of the first hold (from 0) or of the last one (from -1).
  local function deadline_at(key, held, rank)
    local function score() return tonumber(call('ZRANGE', holds_key(key), rank, rank, 'WITHSCORES')[2]) or -1 end
    local deadline = score()
    if is_whole(deadline, MAX_TIME) then return deadline end
    restore(key, held)
    return score()
  end

  -- Restores a set of which members were lost. Returns whether the set is here: while a slot moves, its key is at either master, whatever that of its
  -- bucket is. The master that the slot moves to finds no set then, which does not mean that it was lost.
  local function repair(key, held)
    local set = holds_key(key)
    local members = pcall('ZCARD', set)
    if members == held.members then return true end
    if is_elsewhere(members) or is_redirected then return false end
    restore(key, held)
    held.earliest = deadline_at(key, held, 0)
    return true
  end

  local function drop(held, tokens, count)
    held.members, held.only = held.members - 1, nil
    -- A damaged member may say more than the head.
    held.count, held.tokens = max(held.members, held.count - count), max(0, held.tokens - tokens)
  end

  -- The only hold of a bucket, as read_member returns one.
  local function read_only(held)
    local is_charged, id = string.match(held.only, '^(.)(%S*)')
    return held.tokens, 1, is_charged == '1', held.earliest, id
  end

  -- Moves the only hold of a bucket to a set.
  local function move_to_set(key, held)
    local tokens, count, is_charged, deadline, id = read_only(held)
    call('DEL', holds_key(key))
    call('ZADD', holds_key(key), format('%.0f', deadline), member_of(id, tokens, count, is_charged))
    held.only = nil
  end

  -- Whether this call has settled so many expired holds that what can wait is left to the next one.
  function holds.are_many_settled()
    return settled >= MANY
  end

  function holds.expiries()
    expiries = expiries or expiry_functions(buckets, general, layout, {
      read_only = read_only, read_member = read_member, restore = restore, repair = repair, deadline_at = deadline_at, drop = drop,
      are_many_settled = holds.are_many_settled,
      count = function(key, count)
        expired[key] = (expired[key] or 0) + count
        settled = settled + 1
      end,
    })
    return expiries
  end

  -- Whether the set of a bucket's holds is here, or can be created here, if it is needed to end one or, with `adds`, to add one.
  -- stored: the value of the bucket
  function holds.are_here(key, stored, adds)
    local members, has_no_set = layout.members_in(stored)
    if members == 0 or (has_no_set and not adds) then return true end
    local found = pcall('ZCARD', holds_key(key))
    if is_elsewhere(found) then return false end
    return not is_redirected or found == (has_no_set and 0 or members)
  end

  -- How many reservations of a key were found expired since this was last asked.
  function holds.take_expired(key)
    local count = expired[key] or 0
    expired[key] = nil
    return count
  end

  -- Whether this call found a part of the set of a key's holds damaged, since this was last asked.
  function holds.take_damaged(key)
    local is_damaged = damaged[key]
    damaged[key] = nil
    return is_damaged
  end

  local function add_to_set(key, held, hold)
    local tokens, deadline = hold.tokens, hold.deadline
    local added = call('ZADD', holds_key(key), format('%.0f', deadline), member_of(hold.id, tokens, 1, hold.is_charged))
    held.members, held.count, held.tokens = held.members + added, held.count + added, held.tokens + added * tokens
    if added == 0 then
      held.earliest, held.latest = deadline_at(key, held, 0), deadline_at(key, held, -1)
    else
      held.earliest, held.latest = min(held.earliest, deadline), max(held.latest, deadline)
    end
  end

  -- Adds a hold { id, tokens, is_charged, deadline } to what is held. The bucket is not stored yet.
  function holds.add(key, held, hold)
    if held.members == 0 or is_only(held, hold) then
      held.members, held.count, held.tokens, held.only = 1, 1, hold.tokens, only_of(hold)
      held.earliest, held.latest = hold.deadline, hold.deadline
      return
    end
    if held.only then move_to_set(key, held) else repair(key, held) end
    add_to_set(key, held, hold)
  end

  -- What a bucket without holds knows of them before the first one is added.
  function holds.none()
    return { members = 0, count = 0, tokens = 0, earliest = MAX_TIME, latest = 0, only = nil }
  end

  function holds.has(key, held, hold)
    if held.only then return is_only(held, hold) end
    return type(pcall('ZSCORE', holds_key(key), member_of(hold.id, hold.tokens, 1, hold.is_charged))) == 'string'
  end

  -- Removes a hold { id, tokens, is_charged, deadline } from what is held. Returns whether it was there. The bucket is not stored yet.
  function holds.take(key, held, hold)
    if held.only then
      if not is_only(held, hold) then return false end
      drop(held, hold.tokens, 1)
      return true
    end
    if pcall('ZREM', holds_key(key), member_of(hold.id, hold.tokens, 1, hold.is_charged)) ~= 1 then return false end
    drop(held, hold.tokens, 1)
    if held.members == 0 then return true end
    repair(key, held)
    if hold.deadline == held.earliest then held.earliest = deadline_at(key, held, 0) end
    if hold.deadline == held.latest then held.latest = deadline_at(key, held, -1) end
    return true
  end

  -- Moves the deadline of a hold. The bucket is not stored yet.
  function holds.move(key, held, hold, deadline)
    if held.only then
      held.earliest, held.latest = deadline, deadline
      return
    end
    call('ZADD', holds_key(key), 'XX', format('%.0f', deadline), member_of(hold.id, hold.tokens, 1, hold.is_charged))
    held.earliest, held.latest = deadline_at(key, held, 0), deadline_at(key, held, -1)
  end

  return holds
end

