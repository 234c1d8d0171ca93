--[[
  Reads the limits of a policy, "id unitsPerToken unitsPerMs capacityUnits capacity" of each. A part of the scripts of buckets.
  A shadow limit continues with "s": it counts, and denies nobody.
  A limit of another kind than the token bucket has no units per ms. It continues with the letter of its kind and what else it has, and
  gets a table of functions as its kind:

  read(limit, text)                           reads what else it has, and returns whether this call can decide by it
  spent_at(limit, spent, last_spent_at, at)   the units of a spending that still count at a time
  full_at(limit, at)                          when a spending at this time may be forgotten: nothing is spent any more
  append(limit, at)                           appends to the reply what follows the units spent
  recorded_at(limit, at)                      what a bucket records of it at a time, to charge holds whichever policy is in force

  A kind that nothing is spent of has only `is_unspent`, `read` and `append`.
]]
local function read_policy(text)
  -- own: how many of them are spent of
  local limits = { own = 0 }
  for id, units_per_token, per_ms, capacity_units, capacity, other in
    string.gmatch(text, '(%d+) (%d+) (%d+) (%d+) (%d+)([^ ]*)')
  do
    local limit = {
      id = tonumber(id),
      units_per_token = tonumber(units_per_token),
      per_ms = tonumber(per_ms),
      capacity_units = tonumber(capacity_units),
      capacity = tonumber(capacity),
    }
    if string.sub(other, 1, 1) == 's' then limit.is_shadow, other = true, string.sub(other, 2) end
    if other ~= '' then
      general = general or general_functions()
      limits.has_kinds = true
      limit.kind = general.kind_of(string.sub(other, 1, 1))
      limit.is_unspent = limit.kind.is_unspent
      if not limit.kind.read(limit, other) then limits.is_undecidable = true end
    end
    if limit.is_unspent then limits.has_unspent = true else limits.own = limits.own + 1 end
    limits[#limits + 1] = limit
  end
  return limits
end

-- The limits of the policies of a call, which are separated by ";".
local function read_policies(text)
  local policies = {}
  for policy in string.gmatch(text, '[^;]+') do policies[#policies + 1] = read_policy(policy) end
  return policies
end

