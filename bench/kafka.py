"""The part about capture in front of Kafka: CPU per event with the brokers' acknowledgement awaited."""
import statistics
import sys
import urllib.request

import rig

sys.path.insert(0, str(rig.ROOT / "tests/e2e"))
import brokers  # noqa: E402
import slow_link  # noqa: E402
from harness import free_port  # noqa: E402

SHAPES = ("a", "b", "c1", "c")
# A sixth of what today's capture needs with Kafka behind it, in us of CPU an event, as it was
# measured on machines of this kind.
AIMS_US = {"a": 154 / 6, "b": 37 / 6, "c1": 212 / 6, "c": 97 / 6}
PACED_EVENTS_PER_S = 5_000
PACED_CONNECTIONS = 256
LATENCY_S = 0.3
P99_ABOVE_BROKER_MS = 25
FAR = ("log.kafka_append_ms_max=30000", "log.kafka_linger_ms=10", "log.kafka_in_flight=100")
GUARDED = ("log.kafka_append_ms_max=30000", "log.kafka_linger_ms=20")


def metric(subject, name):
    """A number of the subject's own page; 0: it is not there."""
    url = subject.instance["capture_url"] + "/metrics"
    with urllib.request.urlopen(url, timeout=30) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
    return 0.0


class Engine:
    """What capture writes to: the data directory, or a broker with settings."""

    def __init__(self, name, broker=None, *settings):
        self.name, self.broker, self.settings = name, broker, settings
        self.runs = 0

    def flags(self):
        if self.broker is None:
            return []
        self.runs += 1
        more = (f"log.kafka_topic_prefix=r{self.runs}{self.name.replace(' ', '')}-", *self.settings)
        return self.broker.flags(*more)


def run(options, server, client, connections, progress, done):
    """Rounds in turns: the embedded log, Kafka without compression, Kafka with lz4."""
    if not brokers.installed():
        print("\nKafka: not installed (tools/setup --test)")
        return {}
    shapes = [s for s in SHAPES if s in options.shapes]
    with brokers.Kafka() as broker:
        rig.pin(broker.process.pid, client)
        engines = [Engine("embedded"), Engine("kafka", broker, "log.kafka_compression=none"),
                   Engine("kafka lz4", broker, "log.kafka_compression=lz4")]
        samples = {(e.name, shape): [] for e in engines for shape in shapes}
        threads = {}
        for number in range(options.rounds):
            for engine in engines:
                for shape in shapes:
                    progress(f"kafka: round {number + 1} of {options.rounds}, {engine.name}, {shape}")
                    subject = rig.Penstock(options.work, server, "--stages", "capture",
                                           *engine.flags())
                    try:
                        before = rig.thread_cpu_s(subject.process.pid)
                        result = rig.load(
                            subject.port, options.sets / f"{shape}.req", client, subject.pids,
                            connections[shape], options.seconds)
                        after = rig.thread_cpu_s(subject.process.pid)
                        samples[engine.name, shape].append(result)
                        threads[engine.name, shape] = {
                            n: after[n] - before.get(n, 0) for n in after}
                    finally:
                        subject.close()
    report = far_away(options, server, client, progress)
    done()
    print(f"\nCapture, one core, acknowledgement awaited, medians of {options.rounds} rounds\n")
    print("shape  log          us/event   to embedded   aim us   events/s   p50 ms   p99 ms   strangers")
    for shape in shapes:
        for engine in engines:
            runs = samples[engine.name, shape]
            row = {k: statistics.median(r[k] for r in runs) for k in
                   ("server_ns_per_event", "events_per_s", "p50_us", "p99_us", "strangers_cores")}
            row["us"] = row["server_ns_per_event"] / 1e3
            row["threads"] = threads[engine.name, shape]
            report[f"{shape} {engine.name}"] = row
            ratio = row["us"] / report[f"{shape} embedded"]["us"]
            row["of_aim"] = row["us"] / AIMS_US[shape]
        print(f"{shape:6} {engine.name:10} {row['us']:10.2f} {ratio:12.2f}x {AIMS_US[shape]:8.1f}"
                  f" {row['events_per_s']:10.0f} {row['p50_us'] / 1e3:8.1f} {row['p99_us'] / 1e3:8.1f}"
                  f" {row['strangers_cores']:10.2f}")
    return report


def far_away(options, server, client, progress):
    """The same load, paced, with a broker beside it and with one that answers 300 ms later."""
    report = {}
    port = free_port()
    with brokers.Kafka(port) as broker:
        rig.pin(broker.process.pid, client)
        link = slow_link.SlowLink(port, broker.port, 0.0)
        for name, delay_s, settings in (("near", 0.0, ()), ("far", LATENCY_S, FAR),
                                        ("guarded", LATENCY_S, GUARDED)):
            progress(f"kafka: {PACED_EVENTS_PER_S} events/s, {name}")
            engine = Engine(name, broker, "log.kafka_start_ms_max=120000",
                            "log.kafka_compression=none", *settings)
            subject = rig.Penstock(options.work, server, "--stages", "capture", *engine.flags())
            try:
                link.delay_s = delay_s
                seconds = max(12.0, options.seconds)
                row = rig.load(subject.port, options.sets / "b.req", client, subject.pids,
                               PACED_CONNECTIONS, seconds, rate=PACED_EVENTS_PER_S / 50)
                row["broker_p99_us"] = metric(
                    subject, 'penstock_log_kafka_broker_answer_us{quantile="0.99"}')
                report[name] = row
            finally:
                link.delay_s = 0.0
                subject.close()
        link.close()
    print(f"\n\nShape b, {PACED_EVENTS_PER_S} events/s offered; far: the broker's answers take "
          f"{LATENCY_S * 1000:.0f} ms more, {', '.join(FAR)}; guarded: {', '.join(GUARDED)}")
    for name, row in report.items():
        row["above_broker_ms"] = (row["p99_us"] - row["broker_p99_us"]) / 1e3
        print(f"{name:7} {row['events_per_s']:8.0f} events/s  {row['server_ns_per_event'] / 1e3:6.2f} "
              f"us/event  p50 {row['p50_us'] / 1e3:.0f} p99 {row['p99_us'] / 1e3:.0f} ms, the broker's "
              f"own p99 {row['broker_p99_us'] / 1e3:.0f} ms: {row['above_broker_ms']:.0f} above it "
              f"(aim {P99_ABOVE_BROKER_MS})")
    return report
