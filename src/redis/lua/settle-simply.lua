--[[
  The most common settlement, without tables, which would be half of its cost: of the only hold of one key, before its deadline, by one
  token bucket that nothing else was spent of, and that is not in debt afterwards. reservations.lua does any other call. A part of that script.
]]
local SETTLED_IN_FULL = 11
local next_text = texts_ending('\n')
-- Of a record: before the tokens that are settled, and after those that are charged.
local BEFORE_SETTLED, AFTER_CHARGED = RECORD_HEAD + 5, RECORD_HEAD + RECORDED_KEY + 1

-- What the record of a reservation of one key holds before its end: whether it is charged when it expires, its deadline, and the tokens reserved.
-- Returns nil for any other record, and for that of another request.
local function read_held_record(record, fingerprint)
  if type(record) ~= 'string' or #record < AFTER_CHARGED then return nil end
  local ended, is_charged, count, _, deadline, is_held, tokens = unpack('>BBBI4dBI4', record)
  if ended ~= 0 or is_charged > 1 or count ~= 1 or is_held ~= 1 then return nil end
  if not (deadline > now and deadline <= MAX_DATE) then return nil end
  if string.sub(record, AFTER_CHARGED, AFTER_CHARGED + #fingerprint) ~= fingerprint .. '\n' then return nil end
  return is_charged == 1, deadline, tokens
end

local function settled_record(record, tokens)
  return '\1' .. string.sub(record, 2, BEFORE_SETTLED) .. pack('>I4I4', tokens, tokens) .. string.sub(record, AFTER_CHARGED)
end

-- The units spent afterwards; nil if the bucket is not that simple.
local function spent_after(bucket, only, limit, reserved, tokens)
  local spent, held_tokens, _, _, _, _, only_here = read_held_alone(bucket, limit)
  if not spent or only_here ~= only or held_tokens ~= reserved then return nil end
  spent = spent + tokens * limit.units_per_token
  return tokens <= limit.capacity and spent <= limit.capacity_units and spent or nil
end

-- Returns whether it was such a settlement, and is done now. Otherwise nothing was changed.
local function settle_simply(run, fingerprint)
  local record_key, key, limit, tokens = keys[place + 1], keys[place + 2], run[1].limits[1], run[1].tokens
  local record = pcall('GET', record_key)
  local is_charged, deadline, reserved = read_held_record(record, fingerprint)
  if not deadline then return false end
  local spent = spent_after(pcall('GET', key), only_hold(id_of(record_key), is_charged), limit, reserved, tokens)
  if not spent then return false end
  write_alone(key, limit, spent, now)
  write_record(record_key, settled_record(record, tokens), now)
  index = index + 1
  append(SETTLED_IN_FULL)
  append(spent)
  return true
end

-- Whether the settlements of a run may be simple.
local function may_be_simple(run)
  return run.what == SETTLED and #run == 1 and run[1].tokens > 0 and is_simple(run[1].limits)
end
