--[[
  Decides a batch of checks, one after another, each by its own bucket. domain/bucket.ts has the same arithmetic, with
  the reasons. Its parts come before it, see redis/scripts.ts: where its keys are, the layout of buckets, the reply, and limits.

  keys[keys_from + i]  the bucket of check i
  ARGV[1]              the runs, in order, as JSON: [policy, tokens, count, policy, tokens, count, …], where the next `count` checks
                       ask policy number `policy` (from 1) for `tokens`. If these are the text "n+", they are charged although a check
                       is denied; if they are "n-", they are given back, see overdraft.lua
  ARGV[2]              the limits of the policies as JSON, see limits.lua

  Returns a string of big-endian doubles: for each check, for each limit of its policy, the units spent after the check, debt included, or
  −1 − units if the check was denied, or would have been by this shadow limit; after those of a quota, the ms until its period ends, and the length of that period.
  Then notes: the index of a check, and the ms for which its refill is paused because the clock went back, or −1 if its bucket was
  malformed, or the reason why it was not decided: −2 if its slot is at another master or moves there, −3 if the caller does not
  know the present period of a quota; or −4, followed by what reservations hold of its key: their tokens, their number, and the ms until
  the first and until the last one expires; or −5, followed by how many reservations of its key the call found expired, and 0; or −6 if the
  check was denied and charged: of its limits, only those that denied it have −1 − units; then follow the tokens that were charged, the fewest
  over the enforced limits, and 0; or −7 if a part of a
  reservation of its key was damaged. Doubles are exact for these integers, and
  cheaper for client and server than as many separate replies.
]]
-- Redis writes larger numbers as 9e+15, which it does not read as a time.
local PLAIN_INTEGER = 2 ^ 51
-- Redis 7.2 writes an integer faster than Lua does. Older ones write it as a double, for a tenth of what a check costs.
local WRITES_INTEGERS = (redis.REDIS_VERSION_NUM or 0) >= 0x70200

local function is_simple(limits)
  return #limits == 1 and not limits[1].kind and limits[1].capacity_units / limits[1].per_ms < PLAIN_INTEGER
end

-- The same for the most common run: one limit, and a bucket that only this limit spent from. Written out, and with local names, since calls
-- and lookups would be half of its cost.
local function check_simply(first, last, limits, tokens)
  local call, pcall, pack, unpack, format = call, pcall, pack, unpack, format
  local limit = limits[1]
  local id, units_per_token, per_ms, capacity_units = limit.id, limit.units_per_token, limit.per_ms, limit.capacity_units
  local cost = tokens * units_per_token
  local most_spent = tokens <= limit.capacity and capacity_units - cost or -1
  local head = pack('>dI4I4', now, id, units_per_token)
  for index = first, last do
    local key = keys[keys_from + index]
    local bucket = pcall('GET', key)
    local spent, is_own = 0, true
    if bucket then
      is_own = #bucket == TIME + ENTRY
      if is_own then
        local last_spent_at, entry_id, entry_units_per_token, stored = unpack('>dI4I4d', bucket)
        is_own = entry_id == id and entry_units_per_token == units_per_token
          and last_spent_at <= now and stored >= 0 and stored <= MAX_UNITS
        if is_own then
          local regained = (now - last_spent_at) * per_ms
          if stored > capacity_units then stored = capacity_units end
          if regained < stored then spent = stored - regained end
        end
      end
    end
    if not is_own then
      general = general or general_functions()
      general.check_one(index, key, bucket, limits, tokens)
    else
      local found = -1 - spent
      if spent <= most_spent then
        found = spent + cost
        if tokens > 0 then
          local expiry = now + ceil_div(found, per_ms) + EXPIRY_SLACK_MS
          if not WRITES_INTEGERS then expiry = format('%d', expiry) end
          call('SET', key, head .. pack('>d', found), 'PXAT', expiry)
        end
      end
      replied = replied + 1
      reply[replied] = found
    end
  end
end

local policies, runs, last = read_policies(ARGV[2]), cjson.decode(ARGV[1]), 0
for i = 1, #runs, 3 do
  local limits, asked, first = policies[runs[i]], runs[i + 1], last + 1
  last = last + runs[i + 2]
  local is_plain = type(asked) == 'number'
  if is_plain and is_simple(limits) then
    check_simply(first, last, limits, asked)
  else
    general = general or general_functions()
    if is_plain then
      for index = first, last do general.check(index, limits, asked) end
    else
      general.buckets().overdraft(asked, limits, first, last)
    end
  end
end
return packed_reply()
