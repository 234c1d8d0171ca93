--[[
  Lets an Idempotency-Key expire after its command has ended. An import ends with the last of its parts. A part that ends a second
  time, because a worker was suspended, does not extend the lifetime.

  KEYS[1] claim of the Idempotency-Key (string, JSON)

  ARGV[1] command   ARGV[2] the part that ended, or the command itself if it has one key   ARGV[3] number of parts
  ARGV[4] lifetime of the claim in ms

  Returns 1, or 0 if another command or none has the key, or if the part had ended before.
]]
local claim = read_claim(KEYS[1])
if not claim or claim.commandId ~= ARGV[1] or claim.isEnded then return 0 end

local ended = type(claim.endedParts) == 'table' and claim.endedParts or {}
for _, part in ipairs(ended) do
  if part == ARGV[2] then return 0 end
end
table.insert(ended, ARGV[2])
if #ended >= tonumber(ARGV[3]) then
  claim.isEnded, claim.endedParts = true, nil
  redis.call('SET', KEYS[1], cjson.encode(claim), 'PX', ARGV[4])
else
  claim.endedParts = ended
  redis.call('SET', KEYS[1], cjson.encode(claim), 'KEEPTTL')
end
return 1
