--[[
  Refuses with NOPERM if the user may not run one of these commands. It runs none of them. Before Redis 7, a script cannot ask; then it
  never refuses.

  KEYS[1] the key that they concern, which is not read

  ARGV[1] commands with their arguments, as JSON

  Returns 1.
]]
if not redis.acl_check_cmd then return 1 end
for _, command in ipairs(cjson.decode(ARGV[1])) do
  -- It fails if the server does not know the command.
  local is_known, is_allowed = pcall(redis.acl_check_cmd, unpack(command))
  if is_known and not is_allowed then return redis.error_reply('NOPERM this user may not run ' .. command[1]) end
end
return 1
