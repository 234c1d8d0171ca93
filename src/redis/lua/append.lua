--[[
  Ends a command, or applies the next chunk of an import: appends the events to the log, updates the projection, records the
  outcome (or how far the import is) and announces it, or does none of that. There is no instant at which only a part of it has
  happened.

  KEYS[1] log (stream)   KEYS[2] identity of the log (string)   KEYS[3] policies (hash)   KEYS[4] names (sorted set)
  KEYS[5] record (string): the outcome of the command, or the progress of the import
  KEYS[6] position that the log is compacted to (string)
  KEYS[7…] versions of each config key (sorted set)

  ARGV[1] what the record must hold, '' nothing yet
  ARGV[2] what it holds then, '' when nothing is to be recorded
  ARGV[3] how long to keep it, ms; 0 until it is deleted
  ARGV[4] outcome to announce, '' when the command goes on
  ARGV[5] channel to announce on         ARGV[6] partition         ARGV[7] identity for a log that has none yet
  and five for each config key:
    config key
    version of the key's state that the decision was made on
    version of the event, '' when nothing changes
    event as JSON
    policy record as JSON, '' when the key has no policy any more

  Returns { code, value }: { 0, position } it was done, { 1, record } it had been done before, { 2, version } a key has moved on
  to another version. The codes are those of `AppendCode` in redis/append.ts.
]]
local log, identity, policies, names, record = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local COMMON_KEYS, COMMON_ARGUMENTS, ARGUMENTS_A_KEY = 6, 7, 5
local call = redis.call

local recorded = call('GET', record) or ''
if recorded ~= ARGV[1] then return { 1, recorded } end

for i = 1, #KEYS - COMMON_KEYS do
  local expected = ARGV[COMMON_ARGUMENTS + (i - 1) * ARGUMENTS_A_KEY + 2]
  local version = call('ZREVRANGE', KEYS[COMMON_KEYS + i], 0, 0, 'WITHSCORES')[2] or '0'
  if tonumber(version) ~= tonumber(expected) then return { 2, version } end
end

call('SET', identity, ARGV[7], 'NX')
local last = call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local position = tonumber(last and string.match(last[1], '^%d+') or call('GET', KEYS[6]) or 0)

for i = 1, #KEYS - COMMON_KEYS do
  local at = COMMON_ARGUMENTS + (i - 1) * ARGUMENTS_A_KEY
  local key, version, event, policy = ARGV[at + 1], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  if version ~= '' then
    position = position + 1
    call('XADD', log, string.format('%.0f-0', position), 'event', event)
    call('ZADD', KEYS[COMMON_KEYS + i], version, string.format('%.0f', position))
    if policy ~= '' then
      call('HSET', policies, key, policy)
      call('ZADD', names, 0, key)
    else
      call('HDEL', policies, key)
      call('ZREM', names, key)
    end
  end
end

if ARGV[2] ~= '' and ARGV[3] == '0' then call('SET', record, ARGV[2])
elseif ARGV[2] ~= '' then call('SET', record, ARGV[2], 'PX', ARGV[3]) end
call('PUBLISH', ARGV[5], string.format('%s %.0f %s', ARGV[6], position, ARGV[4]))
return { 0, string.format('%.0f', position) }
