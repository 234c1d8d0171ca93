--[[
  The reply to a batch, in the order of its checks, and notes on some of them. A part of the scripts of buckets, which describe both.
]]
local reply, replied, notes = {}, 0, {}

local function append(value)
  replied = replied + 1
  reply[replied] = value
end

local function packed_reply()
  -- Lua passes at most some 8,000 values at once.
  local MAX_AT_ONCE = 4000
  for _, value in ipairs(notes) do append(value) end
  if replied <= MAX_AT_ONCE then return pack('>' .. string.rep('d', replied), spread(reply, 1, replied)) end
  local parts = {}
  for first = 1, replied, MAX_AT_ONCE do
    local last = math.min(replied, first + MAX_AT_ONCE - 1)
    parts[#parts + 1] = pack('>' .. string.rep('d', last - first + 1), spread(reply, first, last))
  end
  return table.concat(parts)
end

