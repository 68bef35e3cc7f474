"""penstock move of the log: to a real Kafka broker and back, while events come, through kills."""
import json
import os
import pathlib
import subprocess
import time
import uuid

import brokers
from brokers import Kafka
from clickhouse import PASSWORD, ClickHouse
from harness import BIN, KEY, Penstock
import postgres
import sdk
from test_move import Sender, all_kinds, catalog_of, configure, killed_in_the_middle, move
from test_persons_postgres import send

TO, BACK = ("--from", "embedded", "--to", "kafka"), ("--from", "kafka", "--to", "embedded")


def start_held(p):
    """As the supervisor would start it again; it takes events and has no admin API."""
    log = open(p.log, "ab")
    p.process = subprocess.Popen(
        [BIN, "up", "--data", p.data, "--listen", p.capture[7:], "--admin", p.admin[7:], "--project-key", KEY,
         *p.flags], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    p.asked = False

    def ready():
        try:
            return p.get("/_readiness")[0] == 200
        except OSError:
            return False
    p.eventually(ready)


def stories(p, uuids):
    """What trace says of some events, and whether it still has their bytes."""
    def story(one):
        entries = p.api(f"/api/projects/1/trace/{one}")[1]["entries"]
        if not entries or entries[0]["state"] != "stored":
            return None
        first = entries[0]
        steps = [(s["name"], s.get("in_log"), s.get("size_bytes")) for s in first["steps"]
                 if s["name"] in ("received", "decided", "stored")]
        return [first[k] for k in ("lane", "partition", "offset", "event", "distinct_id")], steps
    return {one: p.eventually(lambda: story(one)) for one in uuids}


def stored_once(p, uuids):
    rows, found = map(int, p.sql("SELECT count(), uniqExact(uuid) FROM events WHERE event = 'steady'")[0])
    assert rows == found == len(uuids) == len(set(uuids)), (rows, found, len(uuids))
    there = {row[0] for row in p.sql("SELECT toString(uuid) FROM events WHERE event = 'steady' LIMIT 100000")}
    assert there == set(uuids), len(there ^ set(uuids))


def sent_again(p, uuids):
    """Events that were taken before come again, as from an SDK that never got its answer."""
    before, again = p.ledger()["total"], [*range(20), *range(len(uuids) - 20, len(uuids))]
    send(p, [{"event": "steady", "distinct_id": f"d'{i % 37}", "uuid": uuids[i],
              "properties": {"$set": {"steady": i}}} for i in again])
    total = sdk.balanced(p)
    assert int(total["deduplicated"]) == int(before["deduplicated"]) + len(again), (before, total)


def test_online_the_log_goes_to_kafka_and_back_under_load_through_kills():
    if not brokers.installed():
        return brokers.MISSING
    with Kafka() as kafka, Penstock("--set", "log.partitions=3") as p:
        configure(p, log={"kafka_brokers": kafka.address, "partitions": 3})
        send(p, all_kinds(100))
        sdk.balanced(p)
        pid = p.process.pid
        sender = Sender(p)
        sender.start()
        try:
            p.eventually(lambda: len(sender.sent) > 50)
            old = sender.sent[:20]
            told = stories(p, old[:3])
            assert all(told.values()), told
            # The command is killed in the middle, then what is held, too.
            killed_in_the_middle(p, *TO, "--online", part="log", pace=40_000, piece=8192)
            taken = len(sender.sent)
            p.eventually(lambda: len(sender.sent) > taken + 20)
            p.eventually(lambda: "held for a move" in p.output())
            p.kill()
            start_held(p)
            pid, killed = p.process.pid, len(sender.refused)
            taken = len(sender.sent)
            p.eventually(lambda: len(sender.sent) > taken + 20)
            sender.refused = sender.refused[killed:]  # that was no move's doing
            code, out, err = move(p, *TO, "--online")
            assert code == 0 and "the switch took" in out, (out, err, p.output()[-3000:])
            taken = len(sender.sent)
            p.eventually(lambda: len(sender.sent) > taken + 50)
        finally:
            sender.ended.set()
            sender.join()
        assert p.process.poll() is None and p.process.pid == pid
        assert 'engine = "kafka"' in pathlib.Path(p.data, "penstock.toml").read_text()
        sdk.balanced(p)
        stored_once(p, sender.sent)
        assert stories(p, old[:3]) == told
        sent_again(p, sender.sent)
        stored_once(p, sender.sent)
        # Another client finds what was copied and what came since.
        seen = {dict(m["headers"])["uuid"] for m in kafka.messages("events_plugin_ingestion")}
        assert set(sender.sent) <= seen, len(set(sender.sent) - seen)
        # It is Kafka's own now: a restart, then back.
        begun = time.monotonic()
        p.stop()
        p.start()
        # Five seconds; on a machine that has no time for a restart either, as long as two of them.
        bound = max(5, 2 * (time.monotonic() - begun))
        assert sender.longest_refusal() < bound, (sender.longest_refusal(), bound)
        more = Sender(p)
        more.sent = list(sender.sent)
        more.start()
        try:
            killed_in_the_middle(p, *BACK, "--online", part="log", pace=40_000, piece=8192)
            taken = len(more.sent)
            p.eventually(lambda: len(more.sent) > taken + 20)
            code, out, err = move(p, *BACK, "--online")
            assert code == 0 and "the switch took" in out, (out, err, p.output()[-3000:])
            taken = len(more.sent)
            p.eventually(lambda: len(more.sent) > taken + 50)
        finally:
            more.ended.set()
            more.join()
        assert more.longest_refusal() < bound, (more.longest_refusal(), bound)
        kafka.kill()
        sdk.balanced(p)
        stored_once(p, more.sent)
        assert stories(p, old[:3]) == told
        sent_again(p, more.sent)
        p.stop()
        p.start()
        sdk.balanced(p)
        stored_once(p, more.sent)


def moved_online(p, *words):
    """What the command says at its end, in JSON."""
    code, out, err = move(p, *words, "--online", "--json")
    assert code == 0, (out, err, p.output()[-3000:])
    return json.loads(out.splitlines()[-1])


def test_online_everything_goes_to_kafka_a_cluster_and_postgres_in_one_go_and_back():
    if not brokers.installed() or not postgres.installed():
        return brokers.MISSING
    there = "kafka,clickhouse,postgres"
    out_words, back_words = ("--from", "embedded", "--to", there), ("--from", there, "--to", "embedded")
    with Kafka() as kafka, postgres.Postgres("fsync=off") as server, ClickHouse("main") as ch, Penstock() as p:
        configure(p, log={"kafka_brokers": kafka.address}, persons={"postgres_url": server.url},
                  catalog={"postgres_url": server.url},
                  store={"clickhouse_urls": ch.urls[0], "clickhouse_password": PASSWORD, "clickhouse_cluster": "main"})
        send(p, all_kinds(25))
        sdk.balanced(p)
        catalog, pid, refused = catalog_of(p), p.process.pid, []
        for words, engines in ((out_words, ["clickhouse", "kafka", "postgres", "postgres"]),
                               (back_words, ["embedded", "embedded", "embedded", "sqlite"])):
            sender = Sender(p)
            if words == back_words:
                sender.sent = list(sent)
            sender.start()
            try:
                if words == out_words:
                    killed_in_the_middle(p, *words, "--online", part="rows", pace=40_000)
                    sender.refused.clear()  # that it was held
                said = moved_online(p, *words)
                assert sorted(said["config"].values()) == engines, said
                taken = len(sender.sent)
                p.eventually(lambda: len(sender.sent) > taken + 20)
            finally:
                sender.ended.set()
                sender.join()
            sent = sender.sent
            refused.append(said["refused_ms"])
            # What the command says of it is no less than what the client met (with time to note it).
            assert 0 < said["refused_ms"] and sender.longest_refusal() * 1000 <= said["refused_ms"] + 2000, (
                said, sender.longest_refusal())
            assert p.process.poll() is None and p.process.pid == pid
            sdk.balanced(p)
            stored_once(p, sent)
            assert catalog_of(p) == catalog
            if words == out_words:
                rows = ch.sql("SELECT uniqExact(uuid) FROM writable_events WHERE event = 'steady'")
                assert int(rows) == len(sent), (rows, len(sent))
                assert server.sql("SELECT 1 FROM posthog_person LIMIT 1")
                for aside in ("state/persons", "catalog.db", "store"):
                    os.rename(os.path.join(p.data, aside), os.path.join(p.data, aside + ".before"))
        sent_again(p, sent)
        stored_once(p, sent)
        # Five seconds; on a machine that has no time for a restart either, as long as four of them: the switch is
        # one, with what came last to the log and the first words with four engines.
        begun = time.monotonic()
        p.stop()
        p.start()
        bound = max(5000, 4000 * (time.monotonic() - begun))
        print(f"refused for {refused} ms; the bound is {bound:.0f} ms")
        assert max(refused) < bound, (refused, bound)


def test_the_log_of_a_stopped_penstock_moves_and_what_is_no_copy_of_it_is_refused():
    if not brokers.installed():
        return brokers.MISSING
    with Kafka() as kafka, Penstock("--set", "log.partitions=2") as p:
        configure(p, log={"partitions": 2})
        events = all_kinds(150)
        send(p, events)
        total = sdk.balanced(p)
        one = events[-2]["uuid"]  # no heatmap is split off
        told = stories(p, [one])
        p.stop()
        code, out, err = move(p, *TO)
        assert code == 1 and "log.kafka_brokers is not set" in err, (out, err)
        configure(p, log={"partitions": 2, "kafka_brokers": kafka.address})
        code, out, err = move(p, *TO, "--check")
        assert code == 0, (out, err)
        killed_in_the_middle(p, *TO, part="log", pace=20_000, piece=4096)
        code, out, err = move(p, *TO, "--write-config")
        assert code == 0 and "Going on" in out and "copied and compared" in out, (out, err)
        code, out, err = move(p, *TO)
        assert code == 1 and "already" in err, (out, err)
        p.start()
        assert p.ledger()["total"] == total
        assert stories(p, [one]) == told
        send(p, [{"event": "on Kafka", "distinct_id": "d", "uuid": str(uuid.uuid4())}, events[-2]])
        after = sdk.balanced(p)
        assert int(after["deduplicated"]) == int(total["deduplicated"]) + 1, after
        # Somebody else's events do not get between them.
        with Penstock("--set", "log.partitions=2") as q:
            send(q, all_kinds(5))
            sdk.balanced(q)
            q.stop()
            configure(q, log={"partitions": 2, "kafka_brokers": kafka.address})
            code, out, err = move(q, *TO)
            assert code == 1 and "not a copy of it" in err, (out, err)
            configure(q, log={"partitions": 3, "kafka_brokers": kafka.address})
            code, out, err = move(q, "--forget")
            assert code == 0, (out, err)
            code, out, err = move(q, *TO)
            assert code == 1 and "partitions" in err, (out, err)
        p.stop()
        os.rename(os.path.join(p.data, "log"), os.path.join(p.data, "log.before"))
        code, out, err = move(p, *BACK, "--write-config")
        assert code == 0, (out, err)
        kafka.kill()
        p.start()
        assert p.ledger()["total"] == after
        assert stories(p, [one])[one] == told[one]
        send(p, [events[-2], events[-1], {"event": "back", "distinct_id": "d", "uuid": str(uuid.uuid4())}])
        last = sdk.balanced(p)
        assert int(last["deduplicated"]) == int(after["deduplicated"]) + 2, last
