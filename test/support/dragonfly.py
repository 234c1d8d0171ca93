"""Answers CL.THROTTLE as Dragonfly does, by fakeredis. Reads lines of JSON, [now in seconds, arguments], and writes replies."""

import json
import sys
import time

import fakeredis

clock = 0.0
time.time = lambda: clock
redis = fakeredis.FakeRedis(server_type="dragonfly")
for line in sys.stdin:
    clock, arguments = json.loads(line)
    print(json.dumps(redis.execute_command("CL.THROTTLE", *arguments)), flush=True)
