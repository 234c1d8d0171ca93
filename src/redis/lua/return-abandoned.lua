--[[
  Puts the commands that a worker has taken, and that no live worker holds, back to the front of their queue.

  KEYS[1] commands that were taken (list), KEYS[2] commands that wait (list) and KEYS[3] what wakes an idle worker (sorted set), of BullMQ

  ARGV[1] beginning of the keys of jobs

  Returns the ids of those commands.
]]
local taken, waiting, marker = KEYS[1], KEYS[2], KEYS[3]
local call = redis.call

local returned = {}
-- The newest one is the first, and the next to be taken is the last one that waits.
for _, id in ipairs(call('LRANGE', taken, 0, -1)) do
  if call('EXISTS', ARGV[1] .. id .. ':lock') == 0 then
    -- If the user may not run all of these, the script ends here or there, and no list would have a command that was removed first.
    if not call('LPOS', waiting, id) then call('RPUSH', waiting, id) end
    call('LREM', taken, 1, id)
    table.insert(returned, id)
  end
end
if #returned > 0 then call('ZADD', marker, 0, '0') end
return returned
