--[[
  One key of a reservation in a call of reservations.lua: what is held of it, and how that is settled. A part of that script.

  named: { key, limits, tokens, stored }, and once they are known { bucket, is_malformed }, { found } of the most common settlement, and
  of a hold that is gone { shortfall, before }, see shortfalls.lua
  hold: { id, tokens, is_charged, deadline }
]]
  -- Once for each bucket.
  local function open(named)
    if named.is_open then return end
    named.is_open, named.bucket, named.is_malformed = true, buckets.open(named.key, named.stored)
  end

  local function has_hold(named, hold)
    local held = named.bucket and named.bucket.held
    return held and buckets.holds().has(named.key, held, hold)
  end

  -- Finds what the expiry of a hold that is gone has charged; nothing if it has not expired. If the clock went back, its deadline may be ahead
  -- again: a spending at the deadline or later shows that it had passed, and so does a charge of less than was held. Returns whether that is
  -- known here.
  local function find_expiry(named, hold)
    local shortfall, is_elsewhere = buckets.shortfalls().find(named.key, hold)
    named.shortfall = shortfall
    local has_passed = hold.deadline <= now or (shortfall ~= nil and not shortfall.is_reset)
      or (named.bucket ~= nil and named.bucket.last_spent_at >= hold.deadline)
    if has_passed then named.before = shortfall or buckets.shortfalls().in_full(hold) end
    return not is_elsewhere
  end

  -- Stores a bucket that may be full now.
  local function store(named)
    named.bucket = buckets.store(named.key, named.bucket)
  end

  -- Releases what is held of a key, and charges its tokens to every limit that the bucket has recorded. Returns the tokens charged, or
  -- nil if nothing is held.
  local function settle_held(named, in_force, hold)
    local bucket, charged = named.bucket, nil
    if not (bucket and bucket.held and buckets.holds().take(named.key, bucket.held, hold)) then return nil end
    if named.tokens > 0 then
      local at = max(now, bucket.last_spent_at)
      charged = buckets.charge(bucket, named.tokens, at, function(entry)
        return entry.recorded and (in_force[entry.id] or entry.recorded)
      end)
    end
    buckets.forget_if_unheld(bucket)
    store(named)
    return charged or 0
  end

  -- Charges tokens that nothing holds any more to the limits in force, and to those that the bucket has recorded for other holds, as far as
  -- they exceed what was charged before. Returns the tokens charged in all.
  local function charge_unheld(named, in_force, before)
    if named.tokens <= before.least or (not named.bucket and not next(in_force)) then return before.least end
    local bucket = buckets.record(buckets.found_in(named.key, named.bucket, named.limits), false)
    named.bucket = bucket
    local charged = buckets.charge(bucket, named.tokens, max(now, bucket.last_spent_at), function(entry)
      return in_force[entry.id] or bucket.held and entry.recorded
    end, before)
    store(named)
    return charged or before.least
  end

  -- The most common settlement: the bucket has only the limit in force, and is not in debt. Returns whether that was so.
  local function settle_alone(named, hold)
    if hold.deadline <= now or named.tokens == 0 then return false end
    local found = buckets.alone.find(named.key, named.stored, named.limits)
    if not (found and buckets.alone.settle(found, hold, named.tokens)) then return false end
    named.found = found
    return true
  end

  -- Settles a hold that is gone. Its record tells from now on what was charged. Returns the tokens charged in all.
  local function settle_gone(named, in_force, hold)
    if not named.before then find_expiry(named, hold) end
    if named.shortfall then buckets.shortfalls().forget(named.key, hold.id) end
    return charge_unheld(named, in_force, named.before or buckets.shortfalls().nothing())
  end

  -- Returns the tokens charged in all.
  local function settle_key(named, recorded, hold)
    if recorded.is_held and settle_alone(named, hold) then return named.tokens end
    open(named)
    if not recorded.is_held then return 0 end
    local in_force = {}
    for _, limit in ipairs(named.limits) do
      if not limit.is_unspent then in_force[limit.id] = limit end
    end
    return settle_held(named, in_force, hold) or settle_gone(named, in_force, hold)
  end

