--[[
  The records of reservations: what is kept of each until ten minutes after its end. A part of the scripts of reservations.

  A record is a string: 1 byte, how it was ended (0: not yet, 1: settled, 2: released); 1 byte, whether its holds are charged when they
  expire; 1 byte, the number of its keys; 4 bytes, its first time to live in ms; a big-endian double, its deadline in ms; then for each
  key 1 byte, whether it holds anything, 4 bytes, the tokens reserved, 4 bytes, the tokens settled, and 4 bytes, the tokens charged.
  The rest is text in lines: the fingerprint of the request, then for each key the key and the name of the policy that was named for it,
  or an empty line.
]]
local SETTLED, RELEASED = 1, 2
-- The last moment that callers can be told, in ms.
local MAX_DATE = 8640000000000000
local RECORD_HEAD, RECORDED_KEY = 15, 13

-- The id of a reservation is the last part of its record's key.
local MAX_ID_BYTES, COLON = 25, 58
local function id_of(record_key)
  local id = string.sub(record_key, -MAX_ID_BYTES)
  return string.byte(id) == COLON and string.sub(id, 2) or id
end

-- The texts of times, since many of a call are the same and Redis would print each number anew.
local texts_of_times = {}
local function text_of_time(at)
  local text = texts_of_times[at]
  if not text then
    text = format('%.0f', at)
    texts_of_times[at] = text
  end
  return text
end

-- Returns whether the record is here. Nothing is written if it is elsewhere.
local function write_record(key, value, ends_at)
  local written = pcall('SET', key, value, 'PXAT', text_of_time(ends_at + KEPT_AFTER_END_MS))
  if written.ok then return true end
  if is_elsewhere(written) then return false end
  error(written.err)
end

local function packed_head(ended, is_charged, count, ttl, deadline)
  return pack('>BBBI4d', ended, is_charged and 1 or 0, count, ttl, deadline)
end

local function packed_key(is_held, tokens, settled, charged)
  return pack('>BI4I4I4', is_held and 1 or 0, tokens, settled, charged)
end

