"""Persons on PostgreSQL: through a kill of the binary and a restart of the server they become what
they become in the data directory."""
import json
import os
import random
import signal
import time
import uuid

from harness import KEY, PATIENCE, Penstock
import postgres

IDS = 40


def history(seed):
    """Batches of events: visitors, logins, merges, properties that change and go."""
    r, out = random.Random(seed), []

    def event(name, distinct_id, **properties):
        return {"event": name, "distinct_id": distinct_id, "properties": properties,
                "uuid": str(uuid.UUID(int=r.getrandbits(128), version=4)),
                "timestamp": "2026-01-02T03:04:05Z"}
    for step in range(60):
        batch = []
        for _ in range(20):
            visitor, user = f"visitor-{r.randrange(IDS)}", f"user-{r.randrange(IDS)}"
            kind = r.randrange(10)
            if kind < 5:
                batch.append(event("$pageview", r.choice((visitor, user)), **{
                    "$current_url": f"https://example.com/{r.randrange(9)}", "$browser": "Firefox"}))
            elif kind < 7:
                batch.append(event("changed", user, **{"$set": {
                    "plan": r.choice(("free", "team")), "n": r.randrange(1000), "s": "caf\u00e9 \0 x",
                    "list": [1, {"a": None}]}, "$set_once": {"first": step}}))
            elif kind < 8:
                batch.append(event("changed", user, **{"$unset": ["plan"]}))
            else:
                batch.append(event("$identify", user, **{"$anon_distinct_id": visitor, "$set": {
                    "email": f"{user}@example.com"}}))
        out.append(batch)
    return out


def send(p, batch):
    """Until it is acknowledged, as an SDK would; its uuids make repeats harmless."""
    deadline = time.monotonic() + 60 * PATIENCE
    while time.monotonic() < deadline:
        try:
            if p.post("/batch/", {"api_key": KEY, "batch": batch})[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("not acknowledged")


def persons_of_rows(p):
    """Who every distinct id belongs to and what its person is, as the last rows say."""
    names = [f"{kind}-{i}" for kind in ("visitor", "user") for i in range(IDS)]
    probes = [{"event": "probe", "distinct_id": name, "uuid": str(uuid.uuid4())} for name in names]
    send(p, probes)
    rows = p.eventually(lambda: (lambda found: found if len(found) == len(names) else None)(
        p.sql("SELECT distinct_id, toString(person_id), person_properties, toString("
              "person_created_at) FROM events WHERE event = 'probe'")), 120)
    out = {name: (person, json.loads(properties), created)
           for name, person, properties, created in rows}
    for _, properties, _ in out.values():
        # Which event was first is the same; that jsonb knows no NUL is the one difference.
        for key, value in properties.items():
            if isinstance(value, str):
                properties[key] = value.replace("\0", "\ufffd")
    return out


def test_persons_on_postgres_equal_embedded_ones_through_kills():
    if not postgres.installed():
        return postgres.MISSING
    batches = history(7)
    # One partition: the order of all events is the same in both.
    with Penstock("--set", "log.partitions=1") as p:
        for batch in batches:
            send(p, batch)
        embedded = persons_of_rows(p)
    with postgres.Postgres("fsync=off") as server:
        flags = ("--set", "log.partitions=1", "--set", "persons.engine=postgres",
                 "--set", f"persons.postgres_url={server.url}", "--set", "persons.retry_ms=50")
        with Penstock(*flags) as p:
            for i, batch in enumerate(batches):
                send(p, batch)
                if i == 20:
                    p.stop(signal.SIGKILL)
                    p.start()
                if i == 40:
                    server.stop()
                if i == 45:
                    # Without its database it takes events, and answers who asks.
                    assert p.get("/_readiness")[0] == 200
                    assert p.api("/api/me")[0] == 200
                    p.stop(signal.SIGKILL)
                    p.start()
                if i == 50:
                    server.start()
            on_postgres = persons_of_rows(p)
            stored = {name: (person, json.loads(properties)) for name, person, properties in server.sql(
                "SELECT d.distinct_id, p.uuid, p.properties FROM posthog_persondistinctid d JOIN "
                "posthog_person p ON p.id = d.person_id AND p.team_id = d.team_id")}
            p.eventually(lambda: int(p.ledger()["total"]["in_flight"]) == 0)
    assert on_postgres.keys() == embedded.keys()
    for name, expected in embedded.items():
        assert on_postgres[name] == expected, (name, on_postgres[name], expected)
        assert stored[name] == expected[:2], (name, stored[name], expected)


def test_a_frozen_postgres_blocks_neither_capture_nor_people():
    if not postgres.installed():
        return postgres.MISSING
    with postgres.Postgres("fsync=off") as server:
        flags = ("--set", "persons.engine=postgres", "--set", f"persons.postgres_url={server.url}",
                 "--set", "persons.statement_ms=2000", "--set", "persons.connect_ms=1000")
        with Penstock(*flags) as p:
            event = {"event": "e", "distinct_id": "d"}
            send(p, [{**event, "uuid": str(uuid.uuid4())}])
            p.eventually(lambda: int(p.sql("SELECT count() FROM events")[0][0]) == 1)
            pids = server.pids()
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            try:
                slowest, end = 0.0, time.monotonic() + 6
                while time.monotonic() < end:
                    begun = time.monotonic()
                    send(p, [{**event, "uuid": str(uuid.uuid4())}])
                    assert p.api("/api/projects/1/ledger?step=total")[0] == 200
                    assert int(p.sql("SELECT 1")[0][0]) == 1
                    slowest = max(slowest, time.monotonic() - begun)
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
            assert slowest < 2, slowest
            p.eventually(lambda: int(p.ledger()["total"]["in_flight"]) == 0, 60)
