"""The catalog in PostgreSQL: two Penstocks share it, and neither stops when the server is away."""
import os
import signal
import time
import uuid

from harness import KEY, PATIENCE, Penstock
import postgres
import sdk

OTHER_KEY = "phc_other000000000000000000000000000000000000000"


def flags(server):
    return [word for pair in ("catalog.engine=postgres", f"catalog.postgres_url={server.url}",
                              "catalog.connect_ms=500", "catalog.statement_ms=500", "catalog.look_ms=100")
            for word in ("--set", pair)]


def send(p, n, key=KEY):
    batch = [{"event": "e", "distinct_id": "u", "uuid": str(uuid.uuid4())} for _ in range(n)]
    status, body, _ = p.post("/batch/", {"api_key": key, "batch": batch})
    assert status == 200, (status, body)


def projects(p):
    status, answer = p.api("/api/projects")
    assert status == 200, (status, answer)
    return {one["name"]: one["id"] for one in answer["projects"]}


def test_two_penstocks_share_a_catalog_that_may_go_away():
    if not postgres.installed():
        return postgres.MISSING
    with postgres.Postgres("fsync=off") as server, Penstock(*flags(server)) as a:
        with Penstock(*flags(server)) as b:
            assert not os.path.exists(os.path.join(a.data, "catalog.db"))
            # Both were given the same project's key: it is one project. Each command line has a key of its own.
            assert list(projects(a).values()) == list(projects(b).values()) == [1]
            status, made = a.api("/api/projects", {"name": "Shop", "token": OTHER_KEY})
            assert status in (200, 201), (status, made)
            b.eventually(lambda: "Shop" in projects(b))
            send(b, 10, OTHER_KEY)
            b.eventually(lambda: b.ledger(projects(b)["Shop"])["total"].get("stored") == 10)
            # Standing still, then killed: events are decided, and who was known may look.
            for pid in server.pids():
                os.kill(pid, signal.SIGSTOP)
            began = time.monotonic()
            send(b, 20)
            sdk.balanced(b)
            assert b.ledger()["total"]["stored"] == 20
            assert time.monotonic() - began < 20 * PATIENCE
            status, answer = b.api("/api/projects", {"name": "Lost"})
            assert status in (408, 503), (status, answer)
            for pid in server.pids():
                os.kill(pid, signal.SIGCONT)
            b.eventually(lambda: b.api("/api/projects", {"name": "Found"})[0] in (200, 201))
            server.stop()
            send(a, 5)
            sdk.balanced(a)
            a.kill()
            said = a.refused_start()
            assert "catalog.postgres_url" in said, said
            server.start()
            a.start()
            a.eventually(lambda: "Found" in projects(a))
            assert "Lost" not in projects(a)
            b.eventually(lambda: b.api("/api/projects", {"name": "Again"})[0] in (200, 201))
            sdk.balanced(a)
            assert "postgres@" not in str(a.api("/api/config"))
