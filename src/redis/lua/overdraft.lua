--[[
  What a check does besides spending what is left: it is charged although it is denied, or it gives back what was spent. A part of the
  scripts of buckets; domain/overdraft.ts has the same arithmetic, with the reasons. A function creates it, since most calls do not need it.
]]
local function overdraft_functions(buckets, general)
  local NOTHING_HELD = { tokens = 0, count = 0 }

  -- What a check finds; nil if it is not decided here.
  local function find(index, limits)
    local key = keys[keys_from + index]
    local stored = general.get(key)
    local reason = is_elsewhere(stored) and ELSEWHERE or limits.is_undecidable and UNKNOWN_PERIOD
    if reason then
      general.leave_undecided(index, limits, reason)
      return nil
    end
    return buckets.find(index, key, stored, limits)
  end

  -- units_after: the units spent of a limit from then on
  local function set_units(found, units_after)
    for i, limit in ipairs(found.limits) do
      if not limit.is_unspent then found.spent[i] = units_after(limit, found.spent[i]) end
    end
    buckets.store(found.key, buckets.record(found, false))
  end

  -- Whether the enforced limits allow, and which of all limits do not.
  local function judge(found, tokens)
    local held = found.held or NOTHING_HELD
    local allowed, violated = true, {}
    for i, limit in ipairs(found.limits) do
      violated[i] = not buckets.is_allowed_by(limit, found.spent[i], held, tokens)
      if violated[i] and not limit.is_shadow then allowed = false end
    end
    return allowed, violated
  end

  local function whole_tokens(units, units_per_token)
    return (units - fmod(units, units_per_token)) / units_per_token
  end

  local function charge(index, limits, tokens)
    local found = find(index, limits)
    if not found then return end
    local allowed, violated = judge(found, tokens)
    -- The fewest whole tokens over the enforced limits.
    local charged = tokens
    set_units(found, function(limit, spent)
      local after = max(spent, min(spent + tokens * limit.units_per_token, 2 * limit.capacity_units, MAX_UNITS - 1))
      if not limit.is_shadow then charged = min(charged, whole_tokens(after - spent, limit.units_per_token)) end
      return after
    end)
    buckets.report(index, found, true, violated)
    if allowed then return end
    general.note(index, CHARGED)
    general.note(charged, 0)
  end

  local function is_spent(found)
    for _, spent in ipairs(found.spent) do
      if spent > 0 then return true end
    end
    return false
  end

  local function give_back(index, limits, tokens)
    local found = find(index, limits)
    if not found then return end
    if is_spent(found) then
      set_units(found, function(limit, spent) return max(0, spent - tokens * limit.units_per_token) end)
    end
    buckets.report(index, found, true)
  end

  local change_by = { ['+'] = charge, ['-'] = give_back }

  -- A run of checks. asked: the tokens, and "+" or "-"
  return function(asked, limits, first, last)
    local tokens, sign = string.match(asked, '(%d+)(.)')
    for index = first, last do change_by[sign](index, limits, tonumber(tokens)) end
  end
end

