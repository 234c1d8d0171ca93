--[[
  Reads and writes the records of any reservations, as tables. A part of the scripts of reservations; records.lua describes the layout.
]]
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
    if is_elsewhere(stored) then return nil, true end
    local record = type(stored) == 'string' and parse_reservation(stored) or nil
    return record, false, record == nil
  end

  local function write_reservation(key, record)
    local parts = { packed_head(record.ended, record.is_charged, #record, record.ttl, record.deadline) }
    for i, named in ipairs(record) do parts[i + 1] = packed_key(named.is_held, named.tokens, named.settled, named.charged) end
    parts[#parts + 1] = record.text
    return write_record(key, table.concat(parts), record.ended == 0 and record.deadline or now)
  end

  local function fingerprint_of(record)
    return string.match(record.text, '^[^\n]*')
  end

