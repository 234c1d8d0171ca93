--[[
  Records that a command failed. The staged lines of an import's part, and their names, expire together with the failure.

  KEYS[1] outcome of the command (string)   KEYS[2] lock of the job (string)   KEYS[3] failure of the command (string)
  KEYS[4] staged lines of the part (list)   KEYS[5] progress of the part (string)   KEYS[6] names in these lines (set)

  ARGV[1] lease: the value that the lock must have   ARGV[2] failure as JSON   ARGV[3] lifetime in ms

  Returns 1, or 0 if the command has ended or the worker does not hold the lock.
]]
local call = redis.call
-- The other keys may have any type, since the writes below replace them or only set their expiry.
local damage = wrong_type({ 'string', 'string' })
if damage then return damage end

if call('EXISTS', KEYS[1]) == 1 or call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
call('PEXPIRE', KEYS[4], ARGV[3])
call('PEXPIRE', KEYS[5], ARGV[3])
call('PEXPIRE', KEYS[6], ARGV[3])
return 1
