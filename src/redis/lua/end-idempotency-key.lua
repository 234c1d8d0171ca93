--[[
  Lets an Idempotency-Key expire, since its command has ended; of an import, once each of its parts has. What ends a second time,
  by a worker that stood still, keeps the key no longer.

  KEYS[1] what the Idempotency-Key stands for (string, JSON)

  ARGV[1] command   ARGV[2] the part that ended, for a command of one key the command itself   ARGV[3] how many parts there are
  ARGV[4] how long to keep the key, ms

  Returns 1, or 0 when the key stands for another command, or for none, or the part had ended before.
]]
local name = read_name(KEYS[1])
if not name or name.commandId ~= ARGV[1] or name.isEnded then return 0 end

local ended = type(name.endedParts) == 'table' and name.endedParts or {}
for _, part in ipairs(ended) do
  if part == ARGV[2] then return 0 end
end
table.insert(ended, ARGV[2])
if #ended >= tonumber(ARGV[3]) then
  name.isEnded, name.endedParts = true, nil
  redis.call('SET', KEYS[1], cjson.encode(name), 'PX', ARGV[4])
else
  name.endedParts = ended
  redis.call('SET', KEYS[1], cjson.encode(name), 'KEEPTTL')
end
return 1
