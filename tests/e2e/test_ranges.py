"""Nothing in the installation looks at all slices of the projects but captures: rows, definitions, ledgers and
publishing are processes' of a range, which share it, take it over from each other, and wait for other ranges where
something is about all of them."""
import signal

import brokers
import clickhouse
import postgres
from test_loads import Merges, events_of, lag, stores
from test_slices import (SLICE_LANES, Clients, Stages, at_rest, check_project, projects_of, settings, shared_by,
                         slice_of, tokens)

# Rows whose person is not the one that their distinct id has by now.
STRAYS = """SELECT count() FROM sharded_events AS e INNER JOIN (
    SELECT team_id, distinct_id, argMax(person_id, version) AS person
    FROM person_distinct_id2 GROUP BY team_id, distinct_id) AS now
ON e.team_id = now.team_id AND e.distinct_id = now.distinct_id WHERE e.person_id != now.person"""
NEAR, FAR = "0-1", "2-3"


def of(slices):
    return "--set", f"process.slices={slices}"


def knows_nothing_of(p, project, slice_number):
    """It says so, in place of an empty answer, and where to ask."""
    for path in ("ledger", "tail", "messages", "trace/x", "quarantine", "person_commands", "definitions/events"):
        status, answer = p.api(f"/api/projects/{project}/{path}")
        assert status == 409, (path, status, answer)
        assert f"is of slice {slice_number}, and this process looks at the slices" in answer["error"]["message"], answer
    # What all of them share is answered by each: rows, persons.
    assert p.sql("SELECT count() FROM events", project)[0][0] is not None
    assert p.api(f"/api/projects/{project}/persons")[0] == 200


def squash(p):
    return p.api("/api/squash")[1]


def test_rows_definitions_and_ledgers_by_ranges_that_share_take_over_and_wait_for_each_other():
    if not brokers.installed() or not postgres.installed():
        return brokers.MISSING if not brokers.installed() else postgres.MISSING
    keys = tokens(1)
    with brokers.Kafka() as kafka, postgres.Postgres("fsync=off") as pg, clickhouse.ClickHouse() as ch:
        shared = settings(pg, *SLICE_LANES, "--set", "load.rows_per_batch_max=300", *ch.flags())
        capture = Stages(kafka, "capture", *shared)
        near, far = (Stages(kafka, "ingest,replay,admin", *shared, *of(s)) for s in (NEAR, FAR))
        loads = [Stages(kafka, "load,definitions,admin", *shared, *of(s)) for s in (NEAR, NEAR, FAR)]
        a, b, c = loads
        wider = Stages(kafka, "load,definitions,admin", *shared, *of("0-3"))
        everyone, clients, merges = (capture, near, far, *loads, wider), None, {}
        try:
            a.start(90)
            ids = projects_of(a, keys)
            for p in (capture, near, far, b, c):
                p.start(90)
            shared_by([near, far])
            clients = Clients([capture], keys)
            merges = {key: Merges(capture, key, "m-") for key in keys if slice_of(key) % 2 == 0}
            for p in loads:
                stores(p)
            # Killed with a batch under way, of which the server took some: who shares its range ends it.
            done = len(ch.faults_done())
            ch.fault("lost", 2, "INSERT INTO sharded_events")
            a.eventually(lambda: len(ch.faults_done()) > done)
            a.kill()
            stores(b, 200)
            a.start(90)
            stores(a)
            # A range that is away is nothing to the other, and goes on where it was.
            c.kill()
            for p in (a, b):
                stores(p, 100)
            c.start(90)
            stores(c, 100)
            by_slice = {slice_of(key): ids[key] for key in keys}
            for p in (a, b, near):
                knows_nothing_of(p, by_slice[2], 2)
            for p in (c, far):
                knows_nothing_of(p, by_slice[0], 0)
            # Overrides are written into rows when every range has stored what it had: one whose load stands
            # still holds the squash up, and all of its rows are right in the end.
            c.process.send_signal(signal.SIGSTOP)
            clients.wait_for(200)
            first = a.eventually(lambda: next((p for p in (a, b) if leads(p)), None), 90)
            first.eventually(lambda: squash(first)["phase"] == "waiting for rows", 60)
            clients.wait_for(100)
            assert squash(first)["phase"] == "waiting for rows", squash(first)
            c.process.send_signal(signal.SIGCONT)
            first.eventually(lambda: squash(first)["phase"] == "idle", 90)
            assert not squash(first)["last_error"] and squash(first)["rows_rewritten"] > 0, squash(first)
            clients.end()
            for m in merges.values():
                m.ending = True
                m.join()
            sent = {key: len(clients.acknowledged[key]) + (merges[key].sent if key in merges else 0) for key in keys}
            stored = settled(loads, (near, far), ids, sent)
            once_more(first)
            assert int(ch.sql(STRAYS)) == 0, "a row was left with the person of before"
            count, different = events_of(ch)
            assert count == different == stored, (count, different, stored)
            for key in keys:
                mine = (a, b) if slice_of(key) < 2 else (c,)
                check_project(mine[0], pg, ids[key], clients, key)
                for p in mine:
                    p.eventually(lambda p=p, key=key: events_defined(p, ids[key]) == names_sent(key in merges))
            # Other ranges from here on: everything goes on, nothing comes twice.
            for p in loads:
                p.stop()
            clients = Clients([capture], keys)
            clients.wait_for(100)
            wider.start(90)
            stores(wider)
            clients.end()
            sent = clients.count() + stored
            wider.eventually(lambda: events_of(ch) == (sent, sent), 60)
            whole = wider.eventually(lambda: at_rest(wider, sorted(ids.values()), sent), 60)
            assert whole["stored"] == sent and lag(wider) == 0, whole
        finally:
            for c in (clients, *merges.values()):
                if c:
                    c.ending = c.given_up = True
            for p in everyone:
                if p.process and p.process.poll() is None:
                    p.process.send_signal(signal.SIGCONT)
                p.close()


def events_defined(p, project):
    return {e["name"] for e in p.api(f"/api/projects/{project}/definitions/events")[1]["results"]}


def leads(p):
    """It squashes, as of now; the other one says who does."""
    p.api("/api/squash", {})
    p.eventually(lambda: squash(p)["attempts"] > 0)
    return squash(p)["running"]


def once_more(p):
    before = squash(p)["attempts"]
    p.api("/api/squash", {})
    p.eventually(lambda: squash(p)["attempts"] > before and squash(p)["phase"] == "idle", 60)
    assert not squash(p)["last_error"], squash(p)


def names_sent(with_merges):
    return {"$identify", "after", "before", "seen"} | ({"first", "$create_alias"} if with_merges else set())


def settled(loads, ingests, ids, sent):
    """Each range has its projects' events and nothing else, and together that is all."""
    stored = 0
    for slices, processes in (((0, 1), (*loads[:2], ingests[0])), ((2, 3), (loads[2], ingests[1]))):
        mine = sorted(ids[key] for key in ids if slice_of(key) in slices)
        want = sum(n for key, n in sent.items() if slice_of(key) in slices)
        totals = [p.eventually(lambda p=p: at_rest(p, mine, want), 90) for p in processes]
        assert all(t == totals[0] for t in totals), totals
        assert totals[0]["quarantined"] == 0, totals
        stored += totals[0]["stored"]
    return stored
