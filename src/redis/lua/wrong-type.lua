--[[
  Prelude of the scripts that write. A write to a key of the wrong type fails, but earlier writes of the script stay. So the types
  are compared before the first write, since another program may have written the keys.

  Returns an error that names the first key of the wrong type, or nil. `others` is the type of the keys after those of `types`;
  nil allows any type.
]]
local function wrong_type(types, others)
  for i, key in ipairs(KEYS) do
    local found, expected = redis.call('TYPE', key).ok, types[i] or others
    if expected and found ~= 'none' and found ~= expected then
      return redis.error_reply('DAMAGED the key "' .. key .. '" is of type ' .. found .. ' instead of ' .. expected)
    end
  end
end

