--[[
  Puts the commands that a worker has taken, and that no live worker holds, back to the front of their queue. A live worker has a lock on its
  command, and renews it in time.

  KEYS[1] commands that were taken (list), KEYS[2] commands that wait (list) and KEYS[3] what wakes an idle worker (sorted set), of BullMQ

  ARGV[1] beginning of the keys of jobs
  ARGV[2] time to live of a lock in ms. If the store's clock was an hour ahead for a moment, a lock of then would live for an hour longer; one
  that never expires was set by another program. Such a lock gets this time to live.

  Returns the ids of those commands.
]]
local taken, waiting, marker = KEYS[1], KEYS[2], KEYS[3]
local lock_ms = tonumber(ARGV[2])
local call = redis.call
local NO_KEY, NO_EXPIRY = -2, -1

local returned = {}
-- The newest one comes first. The last one that waits is the next to be taken.
for _, id in ipairs(call('LRANGE', taken, 0, -1)) do
  local lock = ARGV[1] .. id .. ':lock'
  local left_ms = call('PTTL', lock)
  if left_ms == NO_KEY then
    -- A command that the user may not run ends the script. Then the id is in both lists, and never in none.
    if not call('LPOS', waiting, id) then call('RPUSH', waiting, id) end
    call('LREM', taken, 1, id)
    table.insert(returned, id)
  elseif left_ms == NO_EXPIRY or left_ms > lock_ms then
    call('PEXPIRE', lock, lock_ms)
  end
end
if #returned > 0 then call('ZADD', marker, 0, '0') end
return returned
