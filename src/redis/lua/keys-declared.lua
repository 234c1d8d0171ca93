-- The keys of a call are declared: on Redis Cluster, all of them are in one slot.
local keys, keys_from = KEYS, 0
-- Whether the call may have followed a redirection: then some keys of its slot may be at another master.
local is_redirected = ARGV[3] == '1'

