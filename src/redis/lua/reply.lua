--[[
  The reply to a batch, in the order of its checks, and notes on some of them. A part of check.lua, which describes both.
]]
local reply, replied, notes = {}, 0, {}

local function append(value)
  replied = replied + 1
  reply[replied] = value
end

local function note(index, value)
  notes[#notes + 1] = index
  notes[#notes + 1] = value
end

