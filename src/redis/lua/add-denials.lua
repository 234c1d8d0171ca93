--[[
  Appends denials to the stream of the newest ones.

  KEYS[1] stream   ARGV[1] how many are kept   ARGV[2…] the denials, as JSON

  Returns nothing.
]]
for i = 2, #ARGV do redis.call('XADD', KEYS[1], '*', 'denial', ARGV[i]) end

-- If fewer are kept than before, a call removes only some of the others. Whole nodes of the stream are removed fast.
local kept = tonumber(ARGV[1])
redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', kept, 'LIMIT', 2000)
if redis.call('XLEN', KEYS[1]) < kept + 1000 then redis.call('XTRIM', KEYS[1], 'MAXLEN', kept) end
