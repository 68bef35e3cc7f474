"""Rows on a ClickHouse server: an SDK's events by SQL, and every way in which the server can fail."""
import os
import pathlib
import signal
import subprocess
import time
import uuid

import sdk
from clickhouse import PASSWORD, ClickHouse
from harness import BIN, KEY, PATIENCE, Penstock
from small_disk import SmallDisk


def events(n, first=0):
    return [{"event": "e", "distinct_id": f"d{i % 50}", "uuid": str(uuid.uuid4()),
             "properties": {"n": first + i, "text": "x" * 200}} for i in range(n)]


def capture(p, batch):
    status, body, _ = p.post("/batch/", {"api_key": KEY, "batch": batch})
    assert status == 200, (status, body)


def once(ch, n):
    """All of them, each once: as another client of the server counts."""
    rows, uuids = map(int, ch.sql("SELECT count(), uniqExact(uuid) FROM sharded_events").split())
    assert rows == uuids, f"{rows} rows of {uuids} events"
    return rows == n


def test_an_sdks_events_become_rows_of_the_server():
    with ClickHouse() as ch, Penstock(*ch.flags()) as p:
        sent = [sdk.make_event(n, properties=sdk.odd_properties("python")) for n in range(60)]
        version = sdk.send("python", sdk.make_plan(p, KEY, sent))
        rows = sdk.rows_by_uuid(p, len(sent))
        for event in sent:
            sdk.compare(event, rows[event["uuid"]], "posthog-python", version)
        sdk.balanced(p, len(sent))
        assert once(ch, len(sent))
        assert not list(pathlib.Path(p.data).glob("store/*")), "the embedded engine was used"
        health = p.api("/api/status")[1]["store"]
        assert health["ready"] and "server" in health["engine"], health
        # A merge shows at once, and after the squash too.
        capture(p, [{"event": "$identify", "distinct_id": "known", "properties": {"$anon_distinct_id": "user-1"}}])
        persons = "SELECT uniqExact(person_id) FROM events WHERE distinct_id IN ('known', 'user-1')"
        p.eventually(lambda: int(p.sql("SELECT count() FROM events WHERE distinct_id = 'known'")[0][0]) == 1
                     and int(p.sql(persons)[0][0]) == 1)
        code, out, err = p.cli("squash", "--now")
        assert code == 0, (out, err)
        assert int(p.sql(persons)[0][0]) == 1
        assert PASSWORD not in p.output() and PASSWORD not in str(p.api("/api/config"))


def test_killed_in_the_middle_of_inserts_every_event_is_stored_once():
    with ClickHouse() as ch, Penstock(*ch.flags(), "--set", "load.rows_per_batch_max=400") as p:
        sent = 0
        for i in range(5):
            capture(p, events(2000, sent))
            sent += 2000
            time.sleep(0.05 + 0.07 * i)
            ch.kill()
            ch.start()
        p.eventually(lambda: once(ch, sent))
        sdk.balanced(p, sent)
        # Penstock killed as well: the same batch again, under the same id.
        capture(p, events(2000, sent))
        sent += 2000
        time.sleep(0.1)
        p.kill()
        p.start()
        p.eventually(lambda: once(ch, sent))
        sdk.balanced(p, sent)


def test_whatever_the_server_answers_capture_goes_on_and_nothing_is_lost_or_doubled():
    with ClickHouse() as ch, Penstock(*ch.flags(clickhouse_insert_ms=3000), "--set",
                                      "load.rows_per_batch_max=300") as p:
        capture(p, events(300))
        p.eventually(lambda: once(ch, 300))
        sent = 300
        for kind in ("code:252", "garbage", "half", "lost", "page", "slow:4", "code:516"):
            ch.fault(kind, 2, "INSERT INTO sharded_events")
            capture(p, events(300, sent))
            sent += 300
            p.eventually(lambda k=kind: ch.faults_done().count(k) == 2 and once(ch, sent))
        # Nobody there, for longer than a batch's patience: acknowledged, and memory stays what it is.
        before = sdk.resident(p)
        ch.send(signal.SIGSTOP)
        began = time.monotonic()
        for _ in range(20):
            capture(p, events(1000, sent))
            sent += 1000
        assert time.monotonic() - began < 20 * PATIENCE, "capture waited for the store"
        p.eventually(lambda: not p.api("/api/status")[1]["store"]["ready"])
        code, out, err = p.cli("doctor")
        assert code == 1 and "store" in (out + err), (code, out, err)
        assert p.ledger()["total"]["in_flight"] > 0
        grown = sdk.resident(p) - before
        assert grown < 150 << 20, f"{grown >> 20} MiB more"
        ch.send(signal.SIGCONT)
        p.eventually(lambda: once(ch, sent))
        sdk.balanced(p, sent)


def test_a_server_whose_disk_is_full_goes_on_when_there_is_room():
    with SmallDisk(700) as disk:
        if disk.missing:
            return disk.missing
        with ClickHouse(place=disk.path) as ch, Penstock(*ch.flags(), "--set", "load.rows_per_batch_max=300") as p:
            capture(p, events(300))
            p.eventually(lambda: once(ch, 300))
            before, sent = sdk.resident(p), 300
            disk.fill()
            retries = sdk.metric(p, "penstock_load_retries_total")

            def refused():
                """Rows that cannot be made small, until there is no room for them."""
                nonlocal sent
                batch = events(300, sent)
                for e in batch:
                    e["properties"]["text"] = os.urandom(1000).hex()
                capture(p, batch)
                sent += 300
                return sdk.metric(p, "penstock_load_retries_total") > retries
            p.eventually(refused)
            assert "NOT_ENOUGH_SPACE" in p.output() or "No space left" in p.output(), p.output()[-2000:]
            assert p.ledger()["total"]["in_flight"] > 0
            disk.empty()
            p.eventually(lambda: once(ch, sent))
            sdk.balanced(p, sent)
            grown = sdk.resident(p) - before
            assert grown < 150 << 20, f"{grown >> 20} MiB more"


def test_penstock_begins_without_its_server_and_goes_on_to_the_next():
    with ClickHouse() as ch:
        ch.kill()
        # Nothing listens on the first.
        with Penstock(*ch.flags(clickhouse_urls=f"http://127.0.0.1:9,{ch.urls[1]}")) as p:
            capture(p, events(100))
            assert p.ledger()["total"]["received"] == 100
            ch.start()
            p.eventually(lambda: once(ch, 100))
            sdk.balanced(p, 100)


def test_wrong_settings_are_refused_and_the_ddl_is_printed():
    def run(*words):
        return subprocess.run([BIN, *words], capture_output=True, text=True, timeout=30)
    done = run("up", "--data", "/tmp/penstock-never", "--project-key", KEY, "--set", "store.engine=clickhouse")
    assert done.returncode == 1 and "no URL" in done.stderr, done.stderr
    done = run("store", "ddl", "--data", "/tmp/penstock-never", "--cluster", "main", "--kafka", "k1:9092,k2:9092")
    assert done.returncode == 0, done.stderr
    for part in ("ON CLUSTER 'main'", "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/default.sharded_events'",
                 "Distributed('main', 'default', 'sharded_events', sipHash64(distinct_id))",
                 "Kafka('k1:9092,k2:9092', 'clickhouse_events_json', 'group1', 'JSONEachRow')",
                 "events_json_mv"):
        assert part in done.stdout, part
    assert run("store", "ddl", "--data", "/tmp/penstock-never", "--cluster", "it's").returncode == 1
