"""Kafka, PostgreSQL, ClickHouse and S3 stand still for a minute, each longer than any deadline, under load."""
import os
import signal
import time

import brokers
import clickhouse
import postgres
import s3
import sdk
import test_objects_s3
from harness import Penstock
from test_kafka import LANE, Load
from test_kafka_failures import in_order_by_client
from test_replay import lines, now_ms, rrweb, snapshot
from test_stages import all_stored

MINUTE_S = 60


def test_all_engines_stand_still_for_a_minute():
    """PostgreSQL, ClickHouse and S3 first, and half a minute later Kafka, too."""
    if not brokers.installed() or not postgres.installed() or not s3.installed():
        return "one of Kafka, PostgreSQL and SeaweedFS is missing: tools/setup --test"
    with brokers.Kafka() as kafka, postgres.Postgres("fsync=off") as server, clickhouse.ClickHouse() as ch, \
            s3.S3() as objects:
        assert objects.curl("PUT", "/recordings")[0] == 0
        pairs = ("persons.engine=postgres", f"persons.postgres_url={server.url}", "catalog.engine=postgres",
                 f"catalog.postgres_url={server.url}", "log.kafka_append_ms_max=2000", "log.kafka_start_ms_max=90000")
        with Penstock(*kafka.flags(*pairs), *ch.flags(), *test_objects_s3.flags(objects)) as p:
            stand_still(p, kafka, server, ch, objects)


def stand_still(p, kafka, server, ch, objects):
    begin, recordings, stopped = now_ms() - 60_000, 0, []

    def record():
        nonlocal recordings
        status, body, _ = p.post("/s/", [snapshot(f"s-{recordings}", [rrweb(begin, n) for n in range(9)])])
        assert status == 200, (status, body)
        recordings += 1

    def stop(*pids):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)

    def go_on():
        while stopped:
            os.kill(stopped.pop(), signal.SIGCONT)
    record()
    p.eventually(lambda: len(lines(p, "s-0")) == 9)
    client = Load(p)
    try:
        client.wait_for(300)
        before, refused = sdk.resident(p), client.statuses.get(503, 0)
        stop(*server.pids(), ch.process.pid, objects.process.pid)
        still = time.monotonic()
        while time.monotonic() - still < MINUTE_S / 2:
            taken = len(client.acknowledged)
            p.eventually(lambda taken=taken: len(client.acknowledged) > taken + 100)
            time.sleep(1)
        record()
        assert client.statuses.get(503, 0) == refused, "capture waited for an engine that it does not need"
        kafka.freeze()
        p.eventually(lambda: client.statuses.get(503, 0) > refused + 10)
        time.sleep(max(0.0, still + MINUTE_S - time.monotonic()))
        go_on()
        assert p.get("/_liveness")[0] == 200 and p.process.poll() is None
        time.sleep(max(0.0, still + 1.5 * MINUTE_S - time.monotonic()))
        kafka.thaw()
        client.wait_for(300)
        record()
    finally:
        go_on()
        kafka.thaw()
        client.end()
    grown = sdk.resident(p) - before
    assert grown < 150 << 20, f"{grown >> 20} MiB more"
    assert set(client.statuses) == {200, 503}, client.statuses
    total = p.eventually(lambda: all_stored(p, set(client.acknowledged)), 90)
    assert total["quarantined"] == 0, total
    rows = [row[0] for row in p.sql("SELECT toString(uuid) FROM events LIMIT 100000")]
    assert len(rows) == len(set(rows)) == total["stored"] - recordings, (len(rows), total)
    assert set(client.acknowledged) <= set(rows)
    in_order_by_client(kafka, LANE, client)
    for n in range(recordings):
        assert len(lines(p, f"s-{n}")) == 9, n
