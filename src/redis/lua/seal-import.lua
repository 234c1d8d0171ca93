--[[
  Closes the chunks of an import's part if all of them are there. Between two writes of an upload, the store may fail over to a
  replica that misses the earlier one, or may be emptied.

  KEYS[1] chunks (list)   KEYS[2] names of the config keys in them (set)

  ARGV[1] number of chunks   ARGV[2] number of members of the set, 0 without names
  ARGV[3] entry that closes the list   ARGV[4] lifetime of both in ms

  Returns 1, or 0 if there are fewer or more.
]]
local chunks, names = KEYS[1], KEYS[2]
local call = redis.call
local damage = wrong_type({ 'list', 'set' })
if damage then return damage end

if call('LLEN', chunks) ~= tonumber(ARGV[1]) or call('SCARD', names) ~= tonumber(ARGV[2]) then return 0 end
call('RPUSH', chunks, ARGV[3])
call('PEXPIRE', chunks, ARGV[4])
call('PEXPIRE', names, ARGV[4])
return 1
