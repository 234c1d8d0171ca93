--[[
  Takes an Idempotency-Key for a command, unless it stands for one already.

  KEYS[1] what the Idempotency-Key stands for (string, JSON)

  ARGV[1] what it stands for then, as JSON   ARGV[2] how long to keep it, ms
  ARGV[3] '1' to take it also if what it stands for is damaged

  Returns { code, what it stands for now }. The codes are those of `ClaimCode` in redis/reservations.ts.
]]
local name = read_name(KEYS[1])
if name then return { 0, redis.call('GET', KEYS[1]) } end
if name == false and ARGV[3] ~= '1' then return { 1, '' } end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return { name == false and 2 or 0, ARGV[1] }
