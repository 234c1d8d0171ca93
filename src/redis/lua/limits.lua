--[[
  Reads the limits of a policy, "id unitsPerToken unitsPerMs capacityUnits capacity" of each. A part of check.lua.
  A shadow limit continues with "s": it counts, and denies nobody.
  A limit of another kind than the token bucket has no units per ms. It continues with the letter of its kind and what else it has, and
  gets a table of functions as its kind:

  read(limit, text)                           reads what else it has, and returns whether this call can decide by it
  spent_at(limit, spent, last_spent_at, at)   the units of a spending that still count at a time
  full_at(limit, at)                          when a spending at this time may be forgotten: nothing is spent any more
  append(limit, at)                           appends to the reply what follows the units spent
]]
local kinds

local function read_other(limits, limit, text)
  if string.sub(text, 1, 1) == 's' then limit.is_shadow, text = true, string.sub(text, 2) end
  if text == '' then return end
  kinds, limits.has_kinds = kinds or { q = quota_kind() }, true
  limit.kind = kinds[string.sub(text, 1, 1)]
  if not limit.kind.read(limit, text) then limits.is_undecidable = true end
end

local function read_policy(text)
  local limits = {}
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
    if other ~= '' then read_other(limits, limit, other) end
    limits[#limits + 1] = limit
  end
  return limits
end

