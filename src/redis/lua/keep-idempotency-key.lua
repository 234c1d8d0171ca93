--[[
  Keeps an Idempotency-Key until its command has ended, because the command is queued now. A worker may have ended it already.

  KEYS[1] claim of the Idempotency-Key (string, JSON)   ARGV[1] command

  Returns 1, or 0 if another command, none, or one that has ended has the key.
]]
local claim = read_claim(KEYS[1])
if not claim or claim.commandId ~= ARGV[1] or claim.isEnded then return 0 end
redis.call('PERSIST', KEYS[1])
return 1
