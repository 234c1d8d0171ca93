--[[
  The layout of a bucket: reads and writes the value of a bucket's key. A part of check.lua, which follows it.

  A bucket is a string of big-endian numbers: a double, the time in ms when it was last spent from; then an entry of 16 bytes for
  each limit of the policy that spent last: 4 bytes id, 4 bytes units per token, and a double, the units spent.
  A bucket with more than that is extended. Its first entry is a head:
    4 bytes 0, a version (1 byte), the number of own entries (1 byte), the number of other entries (1 byte), 1 byte 0,
    and a double, the time in ms when the own entries are full.
  Its own entries are followed by others of 32 bytes, for limits that the policy which spent last does not have:
    an entry as above, a double, the time in ms when it was last spent from, and a double, the time in ms when it is full.
  Every part has the size of whole entries, so release 0.1.0 finds its limits in an extended bucket too.
  Any other value is malformed: it counts as a full bucket, and the next spending check replaces it.
]]
local EXPIRY_SLACK_MS = 5
local CLOCK_TOLERANCE_MS = 10000
local MAX_UNITS, MAX_TIME = 2 ^ 53, 2 ^ 54
local TIME, ENTRY, OTHER = 8, 16, 32
-- No limit has this id.
local EXTENDED, VERSION = 0, 2

local spread = unpack
local call, pcall, pack, unpack = redis.call, redis.pcall, struct.pack, struct.unpack
local fmod, max, min, format = math.fmod, math.max, math.min, string.format

-- One clock for all checks of a call, in ms.
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function ceil_div(a, b)
  local rest = fmod(a, b)
  if rest == 0 then return a / b end
  return (a - rest) / b + 1
end

-- Written so that NaN fails.
local function is_whole(number, most)
  return number >= 0 and number <= most and fmod(number, 1) == 0
end

local function write_until(key, parts, full_at)
  call('SET', key, table.concat(parts), 'PXAT', format('%.0f', full_at + EXPIRY_SLACK_MS))
end

-- Creates the functions that read a bucket with any entries, and write one that is extended. Most calls need neither.
local function bucket_layout()
  -- When the own entries of a bucket that is not extended are full: when its key expires. Without an expiry, in a moment.
  local function full_at_by_expiry(key, last_spent_at)
    local time_to_live = call('PTTL', key)
    if time_to_live < 0 then return max(now, last_spent_at) + 1 end
    local expires_at = pcall('PEXPIRETIME', key)
    -- Redis 6.2 does not know the command.
    if type(expires_at) ~= 'number' then expires_at = now + time_to_live end
    return expires_at - EXPIRY_SLACK_MS
  end

  local function read_entry(stored, at, last_spent_at, full_at)
    local id, units_per_token, spent = unpack('>I4I4d', stored, at)
    if id == EXTENDED or units_per_token == 0 or not is_whole(spent, MAX_UNITS) or full_at < last_spent_at then return nil end
    return { id = id, units_per_token = units_per_token, spent = spent, last_spent_at = last_spent_at, full_at = full_at }
  end

  -- Other limits were never spent from after the own ones.
  local function read_other(stored, at, latest)
    local last_spent_at, full_at = unpack('>dd', stored, at + ENTRY)
    if not (is_whole(last_spent_at, latest) and is_whole(full_at, MAX_TIME)) then return nil end
    return read_entry(stored, at, last_spent_at, full_at)
  end

  -- The head of an extended bucket: the numbers of own and other entries, and when the own ones are full.
  local function read_head(stored)
    local version, own, others, _, full_at = unpack('>BBBBd', stored, TIME + 5)
    if version ~= VERSION or own == 0 or not is_whole(full_at, MAX_TIME) then return nil end
    if #stored ~= TIME + ENTRY + own * ENTRY + others * OTHER then return nil end
    return own, others, full_at
  end

  -- A bucket as { last_spent_at, own = number of own entries, entry, entry … }; nil if it is malformed.
  local function parse(key, stored)
    if #stored < TIME + ENTRY or fmod(#stored - TIME, ENTRY) ~= 0 then return nil end
    local last_spent_at, first = unpack('>dI4', stored)
    if not is_whole(last_spent_at, MAX_TIME) then return nil end
    local own, others, full_at, at = (#stored - TIME) / ENTRY, 0, nil, TIME + 1
    if first == EXTENDED then
      own, others, full_at = read_head(stored)
      if not own then return nil end
      at = at + ENTRY
    else
      full_at = full_at_by_expiry(key, last_spent_at)
    end
    local bucket = { last_spent_at = last_spent_at, own = own }
    for i = 1, own do
      bucket[i] = read_entry(stored, at + (i - 1) * ENTRY, last_spent_at, full_at)
      if not bucket[i] then return nil end
    end
    for i = 1, others do
      bucket[own + i] = read_other(stored, at + own * ENTRY + (i - 1) * OTHER, last_spent_at)
      if not bucket[own + i] then return nil end
    end
    return bucket
  end

  -- `parts`: the packed time and own entries. A bucket without others is not extended.
  local function write_bucket(key, parts, full_at, others)
    if #others == 0 then return write_until(key, parts, full_at) end
    local forgotten_at = full_at
    table.insert(parts, 2, pack('>I4BBBBd', EXTENDED, VERSION, #parts - 1, #others, 0, full_at))
    for _, entry in ipairs(others) do
      parts[#parts + 1] = pack('>I4I4ddd', entry.id, entry.units_per_token, entry.spent, entry.last_spent_at, entry.full_at)
      forgotten_at = max(forgotten_at, entry.full_at)
    end
    write_until(key, parts, forgotten_at)
  end

  return parse, write_bucket
end

local function is_error(stored, text)
  return type(stored) == 'table' and string.find(stored.err, text, 1, true) ~= nil
end

-- Whether this master does not serve the key now: its slot is at another one or moves there, or the cluster is down.
local function is_elsewhere(stored)
  return is_error(stored, 'Script attempted to ')
end

-- The value of a bucket's key: false if there is none, a table if it is of another type or elsewhere. Any other error ends the
-- script, since a bucket that cannot be read is not full.
local function get(key)
  local stored = pcall('GET', key)
  if type(stored) == 'table' and not is_error(stored, 'WRONGTYPE') and not is_elsewhere(stored) then call('GET', key) end
  return stored
end

