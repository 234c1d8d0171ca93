--[[
  Decides the most common groups without tables, which would be half of their cost: a group of checks by one token bucket each, and a new
  reservation of one such key; of keys that nothing is held of and nothing else was spent of. check-groups.lua decides any other group. A part
  of that script.
]]
local DENIED, ALLOWED, RESERVED_ALONE = 0, 1, 6
local next_text = texts_ending('\r')

-- The hold of a run of reservations; see check-groups.lua.
local function read_hold(text)
  local ttl, is_charged, is_new, named_keys = string.match(text, '^(%d+):(%d):(%d)(.*)$')
  if not ttl then return nil end
  local named = {}
  for tokens, check in string.gmatch(named_keys, ':(%d+):(%d+)') do
    named[#named + 1] = { tokens = tonumber(tokens), check = tonumber(check) }
  end
  return { ttl = tonumber(ttl), is_charged = is_charged == '1', is_new = is_new == '1', named = named }
end

-- What the groups of a run have in common: { check, check …, hold }.
local function read_run(checks, hold)
  local run = { hold = read_hold(hold) }
  for policy, tokens, never_denies in string.gmatch(checks, '(%d+):(%d+)(~?)') do
    run[#run + 1] = { limits = policies[tonumber(policy)], tokens = tonumber(tokens), never_denies = never_denies ~= '' }
  end
  return run
end

-- The units spent of each check of a group, or −1 − units if it is denied.
local found = {}

-- Whether all checks of the group are allowed; nil if the group is not that simple.
local function find_simply(run)
  local is_allowed = true
  for i = 1, #run do
    local check = run[i]
    local limit, tokens = check.limits[1], check.tokens
    local spent = spent_alone(pcall('GET', keys[place + i]), limit)
    if not spent then return nil end
    if not (tokens <= limit.capacity and spent + tokens * limit.units_per_token <= limit.capacity_units) then
      is_allowed, spent = false, -1 - spent
    end
    found[i] = spent
  end
  return is_allowed
end

local function spend_found(run)
  for i = 1, #run do
    local limit, tokens = run[i].limits[1], run[i].tokens
    if tokens > 0 then
      found[i] = found[i] + tokens * limit.units_per_token
      write_alone(keys[place + i], limit, found[i], now)
    end
  end
end

local function reply_simply(run, code, value)
  append(code)
  append(value)
  for i = 1, #run do append(found[i]) end
  return true
end

-- Both return whether it was such a group, and is decided now. Otherwise nothing was changed.
local function spend_simply(run)
  local is_allowed = find_simply(run)
  if is_allowed == nil then return false end
  if is_allowed then spend_found(run) end
  return reply_simply(run, is_allowed and ALLOWED or DENIED, 0)
end

local function hold_simply(run, text)
  local is_allowed = find_simply(run)
  if is_allowed == nil then return false end
  if not is_allowed then return reply_simply(run, DENIED, 0) end
  local hold, limit, tokens = run.hold, run[1].limits[1], run[1].tokens
  local key, record_key, deadline = keys[place + 1], keys[place + 2], now + hold.ttl
  local record = packed_head(0, hold.is_charged, 1, hold.ttl, deadline) .. packed_key(true, tokens, 0, 0) .. text
  if not write_record(record_key, record, deadline) then return false end
  local only = only_hold(id_of(record_key), hold.is_charged)
  local bucket = packed_held_alone(limit, found[1], tokens, 1, 1, deadline, deadline, only)
  call('SET', key, bucket, 'PXAT', text_of_time(forgotten_after(deadline, limit) + EXPIRY_SLACK_MS))
  return reply_simply(run, RESERVED_ALONE, deadline)
end

-- How the groups of a run are decided, if they may be simple.
local function simple_decision(run)
  for i = 1, #run do
    if run[i].never_denies or not is_simple(run[i].limits) then return nil end
  end
  local hold = run.hold
  if not hold then return spend_simply end
  local is_of_one_key = #run == 1 and #hold.named == 1 and hold.named[1].check == 1
  return hold.is_new and is_of_one_key and hold_simply or nil
end
