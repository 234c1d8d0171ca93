--[[
  Whether a text is a position before `first`. Without one, it must be one that doubles count exactly.
]]
local function is_position(text, first)
  local position = string.match(text, '^%d+$') and tonumber(text)
  return position ~= nil and position < (first or 9007199254740991)
end

