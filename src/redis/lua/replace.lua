--[[
  Replaces keys by their drafts, if the log has not changed since the drafts were made, and the drafts are complete.

  KEYS[1] log (stream)   KEYS[2] identity of the log (string)   KEYS[3] position up to which the log is compacted (string)
  KEYS[4] number of writes of the drafts that the store has (string)
  KEYS[5] key that never exists
  KEYS[4 + 2i], KEYS[5 + 2i] key in use, and its draft

  ARGV[1] identity, ARGV[2] compacted position, ARGV[3] last position and ARGV[4] mark of the last event ('' without one) of the log
  from which the drafts were made
  ARGV[5] new identity of the log, '' to keep the present one
  ARGV[6] number of writes of the drafts
  ARGV[6 + i] '1' if draft i exists, '0' if the key in use is only deleted

  Returns 1, 0 if the log has changed, or 2 if the store lost a write of the drafts, or a draft has expired.
]]
local log, identity, compacted_to, writes, absent = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call = redis.call
-- The keys in use may have any type, since they are replaced.
local damage = wrong_type({ 'stream', 'string', 'string', 'string' })
if damage then return damage end

local compacted = call('GET', compacted_to) or '0'
local last = call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local position = last and string.match(last[1], '^%d+') or compacted
if (call('GET', identity) or '') ~= ARGV[1] or compacted ~= ARGV[2] then return 0 end
if position ~= ARGV[3] or event_mark(last) ~= ARGV[4] then return 0 end

if (call('GET', writes) or '0') ~= ARGV[6] then return 2 end
local drafts = #ARGV - 6
for i = 1, drafts do
  if call('EXISTS', KEYS[5 + 2 * i]) ~= tonumber(ARGV[6 + i]) then return 2 end
end

local attempts = { { 'SET', identity, ARGV[1], 'XX' }, { 'UNLINK', absent }, { 'PERSIST', absent } }
for i = 1, drafts do
  local draft = KEYS[5 + 2 * i]
  if ARGV[6 + i] == '1' then table.insert(attempts, { 'RENAME', draft, draft }) end
end
local refusal = refused_attempt(attempts)
if refusal then return refusal end

for i = 1, drafts do
  local in_use, draft = KEYS[4 + 2 * i], KEYS[5 + 2 * i]
  call('UNLINK', in_use)
  if ARGV[6 + i] == '1' then
    call('RENAME', draft, in_use)
    call('PERSIST', in_use)
  end
end
call('UNLINK', writes)
if ARGV[5] ~= '' then call('SET', identity, ARGV[5]) end
return 1
