"""Boundaries of calendar periods, by zoneinfo and dateutil, for test/attacks/calendar.test.ts.

Reads a JSON object a line: "timeZone", "unit" (days, weeks, months, years), "anchor" (a local time), and "steps", numbers of units
from the anchor. Answers each with a JSON array of times in ms since 1970. A local time that occurs twice is the first one (fold=0),
and one that is skipped is read with the offset before the change.
"""
import json
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

for line in sys.stdin:
    asked = json.loads(line)
    zone = ZoneInfo(asked["timeZone"])
    anchor = datetime.fromisoformat(asked["anchor"])
    boundaries = []
    for steps in asked["steps"]:
        local = anchor + relativedelta(**{asked["unit"]: steps})
        boundaries.append(round(local.replace(tzinfo=zone, fold=0).timestamp() * 1000))
    print(json.dumps(boundaries))
