--[[
  The records of reservations: what is kept of each until ten minutes after its end. A part of the scripts of reservations.

  A record is a string: 1 byte, how it was ended (0: not yet, 1: settled, 2: released); 1 byte, whether its holds are charged when they
  expire; 1 byte, the number of its keys; 4 bytes, its first time to live in ms; a big-endian double, its deadline in ms; then for each
  key 1 byte, whether it holds anything, 4 bytes, the tokens reserved, 4 bytes, the tokens settled, and 4 bytes, the tokens charged.
  The rest is text in lines: the fingerprint of the request, then for each key the key and the name of the policy that was named for it,
  or an empty line.
]]
general = general_functions()
local buckets = general.buckets()
local KEPT_AFTER_END_MS = 600000
local SETTLED, RELEASED = 1, 2
-- The last moment that callers can be told, in ms.
local MAX_DATE = 8640000000000000
local RECORD_HEAD, RECORDED_KEY = 15, 13

-- The id of a reservation is the last part of its record's key.
local MAX_ID_BYTES = 25
local function id_of(record_key)
  return string.match(string.sub(record_key, -MAX_ID_BYTES), '[^:]*$')
end

-- A record without its keys, of which there is at least one: a table that grows later costs several times as much.
local function new_record(ended, is_charged, ttl, deadline, text)
  return { nil, ended = ended, is_charged = is_charged, ttl = ttl, deadline = deadline, text = text }
end

-- Reads a record; nil if it is damaged.
local function parse_reservation(stored)
  if #stored < RECORD_HEAD then return nil end
  local ended, is_charged, count, ttl, deadline = unpack('>BBBI4d', stored)
  local text_from = RECORD_HEAD + count * RECORDED_KEY + 1
  if ended > RELEASED or is_charged > 1 or #stored < text_from or not general.is_whole(deadline, MAX_DATE) then return nil end
  local record = new_record(ended, is_charged == 1, ttl, deadline, string.sub(stored, text_from))
  for i = 1, count do
    local is_held, tokens, settled, charged = unpack('>BI4I4I4', stored, RECORD_HEAD + (i - 1) * RECORDED_KEY + 1)
    record[i] = { is_held = is_held == 1, tokens = tokens, settled = settled, charged = charged }
  end
  return record
end

-- A record as { ended, is_charged, ttl, deadline, text, key, key … }, each key as { is_held, tokens, settled, charged }; nil if there is
-- none. The second value says that it is elsewhere, the third one that it is damaged and counts as none.
local function read_reservation(key)
  local stored = general.get(key)
  if not stored then return nil end
  if general.is_elsewhere(stored) then return nil, true end
  local record = type(stored) == 'string' and parse_reservation(stored) or nil
  return record, false, record == nil
end

-- Returns whether the record is here. Nothing is written if it is elsewhere.
local function write_record(key, value, ends_at)
  local written = pcall('SET', key, value, 'PXAT', ends_at + KEPT_AFTER_END_MS)
  if written.ok then return true end
  if general.is_elsewhere(written) then return false end
  error(written.err)
end

local function write_reservation(key, record)
  local parts = { pack('>BBBI4d', record.ended, record.is_charged and 1 or 0, #record, record.ttl, record.deadline) }
  for i, named in ipairs(record) do
    parts[i + 1] = pack('>BI4I4I4', named.is_held and 1 or 0, named.tokens, named.settled, named.charged)
  end
  parts[#parts + 1] = record.text
  return write_record(key, table.concat(parts), record.ended == 0 and record.deadline or now)
end

-- The record of a reservation of one key that it holds something of, without a table. Returns nil for any other one; otherwise how it was
-- ended, whether it is charged when it expires, its first time to live, its deadline, the tokens reserved, and its text.
local ONE_KEY = '>BBBI4dBI4I4I4'
local function read_record_of_one(stored)
  if type(stored) ~= 'string' or #stored < RECORD_HEAD + RECORDED_KEY then return nil end
  local ended, is_charged, count, ttl, deadline, is_held, tokens = unpack(ONE_KEY, stored)
  if count ~= 1 or is_held ~= 1 or is_charged > 1 or not general.is_whole(deadline, MAX_DATE) then return nil end
  return ended, is_charged, ttl, deadline, tokens, string.sub(stored, RECORD_HEAD + RECORDED_KEY + 1)
end

local function packed_record_of_one(ended, is_charged, ttl, deadline, tokens, settled, text)
  return pack(ONE_KEY, ended, is_charged, 1, ttl, deadline, 1, tokens, settled, settled) .. text
end

local function fingerprint_of(record)
  return string.match(record.text, '^[^\n]*')
end

