--[[
  Reads the limits of policies: for each policy an array of its limits, each [id, unitsPerToken, unitsPerMs, capacityUnits, capacity]. A part
  of the scripts of buckets. They are JSON, since `cjson` reads it faster than patterns read a text.
  A limit can have a text as well. That of a shadow limit begins with "s": it counts, and denies nobody.
  A limit of another kind than the token bucket has no units per ms. Its text continues with the letter of its kind and what else it has, and
  it gets a table of functions as its kind:

  read(limit, text)                           reads what else it has, and returns whether this call can decide by it
  spent_at(limit, spent, last_spent_at, at)   the units of a spending that still count at a time
  full_at(limit, at)                          when a spending at this time may be forgotten: nothing is spent any more
  append(limit, at)                           appends to the reply what follows the units spent
  recorded_at(limit, at)                      what a bucket records of it at a time, to charge holds whichever policy is in force

  A kind that nothing is spent of has only `is_unspent`, `read` and `append`.
]]
local function read_policy(policy)
  -- own: how many of them are spent of
  local limits = { own = 0 }
  for i = 1, #policy do
    local id, units_per_token, per_ms, capacity_units, capacity, text = spread(policy[i])
    local limit =
      { id = id, units_per_token = units_per_token, per_ms = per_ms, capacity_units = capacity_units, capacity = capacity }
    if text then
      general = general or general_functions()
      general.read_text(limits, limit, text)
    end
    if limit.is_unspent then limits.has_unspent = true else limits.own = limits.own + 1 end
    limits[i] = limit
  end
  return limits
end

-- The limits of the policies of a call.
local function read_policies(text)
  local policies = cjson.decode(text)
  for i = 1, #policies do policies[i] = read_policy(policies[i]) end
  return policies
end

