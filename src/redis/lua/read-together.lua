--[[
  Reads several things in one step. A transaction does this too, but a server that is full refuses even one that only reads.

  KEYS the keys that are read

  ARGV[1] the commands with their arguments, as JSON

  Returns for each command { reply } or { nil, error }.
]]
local replies = {}
for i, command in ipairs(cjson.decode(ARGV[1])) do
  local reply = redis.pcall(unpack(command))
  local fault = type(reply) == 'table' and reply.err
  replies[i] = fault and { false, denial(fault, command[1]) or fault } or { reply }
end
return replies
