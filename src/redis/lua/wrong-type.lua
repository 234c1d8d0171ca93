--[[
  Stands before the scripts that write. A write to a key of another type fails, and what was written before it stays: so the types
  are compared before the first write. Others than this service may have written those keys.

  Returns an error that names the first key of another type, or nil. Keys behind those of `types` are `others`; nil is any type.
]]
local function wrong_type(types, others)
  for i, key in ipairs(KEYS) do
    local found, expected = redis.call('TYPE', key).ok, types[i] or others
    if expected and found ~= 'none' and found ~= expected then
      return redis.error_reply('DAMAGED the key "' .. key .. '" is of type ' .. found .. ' instead of ' .. expected)
    end
  end
end

