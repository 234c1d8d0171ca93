#!lua flags=allow-cross-slot-keys
-- The keys of a call are its last arguments: on Redis Cluster, they may be in any slots of the master. Redis 7.0 is the first that
-- knows the flag. See https://redis.io/docs/latest/develop/programmability/lua-api/#script-flags
local keys, keys_from = ARGV, 2
-- A cluster client does not follow redirections of such calls.
local is_redirected = false

