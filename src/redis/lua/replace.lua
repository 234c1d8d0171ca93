--[[
  Replaces keys by their drafts, if the log has not changed since the drafts were made.

  KEYS[1] log (stream)   KEYS[2] identity of the log (string)   KEYS[3] position up to which the log is compacted (string)
  KEYS[2 + 2i], KEYS[3 + 2i] key in use, and its draft

  ARGV[1] identity, ARGV[2] compacted position and ARGV[3] last position of the log from which the drafts were made
  ARGV[4] new identity of the log, '' to keep the present one
  ARGV[4 + i] '1' if draft i exists, '0' if the key in use is only deleted

  Returns 1, or 0 if the log has changed or a draft has expired.
]]
local log, identity, compacted_to = KEYS[1], KEYS[2], KEYS[3]
local call = redis.call
-- The keys in use may have any type, since they are replaced.
local damage = wrong_type({ 'stream', 'string', 'string' })
if damage then return damage end

local compacted = call('GET', compacted_to) or '0'
local last = call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local position = last and string.match(last[1], '^%d+') or compacted
if (call('GET', identity) or '') ~= ARGV[1] or compacted ~= ARGV[2] or position ~= ARGV[3] then return 0 end

local drafts = #ARGV - 4
for i = 1, drafts do
  if call('EXISTS', KEYS[3 + 2 * i]) ~= tonumber(ARGV[4 + i]) then return 0 end
end
for i = 1, drafts do
  call('UNLINK', KEYS[2 + 2 * i])
  if ARGV[4 + i] == '1' then
    call('RENAME', KEYS[3 + 2 * i], KEYS[2 + 2 * i])
    call('PERSIST', KEYS[2 + 2 * i])
  end
end
if ARGV[4] ~= '' then call('SET', identity, ARGV[4]) end
return 1
