"""Brokers that fail in other ways than by dying: a full disk, a lost producer id, garbage for answers, answers
that are late, a password that is no longer right; and many requests under way without the brokers' guard."""
import json
import pathlib

import brokers
import kafka_faults
import sdk
from harness import KEY, Penstock, free_port
from slow_link import SlowLink
from small_disk import SmallDisk
from test_kafka import LANE, Load, nothing_is_lost

PATIENT = ("log.kafka_start_ms_max=90000", "log.kafka_append_ms_max=1000")
# Many requests under way without the brokers' guard, in topics of its own.
APART = ("log.kafka_in_flight=100", "log.kafka_topic_prefix=apart-", "log.kafka_group_prefix=apart-")


def test_a_broker_whose_disk_is_full_loses_nothing_and_goes_on_when_there_is_room():
    if not brokers.installed():
        return brokers.MISSING
    with SmallDisk(400) as disk:
        if disk.missing:
            return disk.missing
        with brokers.Kafka(directory=disk.path / "kafka") as kafka, \
                Penstock(*kafka.flags(*PATIENT)) as guarded, \
                Penstock(*kafka.flags(*PATIENT, *APART)) as apart:
            loads = {guarded: Load(guarded), apart: Load(apart)}
            try:
                for load in loads.values():
                    load.wait_for(150)
                disk.fill()
                for p, load in loads.items():
                    p.eventually(lambda load=load: load.statuses.get(503, 0) > 3, 60)
                # Kafka gives up a directory that it cannot write to, and ends when it has no other.
                guarded.eventually(lambda: kafka.process.poll() is not None, 60)
                for p in loads:
                    assert p.process.poll() is None and p.get("/_liveness")[0] == 200
                disk.empty()
                kafka.start()
                for load in loads.values():
                    load.wait_for(150)
            finally:
                for load in loads.values():
                    load.end()
            for p, load in loads.items():
                nothing_is_lost(p, load)
            in_order_by_client(kafka, "apart-" + LANE, loads[apart])


def test_garbage_for_answers_and_a_producer_that_fails_for_good():
    if not brokers.installed():
        return brokers.MISSING
    port = free_port()
    with brokers.Kafka(port) as kafka:
        way = kafka_faults.Garbler(port, kafka.port)
        with Penstock(*kafka.flags(*PATIENT)) as p:
            load = Load(p)
            try:
                load.wait_for(100)
                for how in ("noise", "web", "lies"):
                    refused = load.statuses.get(503, 0)
                    way.how = how
                    p.eventually(lambda: load.statuses.get(503, 0) > refused + 2, 60)
                    way.how = "pass"
                    load.wait_for(100)
                assert way.garbled > 10 and p.process.poll() is None
                # A stranger takes the producer's id: the broker wants no more of who had it.
                for _ in range(2):
                    made_anew = sdk.metric(p, "penstock_log_kafka_recoveries_total")
                    producer, epoch, _ = kafka_faults.last_batch(kafka.log_dirs, LANE)
                    error = kafka_faults.write_as(f"127.0.0.1:{kafka.port}", LANE, 0, producer, epoch + 1, 0,
                                                  [b"{"])
                    assert error == 0, error
                    p.eventually(lambda: sdk.metric(p, "penstock_log_kafka_recoveries_total") > made_anew, 60)
                    load.wait_for(100)
            finally:
                way.how = "pass"
                load.end()
            assert "Kafka's producer failed and is made anew" in p.output()
            nothing_is_lost(p, load)
            assert p.api("/api/status")[1]["quarantine"]["entries"] == 2  # what the stranger wrote
        way.close()


def test_a_broker_that_answers_late_and_one_that_no_longer_knows_the_password():
    if not brokers.installed():
        return brokers.MISSING
    port, password = free_port(), "a-password-of-the-tests"
    with brokers.Kafka(port, password=password) as kafka:
        way = SlowLink(port, kafka.port)
        with Penstock(*kafka.flags(*PATIENT)) as p:
            load = Load(p)
            try:
                load.wait_for(200)
                before = sdk.resident(p)
                # Late, and in time for who waits: all is acknowledged.
                way.delay_s = 0.2
                load.wait_for(200)
                # Later than anybody waits for: refused, and sent again.
                way.delay_s = 3.0
                refused = load.statuses.get(503, 0)
                p.eventually(lambda: load.statuses.get(503, 0) > refused + 3, 60)
                way.delay_s = 0.0
                load.wait_for(200)
                # Another password: none of the old sessions stays, and no new one is let in.
                kafka.stop()
                kafka.know("another-password")
                kafka.start()
                p.eventually(lambda: "brokers refuse this process" in p.output(), 60)
                refused = load.statuses.get(503, 0)
                p.eventually(lambda: load.statuses.get(503, 0) > refused + 3, 60)
                assert p.process.poll() is None and p.get("/_liveness")[0] == 200
                kafka.stop()
                kafka.know(password)
                kafka.start()
                load.wait_for(200)
                grown = sdk.resident(p) - before
                assert grown < 150 << 20, f"{grown >> 20} MiB more"
            finally:
                way.delay_s = 0.0
                load.end()
            assert password not in p.output()
            nothing_is_lost(p, load)
        way.close()


def in_order_by_client(kafka, topic, load):
    """As they were sent, whoever was acknowledged: of an event that is there twice the first counts. Who
    sends more than others may be asked into the overflow lane; what lies there has its own order."""
    seen, last = set(), {}
    for m in kafka.messages(topic):
        body = json.loads(m["value"])
        if body["uuid"] in seen or body["event"] != "e":  # told twice, or Penstock's own
            continue
        seen.add(body["uuid"])
        n = json.loads(body["data"])["properties"]["n"]
        assert n > last.get(body["distinct_id"], -1), (body["distinct_id"], n, last)
        last[body["distinct_id"]] = n
    missing = set(load.acknowledged) - seen
    if missing:
        missing -= {json.loads(m["value"])["uuid"] for m in kafka.messages(topic + "_overflow")}
    assert len(last) == 12 and not missing, (sorted(last), len(missing))


def test_fsck_counts_the_ledger_anew_from_kafka_and_the_doctor_names_groups():
    if not brokers.installed():
        return brokers.MISSING
    with brokers.Kafka() as kafka:
        p = Penstock()
        pathlib.Path(p.data, "penstock.toml").write_text(
            f'[log]\nengine = "kafka"\nkafka_brokers = "{kafka.address}"\nkafka_start_ms_max = 90000\n'
            "partitions = 3\n")
        try:
            p.start(90)
            batch = [{"event": "e", "distinct_id": f"d{n % 9}"} for n in range(200)]
            assert p.post("/batch/", {"api_key": KEY, "batch": batch})[0] == 200
            p.eventually(lambda: p.ledger()["total"]["stored"] == 200, 60)
            said = p.eventually(lambda: "ok" in (out := p.cli("doctor")[1]) and "Kafka: groups are" in out and out)
            assert "BAD" not in said, said
            # A group is there once it has moved.
            p.eventually(lambda: {"ingest", "load"} <= {g["group"] for g in p.api("/api/status")[1]["log"]["groups"]})
            p.stop()
            code, out, _ = p.cli("fsck")
            assert code == 0 and "equals the log on Kafka, counted anew: 200 received" in out, out
            assert "not looked at here" in out, out
            kafka.kill()
            pathlib.Path(p.data, "penstock.toml").write_text(
                pathlib.Path(p.data, "penstock.toml").read_text().replace("90000", "1000"))
            code, out, _ = p.cli("fsck")
            assert code == 1 and "could not be counted" in out, out
        finally:
            p.close()
