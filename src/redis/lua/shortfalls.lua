--[[
  Shortfalls: holds that ended with a charge of less than they held, since their expiry found a limit at its bound of debt, or no limit to
  charge, or since a reset forgot them before. A late settlement charges the difference. A part of the scripts of buckets;
  domain/shortfall.ts has the same. A function creates it, since most calls do not need it.

  Beside the bucket is a string for each, kept as long as the record of its reservation: the deadline in ms; then "reset", or the tokens that
  were charged to limits, and for each limit that was charged less its id and tokens. The numbers are decimal, with spaces between them.
]]
local function shortfall_functions(general)
  local shortfalls = {}

  -- No bucket has such a key.
  local function key_of(key, id)
    return key .. '\1shortfall\1' .. id
  end

  local function write(key, id, deadline, text)
    write_until(key_of(key, id), format('%.0f ', deadline) .. text, deadline + KEPT_AFTER_END_MS)
  end

  -- Whether shortfalls of a bucket can be written at this master. While a slot moves, its master creates no key.
  function shortfalls.are_here(key)
    return not is_elsewhere(pcall('GET', key_of(key, '')))
  end

  -- Notes a hold whose expiry has charged less than its tokens. charges: by the ids of limits
  function shortfalls.note(key, id, deadline, tokens, charges)
    local less = {}
    for limit, charged in pairs(charges) do
      if charged < tokens then less[#less + 1] = format(' %.0f %.0f', limit, charged) end
    end
    write(key, id, deadline, format('%.0f', next(charges) and tokens or 0) .. table.concat(less))
  end

  -- Notes a hold that a reset forgets.
  function shortfalls.note_reset(key, id, deadline)
    write(key, id, deadline, 'reset')
  end

  -- What was charged of a hold: to limits with an id in `less`, and to all others. `least` is the fewest of them.
  local function charged_of(tokens, less)
    local least = tokens
    for _, charged in pairs(less) do least = min(least, charged) end
    return { tokens = tokens, less = less, least = least, is_reset = false }
  end

  function shortfalls.nothing()
    return charged_of(0, {})
  end

  -- What the expiry of a hold has charged if it was no shortfall.
  function shortfalls.in_full(hold)
    return charged_of(hold.is_charged and hold.tokens or 0, {})
  end

  -- Numbers of a damaged shortfall may be too large.
  local function parse(stored, hold)
    local deadline, tokens, rest = string.match(stored, '^(%d+) (%d+)(.*)$')
    if not deadline then
      local reset_deadline = string.match(stored, '^(%d+) reset$')
      if tonumber(reset_deadline) ~= hold.deadline then return nil end
      local nothing = shortfalls.nothing()
      nothing.is_reset = true
      return nothing
    end
    if tonumber(deadline) ~= hold.deadline then return nil end
    local less = {}
    for limit, charged in string.gmatch(rest, ' (%d+) (%d+)') do less[tonumber(limit)] = min(tonumber(charged), hold.tokens) end
    return charged_of(min(tonumber(tokens), hold.tokens), less)
  end

  -- What was charged of a hold that is a shortfall; nil if it is none. The second value says that this is not known here.
  function shortfalls.find(key, hold)
    local stored = general.get(key_of(key, hold.id))
    if is_elsewhere(stored) or (not stored and is_redirected) then return nil, true end
    return type(stored) == 'string' and parse(stored, hold) or nil, false
  end

  function shortfalls.forget(key, id)
    pcall('DEL', key_of(key, id))
  end

  return shortfalls
end

