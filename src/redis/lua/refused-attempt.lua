--[[
  Prelude of the scripts that write more than once. A command that the user may not run fails, but earlier writes of the script stay. So
  before the first write with an effect, each command is attempted with arguments that change nothing, such as RENAME of a key to its own
  name. The keys need no attempt: Redis runs a script only for a user that may write to all of them.

  Returns the error of the first of these commands with arguments that is refused, or nil. Those that need memory must come first, since
  Redis refuses a script for lack of memory only at its first write.
]]
local function refused_attempt(attempts)
  for _, attempt in ipairs(attempts) do
    local reply = redis.pcall(unpack(attempt))
    local fault = type(reply) == 'table' and reply.err
    if fault then
      local named = denial(fault, attempt[1])
      return named and redis.error_reply(named) or reply
    end
  end
end

