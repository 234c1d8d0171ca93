--[[
  Keeps an Idempotency-Key until its command has ended, since the command is queued now. A worker may have ended it already.

  KEYS[1] what the Idempotency-Key stands for (string, JSON)   ARGV[1] command

  Returns 1, or 0 when the key stands for another command, for none, or for one that has ended.
]]
local name = read_name(KEYS[1])
if not name or name.commandId ~= ARGV[1] or name.isEnded then return 0 end
redis.call('PERSIST', KEYS[1])
return 1
