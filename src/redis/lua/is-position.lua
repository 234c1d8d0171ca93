--[[
  Whether a text is a position before `first`; without `first`, whether a double can hold it exactly.
]]
local function is_position(text, first)
  local position = string.match(text, '^%d+$') and tonumber(text)
  return position ~= nil and position < (first or 9007199254740991)
end

