--[[
  Ends a command, or applies the next chunk of an import: appends the events to the log, updates the projection, records the
  outcome (or the progress of the import) and announces it. All of this happens at once, or none of it. Only the announcement may be
  refused, if the user may not publish: an error after the writes would not undo them, and followers also read the log regularly.

  A worker may append only while it holds the lock of the command's job. A suspended worker may resume after another worker has
  taken over and ended the command, and after every record of the command has expired. The lock still distinguishes the two.

  KEYS[1] log (stream)   KEYS[2] identity of the log (string)   KEYS[3] policies (hash)   KEYS[4] names (sorted set)
  KEYS[5] position up to which the log is compacted (string)
  KEYS[6] outcome of the command (string)   KEYS[7] progress of the import (string)   KEYS[8] lock of the job (string)
  KEYS[9] ends of temporary policies (sorted set)
  KEYS[10…] versions of each config key (sorted set)

  ARGV[1] lease: the value that the lock must have, '' to append without a lease
  ARGV[2] outcome, '' if the command has not ended   ARGV[3] lifetime of the outcome in ms
  ARGV[4] expected progress, '' for none             ARGV[5] new progress, '' to leave it unchanged
  ARGV[6] channel to announce on         ARGV[7] partition         ARGV[8] identity for a log without one
  ARGV[9] outcome as it is announced, '' if it is announced as it is recorded
  and six arguments for each config key:
    config key
    expected version of the key, on which the decision was based
    version of the event, '' if nothing changes
    event as JSON
    policy record as JSON, '' if the event is a deletion
    end of the policy in ms since 1970, '' if it has none

  Returns { code, value }: { 0, refusal } appended, with the error of the announcement or '', { 1, outcome } the command had already
  ended, { 2, config key } this key is at another version, { 3, '' } the worker does not hold the lock, { 4, progress } the import
  is at another chunk. The codes are those of `AppendCode` in redis/policies/append.ts. An error that starts with DAMAGED reports
  data of another program.
]]
local log, identity, policies, names, compacted_to = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local outcome, progress, lock, ends = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local COMMON_KEYS, COMMON_ARGUMENTS, ARGUMENTS_PER_KEY = 9, 9, 6
local call = redis.call

local damage = wrong_type({ 'stream', 'string', 'hash', 'zset', 'string', 'string', 'string', 'string', 'zset' }, 'zset')
if damage then return damage end

local ended = call('GET', outcome)
if ended then return { 1, ended } end
if ARGV[1] ~= '' and call('GET', lock) ~= ARGV[1] then return { 3, '' } end
local progressed = call('GET', progress) or ''
if progressed ~= ARGV[4] then return { 4, progressed } end

for i = 1, #KEYS - COMMON_KEYS do
  local at = COMMON_ARGUMENTS + (i - 1) * ARGUMENTS_PER_KEY
  local key, expected = ARGV[at + 1], ARGV[at + 2]
  local version = call('ZREVRANGE', KEYS[COMMON_KEYS + i], 0, 0, 'WITHSCORES')[2] or '0'
  if tonumber(version) ~= tonumber(expected) then return { 2, key } end
end

local last = call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local end_of_log = last and string.match(last[1], '^%d+') or call('GET', compacted_to) or '0'
if not is_position(end_of_log, 9007199254740991 - #KEYS) then
  return redis.error_reply('DAMAGED the log "' .. log .. '" ends at position ' .. end_of_log .. ', after which no position can be counted')
end
local position = tonumber(end_of_log)

-- They change nothing, since the outcome does not exist.
local refusal = refused_attempt({
  { 'SET', outcome, '', 'XX' },
  { 'XADD', outcome, 'NOMKSTREAM', '*', '', '' },
  { 'ZADD', outcome, 'XX', 0, '' },
  { 'HDEL', outcome, '' },
  { 'ZREM', outcome, '' },
})
if refusal then return refusal end

-- HSET cannot be attempted without an effect, so it comes before all other writes.
for i = 1, #KEYS - COMMON_KEYS do
  local at = COMMON_ARGUMENTS + (i - 1) * ARGUMENTS_PER_KEY
  local key, version, policy = ARGV[at + 1], ARGV[at + 3], ARGV[at + 5]
  refusal = version ~= '' and policy ~= '' and refused_attempt({ { 'HSET', policies, key, policy } })
  if refusal then return refusal end
end
call('SET', identity, ARGV[8], 'NX')

for i = 1, #KEYS - COMMON_KEYS do
  local at = COMMON_ARGUMENTS + (i - 1) * ARGUMENTS_PER_KEY
  local key, version, event, policy, ends_at = ARGV[at + 1], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]
  if version ~= '' then
    position = position + 1
    call('XADD', log, string.format('%.0f-0', position), 'event', event)
    call('ZADD', KEYS[COMMON_KEYS + i], version, string.format('%.0f', position))
    if policy ~= '' then
      call('ZADD', names, 0, key)
    else
      call('HDEL', policies, key)
      call('ZREM', names, key)
    end
    if ends_at ~= '' then
      call('ZADD', ends, ends_at, key)
    else
      call('ZREM', ends, key)
    end
  end
end

if ARGV[2] ~= '' then call('SET', outcome, ARGV[2], 'PX', ARGV[3]) end
if ARGV[5] ~= '' then call('SET', progress, ARGV[5]) end
local announcement = ARGV[9] ~= '' and ARGV[9] or ARGV[2]
local announced = redis.pcall('PUBLISH', ARGV[6], string.format('%s %.0f %s', ARGV[7], position, announcement))
return { 0, type(announced) == 'table' and announced.err or '' }
