--[[
  Prelude of scripts that try commands. Until Redis 7.0, the error of a script does not name the command that the user may not run.

  Returns an error that does, or nil for any other fault.
]]
local function denial(fault, command)
  local is_denied = string.find(fault, '^NOPERM') or string.find(fault, "The user executing the script can't", 1, true)
    or string.find(fault, 'ACL failure in script', 1, true)
  return is_denied and 'NOPERM this user may not run ' .. command or nil
end

