--[[
  Prelude of the scripts that read the claim of an Idempotency-Key, which another program may have written.

  Returns the claim as a table, nil if there is none, or false if it is damaged.
]]
-- The shape of the ids in domain/command-id.ts.
local function is_id(text)
  return type(text) == 'string' and (string.match(text, '^%d%d?%-%x[%x-]+$') or string.match(text, '^import%-%x[%x-]+$')) ~= nil
end

local function read_claim(key)
  local found = redis.call('TYPE', key).ok
  if found == 'none' then return nil end
  if found ~= 'string' then return false end
  local is_json, claim = pcall(cjson.decode, redis.call('GET', key))
  if not is_json or type(claim) ~= 'table' then return false end
  return is_id(claim.commandId) and type(claim.fingerprint) == 'string' and claim
end

