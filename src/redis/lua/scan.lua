--[[
  Reads a part of a hash or of a sorted set, as HSCAN and ZSCAN do, and tells which server did: to another server, the cursor
  means something else, so it would leave members out. It also tells where the log of the partition ends at this moment.

  KEYS[1] hash or sorted set   KEYS[2] identity of the log (string)   KEYS[3] log (stream)

  ARGV[1] HSCAN or ZSCAN   ARGV[2] cursor   ARGV[3] about how many members

  Returns { run id of the server, next cursor, members, identity, entry }, where each member is followed by its value or score. The run id is
  '' if the user may not read it; identity and entry are nil if there is none, or if the key has another type.
]]
local command = ARGV[1]
local damage = wrong_type({ command == 'HSCAN' and 'hash' or 'zset' })
if damage then return damage end

local function unless_error(reply)
  return (type(reply) ~= 'table' or not reply.err) and reply
end

local info = redis.pcall('INFO', 'server')
local run_id = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
local found = redis.call(command, KEYS[1], ARGV[2], 'COUNT', ARGV[3])
local entries = unless_error(redis.pcall('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1))
return { run_id, found[1], found[2], unless_error(redis.pcall('GET', KEYS[2])), entries and entries[1] or false }
