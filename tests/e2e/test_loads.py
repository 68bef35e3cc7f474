"""Several processes with the stage load on one ClickHouse server: killed, frozen, removed and added
under load, each event is a row once; what one began another one ends."""
import itertools
import pathlib
import signal
import threading
import time

import brokers
import clickhouse
import test_person_merges
from harness import KEY
from test_kafka import Load
from test_stages import Stages, all_stored

# Overrides as queries see them, and as the table has them.
STALE = """SELECT countIf(joinGet('penstock_overrides', 'person_id', team_id, sipHash64(distinct_id)) != person)
FROM (SELECT team_id, distinct_id, argMax(person_id, version) AS person
      FROM person_distinct_id_overrides GROUP BY team_id, distinct_id)"""


class Merges(threading.Thread):
    """Merges that come into every partition, so that every load has overrides to keep up."""

    def __init__(self, p, key=KEY, prefix=""):
        super().__init__(daemon=True)
        self.key, self.prefix = key, prefix
        self.p, self.ending, self.paused, self.sent = p, False, False, 0
        self.start()

    def run(self):
        for n in itertools.count():
            while self.paused and not self.ending:
                time.sleep(0.05)
            if self.ending:
                return
            a, b, c = (f"{self.prefix}{kind}-{n}" for kind in ("anon", "known", "other"))
            batch = [{"event": "first", "distinct_id": who} for who in (a, b, c)]
            batch += [{"event": "$identify", "distinct_id": b, "properties": {"$anon_distinct_id": a}},
                      {"event": "$create_alias", "distinct_id": c, "properties": {"alias": b}}]
            try:
                if self.p.post("/batch/", {"api_key": self.key, "batch": batch})[0] == 200:
                    self.sent += len(batch)
            except OSError:
                pass
            time.sleep(0.01)  # a slow machine has to store it as well


def events_of(ch):
    """Counted by a client that is not ours: rows, and different events."""
    return tuple(map(int, ch.sql("SELECT count(), uniqExact(uuid) FROM sharded_events").split()))


def rows_of(p):
    for line in p.ask_health("/metrics")[1].splitlines():
        if line.startswith("penstock_load_rows_total "):
            return int(float(line.split()[1]))
    return 0


def stores(p, more=50):
    before = rows_of(p)
    p.eventually(lambda: rows_of(p) >= before + more, 60)


def test_loads_share_partitions_and_whoever_ends_another_one_goes_on():
    if not brokers.installed():
        return brokers.MISSING
    with brokers.Kafka() as kafka, clickhouse.ClickHouse() as ch:
        rows = (*ch.flags(), "--set", "load.rows_per_batch_max=300")
        capture = Stages(kafka, "capture")
        ingest = Stages(kafka, "ingest,replay,admin", *ch.flags())
        loads = [Stages(kafka, "load,definitions,admin", *rows) for _ in range(3)]
        clients = []
        try:
            for p in (capture, ingest, loads[0], loads[1]):
                p.start(90)
            clients = [Load(capture, 2), Merges(capture)]
            for p in loads[:2]:
                stores(p)
            # Killed with a batch under way, of which the server took some: the other one has the same
            # batch to send, from another directory. And again, the other way round.
            for dead, heir in ((0, 1), (1, 0)):
                done = len(ch.faults_done())
                ch.fault("lost", 2, "INSERT INTO sharded_events")
                loads[dead].eventually(lambda: len(ch.faults_done()) > done)
                loads[dead].kill()
                stores(loads[heir], 300)
                loads[dead].start(90)
                stores(loads[dead])
            # A third one comes and gets its share, one is stopped for good, one restarted in order.
            loads[2].start(90)
            stores(loads[2])
            loads[0].stop()
            for p in loads[1:]:
                stores(p, 200)
            loads[1].stop()
            loads[1].start(90)
            stores(loads[1])
            # Frozen for longer than a session: what it had goes to the other, and when it wakes up in the
            # middle of what it was doing, nothing comes twice.
            loads[1].process.send_signal(signal.SIGSTOP)
            stores(loads[2], 400)
            # Also what the frozen one had begun: nothing new comes until the other one has stored all there is.
            for c in clients:
                c.paused = True
            loads[2].eventually(lambda: lag(loads[2]) == 0, 60)
            for c in clients:
                c.paused = False
            loads[1].process.send_signal(signal.SIGCONT)
            stores(loads[1])
            # The server is killed, too.
            ch.kill()
            ch.start()
            for p in loads[1:]:
                stores(p)
            for c in clients:
                c.ending = True
            clients[0].end()
            clients[1].join()
            sent = set(clients[0].acknowledged)
            total = ingest.eventually(lambda: all_stored(ingest, sent), 60)
            assert ingest.eventually(lambda: events_of(ch)[0] >= total["stored"], 30)
            count, different = events_of(ch)
            assert count == different == total["stored"], (count, different, total)
            for p in loads[1:]:
                assert p.eventually(lambda p=p: all_stored(p, sent), 60) == total
            assert int(ch.sql(STALE)) == 0
            assert int(ch.sql("SELECT count() FROM person_distinct_id_overrides")) > 0
            # What is shared does not stand in the way of the daily work: whoever may squashes (after a while
            # of being the one).
            assert loads[1].eventually(lambda: any(squashed(p) for p in loads[1:]), 60)
            assert int(ch.sql(STALE)) == 0
        finally:
            for c in clients:
                c.ending = True
            for p in (capture, ingest, *loads):
                if p.process and p.process.poll() is None:
                    p.process.send_signal(signal.SIGCONT)
                p.close()


def test_a_load_that_was_shut_out_takes_up_work_again():
    """Somebody starts a copy of its data directory: two with one name, of which Kafka shuts the older one out."""
    if not brokers.installed():
        return brokers.MISSING
    with brokers.Kafka() as kafka, clickhouse.ClickHouse() as ch:
        capture = Stages(kafka, "capture")
        ingest = Stages(kafka, "ingest,replay,admin", *ch.flags())
        load, copy = (Stages(kafka, "load,definitions,admin", *ch.flags()) for _ in range(2))
        clients = []
        try:
            for p in (capture, ingest, load):
                p.start(90)
            clients = [Load(capture, 2)]
            stores(load)
            name = pathlib.Path("state/load_member")
            theirs = pathlib.Path(copy.data) / name
            theirs.parent.mkdir(parents=True, exist_ok=True)
            theirs.write_bytes((pathlib.Path(load.data) / name).read_bytes())
            copy.start(90)
            load.eventually(lambda: "a lease is lost for good" in load.output(), 60)
            copy.kill()
            load.eventually(lambda: "asks for partitions to load again" in load.output(), 60)
            stores(load, 200)
            clients[0].ending = True
            clients[0].end()
            sent = set(clients[0].acknowledged)
            total = ingest.eventually(lambda: all_stored(ingest, sent), 60)
            assert ingest.eventually(lambda: events_of(ch)[0] >= total["stored"], 30)
            count, different = events_of(ch)
            assert count == different == total["stored"], (count, different, total)
        finally:
            for c in clients:
                c.ending = True
            for p in (capture, ingest, load, copy):
                if p.process and p.process.poll() is None:
                    p.close()


def is_decided(p, uuid):
    entries = p.api(f"/api/projects/1/trace/{uuid}")[1].get("entries") or [{}]
    return "decided" in {h["name"] for h in entries[0].get("hops", [])}


def test_a_deletion_waits_for_rows_that_another_process_loads():
    """What was decided before it and is no row yet would be one after it otherwise, for good."""
    if not brokers.installed():
        return brokers.MISSING
    with brokers.Kafka() as kafka, clickhouse.ClickHouse() as ch:
        capture = Stages(kafka, "capture")
        ingest = Stages(kafka, "ingest,replay,admin", *ch.flags())
        load = Stages(kafka, "load,definitions,admin", *ch.flags())
        try:
            for p in (capture, ingest, load):
                p.start(90)
            first = [test_person_merges.event("seen", who, 1) for who in ("gone", "stays")]
            assert capture.post("/batch/", {"api_key": KEY, "batch": first})[0] == 200
            ingest.eventually(lambda: events_of(ch)[0] == 2, 60)
            ingest.eventually(lambda: ingest.ledger()["total"]["stored"] == 2, 60)
            load.process.send_signal(signal.SIGSTOP)
            late = [test_person_merges.event("seen", who, n) for n in range(2, 30) for who in ("gone", "stays")]
            assert capture.post("/batch/", {"api_key": KEY, "batch": late})[0] == 200
            ingest.eventually(lambda: all(is_decided(ingest, e["uuid"]) for e in late), 60)
            person = test_person_merges.person_of(ingest, "gone")
            asked = ingest.api(f"/api/projects/1/persons/{person}", method="DELETE")
            ingest.eventually(lambda: waits_for_rows(ingest), 60)
            assert events_of(ch)[0] == 2
            load.process.send_signal(signal.SIGCONT)
            command = test_person_merges.finished(ingest, asked)
            assert command["state"] == "done", command
            assert ch.sql("SELECT DISTINCT distinct_id, count() FROM sharded_events GROUP BY ALL") == "stays\t29\n"
        finally:
            for p in (capture, ingest, load):
                if p.process and p.process.poll() is None:
                    p.process.send_signal(signal.SIGCONT)
                p.close()


def waits_for_rows(p):
    commands = p.api("/api/projects/1/person_commands")[1]["commands"]
    return any(c.get("step") == "waiting until the events on their way are rows" for c in commands)


def lag(p):
    return p.api("/api/status")[1]["load"]["lag_records"]


def squashed(p):
    code, out, err = p.cli("squash", "--now")
    assert code == 0 or "another process" in out + err, (out, err)
    return code == 0
