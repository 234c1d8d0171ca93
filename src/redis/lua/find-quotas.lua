--[[
  Finds the names of quotas in a part of the stored policies.

  KEYS[1]  hash: config key → policy
  ARGV[1]  the cursor of HSCAN
  Returns the next cursor, then the names.
]]
local found = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', 1000)
local names, is_known = { found[1] }, {}
for i = 2, #found[2], 2 do
  for name in string.gmatch(found[2][i], '"name":"([a-z0-9_-]+)","kind":"quota"') do
    if not is_known[name] then names[#names + 1] = name end
    is_known[name] = true
  end
end
return names
