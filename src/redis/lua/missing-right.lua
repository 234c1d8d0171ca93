--[[
  Refuses with NOPERM if the user may not run one of these commands, and with ERR if the server does not know it, for instance since it has
  another name there. It runs none of them. Before Redis 7, a script cannot ask; then it never refuses.

  KEYS[1] the key that they concern, which is not read

  ARGV[1] commands with their arguments, as JSON

  Returns 1.
]]
if not redis.acl_check_cmd then return 1 end
for _, command in ipairs(cjson.decode(ARGV[1])) do
  local is_known, is_allowed = pcall(redis.acl_check_cmd, unpack(command))
  if not is_known then return redis.error_reply('ERR unknown command ' .. command[1]) end
  if not is_allowed then return redis.error_reply('NOPERM this user may not run ' .. command[1]) end
end
return 1
