--[[
  Puts drafts in the place of what is in use, if the log still stands where the drafts were made from.

  KEYS[1] log (stream)   KEYS[2] identity of the log (string)   KEYS[3] position compacted to (string)
  KEYS[2 + 2i], KEYS[3 + 2i] what is in use, and its draft

  ARGV[1] identity, ARGV[2] position compacted to and ARGV[3] last position of the log that the drafts were made from
  ARGV[4] the log's identity from now on
  ARGV[4 + i] '1' when draft i exists, '0' when nothing is to take the place

  Returns 1, or 0 when the log stands elsewhere or a draft is gone.
]]
local log, identity, compacted_to = KEYS[1], KEYS[2], KEYS[3]
local call = redis.call
-- What is in use may be of any type: it is replaced.
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
