--[[
  Ends a command: appends its event to the log, updates the projection, records the outcome and announces it, or does none
  of that. There is no instant at which only a part of it has happened.

  KEYS[1] log (stream)   KEYS[2] identity of the log (string)   KEYS[3] policies (hash)   KEYS[4] names (sorted set)
  KEYS[5] versions of the config key (sorted set)   KEYS[6] outcome of the command (string)

  ARGV[1] version of the key's state that the decision was made on
  ARGV[2] config key
  ARGV[3] version of the event, '' when the command changes nothing
  ARGV[4] event as JSON, '' when the command changes nothing
  ARGV[5] policy record as JSON, '' when the key has no policy any more
  ARGV[6] outcome as JSON                ARGV[7] how long to keep the outcome, ms
  ARGV[8] channel to announce on         ARGV[9] partition
  ARGV[10] identity for a log that has none yet

  Returns { code, value }: { 0, position } it was ended, { 1, outcome } it had been ended before, { 2, version } the key has
  moved on to another version. The codes are those of `AppendCode` in redis/config-store.ts.
]]
local log, identity, policies, names, versions, outcome = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local call = redis.call

local earlier = call('GET', outcome)
if earlier then return { 1, earlier } end

local version = call('ZREVRANGE', versions, 0, 0, 'WITHSCORES')[2] or '0'
if tonumber(version) ~= tonumber(ARGV[1]) then return { 2, version } end

call('SET', identity, ARGV[10], 'NX')
local last = call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local position = last and tonumber(string.match(last[1], '^%d+')) or 0

if ARGV[4] ~= '' then
  position = position + 1
  call('XADD', log, string.format('%.0f-0', position), 'event', ARGV[4])
  call('ZADD', versions, ARGV[3], string.format('%.0f', position))
  if ARGV[5] ~= '' then
    call('HSET', policies, ARGV[2], ARGV[5])
    call('ZADD', names, 0, ARGV[2])
  else
    call('HDEL', policies, ARGV[2])
    call('ZREM', names, ARGV[2])
  end
end

call('SET', outcome, ARGV[6], 'PX', ARGV[7])
call('PUBLISH', ARGV[8], string.format('%s %.0f %s', ARGV[9], position, ARGV[6]))
return { 0, string.format('%.0f', position) }
