"""Sends a plan with posthog for Python: JSON on standard input, errors as JSON on standard output.

The plan's form is told in ../sdk.py.
"""
import datetime
import json
import sys
import time
from importlib import metadata

import posthog


def set_properties(client, c):
    client.set(distinct_id=c["distinct_id"], properties=c["set"])
    client.set_once(distinct_id=c["distinct_id"], properties=c["set_once"])


def alias(client, c):
    client.alias(previous_id=c["distinct_id"], distinct_id=c["alias"])


def group(client, c):
    client.group_identify(c["type"], c["key"], properties=c["set"])


def exception(client, c):
    try:
        raise TypeError(c["message"])
    except TypeError as error:
        client.capture_exception(error, distinct_id=c["distinct_id"],
                                 properties={"place": c["place"]})


CALLS = {"set": set_properties, "alias": alias, "group": group, "exception": exception}


def main():
    plan = json.load(sys.stdin)
    errors = []
    client = posthog.Posthog(
        plan["key"], host=plan["host"], flush_at=plan["batch"], flush_interval=0.2,
        gzip=plan["gzip"], sync_mode=plan["immediate"], max_retries=plan["retries"],
        historical_migration=plan["historical"],
        on_error=lambda error, batch: errors.append(str(error)))
    capture = client.capture_ai if plan["ai"] else client.capture
    for e in plan["events"]:
        capture(e["event"], distinct_id=e["distinct_id"], properties=e["properties"],
                groups=e["groups"], uuid=e["uuid"],
                timestamp=datetime.datetime.fromisoformat(e["timestamp"]))
        time.sleep(plan["pace_ms"] / 1000)
    for c in plan["calls"]:
        CALLS[c["call"]](client, c)
    client.shutdown()
    print(json.dumps({"errors": errors, "version": metadata.version("posthog")}))


main()
