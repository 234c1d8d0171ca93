-- The keys of a call are declared: on Redis Cluster, all of them are in one slot.
local keys, keys_from = KEYS, 0

