--[[
  Compacts a log by one step: moves its oldest events into the snapshot, which keeps the last one of each key, and forgets the
  versions that they made, except the last of each key, from which numbers go on.

  KEYS[1] log (stream)   KEYS[2] identity of the log (string)   KEYS[3] position compacted to (string)
  KEYS[4] snapshot (hash)   KEYS[4 + i] versions of config key i (sorted set)

  ARGV[1] identity that the events were read under       ARGV[2] position compacted to when they were read
  ARGV[3] position of the last of the events
  ARGV[1 + 3i], ARGV[2 + 3i], ARGV[3 + 3i] config key i, its last event with its position as JSON, that event's version

  Returns 1, or 0 when the log was replaced or compacted since the events were read.
]]
local log, identity, compacted_to, snapshot = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call = redis.call
local damage = wrong_type({ 'stream', 'string', 'string', 'hash' }, 'zset')
if damage then return damage end

if (call('GET', identity) or '') ~= ARGV[1] or (call('GET', compacted_to) or '0') ~= ARGV[2] then return 0 end

for i = 1, #KEYS - 4 do
  call('HSET', snapshot, ARGV[1 + 3 * i], ARGV[2 + 3 * i])
  call('ZREMRANGEBYSCORE', KEYS[4 + i], '-inf', '(' .. ARGV[3 + 3 * i])
end
call('XTRIM', log, 'MINID', string.format('%.0f-0', tonumber(ARGV[3]) + 1))
call('SET', compacted_to, ARGV[3])
return 1
