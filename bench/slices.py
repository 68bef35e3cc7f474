#!/usr/bin/env python3
"""CPU an event of one, two and four processes that decide slices of the projects beside each other:
what it costs that each reads what the others decide; and of as many that load and define. Not a part of bench/run: Kafka, PostgreSQL and
the processes share the machine's cores.

  PENSTOCK_BIN=build/release/penstock tools/env python3 bench/slices.py [events] [how …]

how: shared (lanes are everybody's), lanes (ingest.slice_lanes), alone (and process.slices: each process
looks at its own slices and at nothing else), loads (as many with load and definitions, each of its
own slices, rows in its directory, the engine that stores them not counted); all of them without it.
"""
import json
import os
import pathlib
import re
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/e2e"))
import brokers  # noqa: E402
import postgres  # noqa: E402
from harness import KEY  # noqa: E402
from test_slices import SLICES, shared_by, tokens  # noqa: E402
from test_stages import Stages  # noqa: E402

WARM, BATCH = 10_000, 250


def cpu_s(p):
    fields = pathlib.Path(f"/proc/{p.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def counted(processes, what):
    def of(p):
        found = re.search(rf"^penstock_{what}_total (\d+)", p.ask_health("/metrics")[1], re.M)
        return int(found[1]) if found else 0
    return sum(map(of, processes))


def send(capture, keys, first, count):
    for n in range(first, first + count, BATCH):
        batch = [{"event": "seen", "distinct_id": f"u{i % 5000}", "uuid": str(uuid.uuid4()),
                  "properties": {"n": i, "$current_url": "https://example.com/" + "x" * 200,
                                 "text": "y" * 600}} for i in range(n, n + BATCH)]
        while capture.post("/batch/", {"api_key": keys[n // BATCH % len(keys)], "batch": batch})[0] != 200:
            time.sleep(0.05)


def flags_of(how, number, index):
    if how == "shared":
        return ()
    own = ("--set", "ingest.slice_lanes=true", "--set", f"log.partitions={8 // SLICES}")
    if how == "lanes" or index is None:
        return own
    share = SLICES // number
    return (*own, "--set", f"process.slices={index * share}-{(index + 1) * share - 1}")


def measure(kafka, pg, how, number, events):
    shared = ("--set", f"ingest.slices={SLICES}", "--set", "catalog.engine=postgres",
              "--set", f"catalog.postgres_url={pg.url}", "--set", f"log.kafka_topic_prefix={how}{number}-",
              "--set", f"log.kafka_group_prefix={how}{number}-")
    loads = how == "loads"
    capture = Stages(kafka, "capture", *shared, *flags_of(how, number, None))
    ingests = [Stages(kafka, "ingest,replay,admin", *shared, *flags_of(how, number, None if loads else i))
               for i in range(1 if loads else number)]
    loaders = [Stages(kafka, "load,definitions,admin", *shared, *flags_of(how, number, i))
               for i in range(number if loads else 0)]
    measured, what = (loaders, "load_rows") if loads else (ingests, "ingest_events")
    try:
        for p in (*ingests, capture, *loaders):
            p.start(90)
        shared_by(ingests)  # whose share changes begins anew, and answers nobody meanwhile
        keys = tokens(4)
        have = json.dumps(ingests[0].api("/api/projects")[1])
        for key in keys:
            if key != KEY and key not in have:
                assert ingests[0].api("/api/projects", {"name": key[-8:], "token": key})[0] in (200, 201)
        time.sleep(3)  # until capture knows them
        send(capture, keys, 0, WARM)
        ingests[0].eventually(lambda: counted(measured, what) >= WARM, 120)
        time.sleep(2)
        idle, began = sum(map(cpu_s, measured)), time.monotonic()
        time.sleep(5)
        before = sum(map(cpu_s, measured))
        idle_rate = (before - idle) / (time.monotonic() - began)
        began = time.monotonic()
        send(capture, keys, WARM, events)
        ingests[0].eventually(lambda: counted(measured, what) >= WARM + events, 300)
        time.sleep(1)
        used = sum(map(cpu_s, measured)) - before - idle_rate * (time.monotonic() - began)
        return used * 1e6 / events
    finally:
        for p in (capture, *ingests, *loaders):
            p.close()


def main():
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    assert brokers.installed() and postgres.installed(), "tools/setup --test"
    with brokers.Kafka() as kafka, postgres.Postgres("fsync=off") as pg:
        for how in sys.argv[2:] or ("shared", "lanes", "alone", "loads"):
            one = None
            for number in (1, 2, 4):
                us = measure(kafka, pg, how, number, events)
                one = one or us
                more = "" if number == 1 else f", {(us - one) / (number - 1):.1f} for each more"
                print(f"{how}, {number} processes: {us:.1f} us an event, all together{more}", flush=True)


if __name__ == "__main__":
    main()
