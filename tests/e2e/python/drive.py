"""Sends a plan with posthog for Python: JSON on standard input, errors as JSON on standard output.

The plan's form is told in ../sdk.py.
"""
import datetime
import json
import sys
import time

import posthog


def main():
    plan = json.load(sys.stdin)
    errors = []
    client = posthog.Posthog(
        plan["key"], host=plan["host"], flush_at=plan["batch"], flush_interval=0.2,
        gzip=plan["gzip"], max_retries=plan["retries"],
        historical_migration=plan["historical"],
        on_error=lambda error, batch: errors.append(str(error)))
    for e in plan["events"]:
        client.capture(e["event"], distinct_id=e["distinct_id"], properties=e["properties"],
                       groups=e["groups"], uuid=e["uuid"],
                       timestamp=datetime.datetime.fromisoformat(e["timestamp"]))
        time.sleep(plan["pace_ms"] / 1000)
    for i in plan["identifies"]:
        client.set(distinct_id=i["distinct_id"], properties=i["set"])
    client.shutdown()
    print(json.dumps({"errors": errors}))


main()
