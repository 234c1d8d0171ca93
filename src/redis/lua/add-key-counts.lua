--[[
  Adds to the counts of keys in one period. If there are too many counts, removes the smallest ones.

  KEYS[1] counts (sorted set: member of a key and its policy → count)   KEYS[2] errors of the period (hash: measure → by how much
  its counts may be too small)   ARGV[1] measure   ARGV[2] growth of the error   ARGV[3] the most counts   ARGV[4] how many of them
  stay when there are more   ARGV[5] time to live in ms   ARGV[6…] for each key: member, growth of the count, and the member under its
  earlier policy or ''

  Returns nothing.
]]
local counts, errors = KEYS[1], KEYS[2]
local error_growth = tonumber(ARGV[2])

for i = 6, #ARGV, 3 do
  local member, growth, earlier = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local count = earlier ~= '' and redis.call('ZSCORE', counts, earlier)
  if count then
    redis.call('ZREM', counts, earlier)
    redis.call('ZINCRBY', counts, count, member)
  end
  redis.call('ZINCRBY', counts, growth, member)
end

if redis.call('ZCARD', counts) > tonumber(ARGV[3]) then
  local stay = tonumber(ARGV[4])
  -- A removed key that comes back begins at 0, so each removal adds the largest count that it removes to the error.
  local largest = redis.call('ZREVRANGE', counts, stay, stay, 'WITHSCORES')
  redis.call('ZREMRANGEBYRANK', counts, 0, -(stay + 1))
  error_growth = error_growth + tonumber(largest[2])
end

if error_growth ~= 0 then
  redis.call('HINCRBY', errors, ARGV[1], string.format('%.0f', error_growth))
  redis.call('PEXPIRE', errors, ARGV[5])
end
redis.call('PEXPIRE', counts, ARGV[5])
