--[[
  Prelude of the scripts that read the claim of an Idempotency-Key, which another program may have written.

  Returns the claim as a table, nil if there is none, or false if it is damaged.
]]
-- The shape of the ids in domain/command-id.ts.
local HEX = '[0-9a-f]'
local UUID = table.concat({ HEX:rep(8), HEX:rep(4), HEX:rep(4), HEX:rep(4), HEX:rep(12) }, '%-')

local function is_id(text)
  if type(text) ~= 'string' then return false end
  return string.match(text, '^[0-3]%-' .. UUID .. '$') ~= nil or string.match(text, '^import%-' .. UUID .. '$') ~= nil
end

local function read_claim(key)
  local found = redis.call('TYPE', key).ok
  if found == 'none' then return nil end
  if found ~= 'string' then return false end
  local is_json, claim = pcall(cjson.decode, redis.call('GET', key))
  if not is_json or type(claim) ~= 'table' then return false end
  return is_id(claim.commandId) and type(claim.fingerprint) == 'string' and claim
end

