--[[
  Compacts a log by one step: moves its oldest events into the snapshot, which keeps the last event of each key, and removes their
  versions from the index. The last version of each key stays, so that numbering continues.

  KEYS[1] log (stream)   KEYS[2] identity of the log (string)   KEYS[3] position up to which the log is compacted (string)
  KEYS[4] snapshot (hash)   KEYS[4 + i] versions of config key i (sorted set)

  ARGV[1] identity of the log before the events were read   ARGV[2] value of KEYS[3]
  ARGV[3] position of the last event of the log   ARGV[4] mark of that event
  ARGV[5] position of the last event to move
  ARGV[3 + 3i], ARGV[4 + 3i], ARGV[5 + 3i] config key i, its last event with position as JSON, version of that event

  Returns 1, or 0 if the log was replaced or compacted meanwhile, or lost its last event, so that it may hold other events by now.
]]
local log, identity, compacted_to, snapshot = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call = redis.call
local damage = wrong_type({ 'stream', 'string', 'string', 'hash' }, 'zset')
if damage then return damage end

if (call('GET', identity) or '') ~= ARGV[1] or (call('GET', compacted_to) or '0') ~= ARGV[2] then return 0 end
if event_mark(call('XREVRANGE', log, ARGV[3], ARGV[3], 'COUNT', 1)[1]) ~= ARGV[4] then return 0 end

local refusal = refused_attempt({
  { 'SET', compacted_to, ARGV[2], 'XX' },
  { 'ZREMRANGEBYSCORE', KEYS[5], '(0', '0' },
  { 'XTRIM', log, 'MINID', '0' },
})
if refusal then return refusal end

for i = 1, #KEYS - 4 do
  -- It cannot be attempted without an effect, so it comes before the other writes.
  refusal = refused_attempt({ { 'HSET', snapshot, ARGV[3 + 3 * i], ARGV[4 + 3 * i] } })
  if refusal then return refusal end
  call('ZREMRANGEBYSCORE', KEYS[4 + i], '-inf', '(' .. ARGV[5 + 3 * i])
end
call('XTRIM', log, 'MINID', string.format('%.0f-0', tonumber(ARGV[5]) + 1))
call('SET', compacted_to, ARGV[5])
return 1
