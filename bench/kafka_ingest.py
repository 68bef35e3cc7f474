"""The part about ingest on Kafka: the same events decided from and to Kafka, and from and to the log
in the data directory, by the whole binary, one process that runs ingest alone."""
import os
import pathlib
import re
import statistics
import sys
import time

import rig

os.environ["PENSTOCK_BIN"] = str(rig.BUILD / "penstock")
sys.path.insert(0, str(rig.ROOT / "tests/e2e"))
import brokers  # noqa: E402
import slices  # noqa: E402
from harness import KEY  # noqa: E402
from test_stages import Stages  # noqa: E402

EVENTS, WARM = 120_000, 30_000
AIM = 1.25


class Directory:
    """Stands where a broker does: the log in the data directory."""

    @staticmethod
    def flags(*settings):
        own = [s for s in settings if not s.startswith("log.kafka_")]
        return [word for s in ("log.partitions=3", *own) for word in ("--set", s)]


class Prefixed:
    """A broker's topics of one run."""

    runs = 0

    def __init__(self, broker, compression):
        Prefixed.runs += 1
        self.broker, self.prefix, self.compression = broker, f"i{Prefixed.runs}-", compression

    def flags(self, *settings):
        return self.broker.flags(*settings, f"log.kafka_topic_prefix={self.prefix}",
                                 f"log.kafka_group_prefix={self.prefix}",
                                 f"log.kafka_compression={self.compression}")


def decided(process):
    return int(re.search(r"^penstock_ingest_events_total (\d+)", process.ask_health("/metrics")[1], re.M)[1])


def until(process, count):
    while decided(process) < count:
        time.sleep(0.02)


def measure(engine, core):
    """All events wait in the lanes when it begins."""
    process = Stages(engine, "capture")
    mine = os.sched_getaffinity(0)
    try:
        process.start(90)
        slices.send(process, [KEY], 0, EVENTS)
        process.stop()
        flags = list(process.flags)
        flags[flags.index("--stages") + 1] = "ingest,replay"
        process.flags = flags
        os.sched_setaffinity(0, core)  # a child inherits it
        try:
            process.start(90)
        finally:
            os.sched_setaffinity(0, mine)
        until(process, WARM)
        first, began, before = decided(process), time.monotonic(), rig.thread_cpu_s(process.process.pid)
        until(process, EVENTS)
        took, after = time.monotonic() - began, rig.thread_cpu_s(process.process.pid)
        used = sum(after.values()) - sum(before.values())
        return {"us": used * 1e6 / (EVENTS - first), "events_per_s": (EVENTS - first) / took,
                "threads_us": {n: (after[n] - before.get(n, 0)) * 1e6 / (EVENTS - first) for n in after}}
    finally:
        process.close()


def run(options, core, others, progress, done):
    """Rounds in turns: the data directory, Kafka without compression, Kafka with lz4."""
    if not brokers.installed():
        print("\nKafka: not installed (tools/setup --test)")
        return {}
    names = ("embedded", "kafka none", "kafka lz4")
    samples = {name: [] for name in names}
    with brokers.Kafka() as broker:
        rig.pin(broker.process.pid, others)
        for number in range(options.rounds):
            for name in names:
                progress(f"ingest on Kafka: round {number + 1} of {options.rounds}, {name}")
                engine = Directory() if name == "embedded" else Prefixed(broker, name.split()[1])
                samples[name].append(measure(engine, core))
    done()
    print(f"\nIngest alone, {EVENTS - WARM:,} events of 0.9 KB that wait in the lanes, one core, medians of "
          f"{options.rounds} rounds (aim: Kafka within {AIM - 1:.0%})\n")
    print("log          us/event   to embedded   events/s   to embedded")
    report = {}
    for name in names:
        report[name] = row = {k: statistics.median(r[k] for r in samples[name]) for k in ("us", "events_per_s")}
        row["threads_us"] = samples[name][-1]["threads_us"]
        base = report["embedded"]
        print(f"{name:10} {row['us']:10.2f} {row['us'] / base['us']:12.2f}x {row['events_per_s']:10.0f} "
              f"{row['events_per_s'] / base['events_per_s']:12.2f}x")
    return report
