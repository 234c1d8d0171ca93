--[[
  The concurrency limit, a kind of limit: at most `capacity` reservations at once. Nothing is ever spent of it, so buckets have no
  entry for it. domain/limits/concurrency.ts has the same rules. A part of the scripts of buckets, see limits.lua.

  A limit continues with "c".
]]
local function concurrency_kind()
  return {
    is_unspent = true,
    read = function() return true end,
    append = function() end,
  }
end

