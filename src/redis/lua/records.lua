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
local SETTLED = 1
local RECORD_HEAD, RECORDED_KEY = 15, 13

-- A record without its keys, of which there is at least one: a table that grows later costs several times as much.
local function new_record(ended, is_charged, ttl, deadline, text)
  return { nil, ended = ended, is_charged = is_charged, ttl = ttl, deadline = deadline, text = text }
end

-- A record as { ended, is_charged, ttl, deadline, text, key, key … }, each key as { is_held, tokens, settled, charged }; nil if there is
-- none. The second value says that it is elsewhere.
local function read_reservation(key)
  local stored = general.get(key)
  if type(stored) ~= 'string' or #stored < RECORD_HEAD then return nil, general.is_elsewhere(stored) end
  local ended, is_charged, count, ttl, deadline = unpack('>BBBI4d', stored)
  local text = string.sub(stored, RECORD_HEAD + count * RECORDED_KEY + 1)
  local record = new_record(ended, is_charged == 1, ttl, deadline, text)
  for i = 1, count do
    local is_held, tokens, settled, charged = unpack('>BI4I4I4', stored, RECORD_HEAD + (i - 1) * RECORDED_KEY + 1)
    record[i] = { is_held = is_held == 1, tokens = tokens, settled = settled, charged = charged }
  end
  return record
end

-- Returns whether the record is here. Nothing is written if it is elsewhere.
local function write_reservation(key, record)
  local parts = { pack('>BBBI4d', record.ended, record.is_charged and 1 or 0, #record, record.ttl, record.deadline) }
  for i, named in ipairs(record) do
    parts[i + 1] = pack('>BI4I4I4', named.is_held and 1 or 0, named.tokens, named.settled, named.charged)
  end
  parts[#parts + 1] = record.text
  local ended_at = record.ended == 0 and record.deadline or now
  local written = pcall('SET', key, table.concat(parts), 'PXAT', ended_at + KEPT_AFTER_END_MS)
  if written.ok then return true end
  if general.is_elsewhere(written) then return false end
  error(written.err)
end

local function fingerprint_of(record)
  return string.match(record.text, '^[^\n]*')
end

