--[[
  Says that a front process lives, and counts those that do.

  KEYS[1]  sorted set: the processes, by when they were last heard
  ARGV[1]  this process
  ARGV[2]  for how long a process counts after it was heard, ms

  Returns how many count.
]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = tonumber(ARGV[2])

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - window))
-- Those from before the clock was set back.
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('%.0f', now + window), '+inf')
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
