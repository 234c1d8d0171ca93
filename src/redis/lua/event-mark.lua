--[[
  Distinguishes an entry of a log from another one at its position, even if the log has lost its last entries and grown again. The same
  rule as in `config-json.ts`. Returns '' without an entry.
]]
local function event_mark(entry)
  if not entry then return '' end
  return (string.gsub(table.concat(entry[2], ' '), '[\128-\255]', ''))
end

