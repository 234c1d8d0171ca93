--[[
  Puts the commands that a worker has taken, and that no live worker holds, back to the front of their queue.

  KEYS[1] commands that were taken (list), KEYS[2] commands that wait (list) and KEYS[3] what wakes an idle worker (sorted set), of BullMQ

  ARGV[1] beginning of the keys of jobs

  Returns the ids of those commands.
]]
local taken, waiting, marker = KEYS[1], KEYS[2], KEYS[3]
local call = redis.call

local returned = {}
-- The newest one comes first. The last one that waits is the next to be taken.
for _, id in ipairs(call('LRANGE', taken, 0, -1)) do
  if call('EXISTS', ARGV[1] .. id .. ':lock') == 0 then
    -- A command that the user may not run ends the script. Then the id is in both lists, and never in none.
    if not call('LPOS', waiting, id) then call('RPUSH', waiting, id) end
    call('LREM', taken, 1, id)
    table.insert(returned, id)
  end
end
if #returned > 0 then call('ZADD', marker, 0, '0') end
return returned
