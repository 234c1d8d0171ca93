--[[
  Claims an Idempotency-Key for a command, unless another command has claimed it.

  KEYS[1] claim of the Idempotency-Key (string, JSON)

  ARGV[1] claim of this command as JSON   ARGV[2] lifetime of the claim in ms
  ARGV[3] '1' to replace a damaged claim

  Returns { code, claim in force }. The codes are those of `ClaimCode` in redis/policies/idempotency-store.ts.
]]
local claim = read_claim(KEYS[1])
-- Only the validated members: cjson also reads text that is not JSON, such as nan.
if claim then return { 0, cjson.encode({ commandId = claim.commandId, fingerprint = claim.fingerprint }) } end
if claim == false and ARGV[3] ~= '1' then return { 1, '' } end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return { claim == false and 2 or 0, ARGV[1] }
