--[[
  Stands before the scripts that read what an Idempotency-Key stands for. Others than this service may have written there.

  Returns it as a table, nil if the key stands for nothing, or false if what it stands for is damaged.
]]
local function read_name(key)
  local found = redis.call('TYPE', key).ok
  if found == 'none' then return nil end
  if found ~= 'string' then return false end
  local is_json, name = pcall(cjson.decode, redis.call('GET', key))
  if not is_json or type(name) ~= 'table' then return false end
  return type(name.commandId) == 'string' and type(name.fingerprint) == 'string' and name
end

