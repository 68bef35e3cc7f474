"""What every client relies on: durable acknowledgement, exact books, clear refusals."""
import gzip
import json
import os
import random
import signal
import subprocess
import threading
import time
import uuid

from harness import KEY, Penstock


def event(name="e", **more):
    return {"event": name, "distinct_id": "u1", "uuid": str(uuid.uuid4()), "properties": {}, **more}


def batch(events):
    return {"api_key": KEY, "batch": events}


def test_first_minute():
    with Penstock() as p:
        p.eventually(lambda: "Ctrl-C" in p.output())  # what it prints when it is ready, whole
        curl = p.output().split("Or now:\n")[1].split("\n  penstock query")[0].strip()
        done = subprocess.run(["bash", "-c", curl + " -s"], capture_output=True, text=True)
        assert json.loads(done.stdout) == {"status": "Ok"}, done
        code, out, _ = p.cli("send", "signed up", "--distinct-id", "u7", "--properties", '{"plan":"pro"}')
        assert code == 0, out
        rows = p.eventually(lambda: len(r := p.sql("SELECT event, distinct_id FROM events ORDER BY event")) == 2 and r)
        assert rows == [["hello", "me"], ["signed up", "u7"]]
        code, out, _ = p.cli("query", "SELECT event FROM events ORDER BY event")
        assert code == 0 and "hello" in out and "2 rows" in out, out
        code, out, _ = p.cli("query", "--csv", "SELECT event FROM events ORDER BY event")
        assert out.splitlines()[0] == '"event"', out
        code, out, _ = p.cli("query", "--json", "SELECT count() AS n FROM events")
        assert json.loads(out)["results"] == [["2"]], out
        assert p.cli("query", "SELEC 1")[0] == 1 and p.cli("query", "DROP TABLE events")[0] == 1
        code, out, _ = p.cli("doctor")
        assert code == 0 and "BAD" not in out, out
        assert p.cli("check-config")[0] == 0
        with open(p.data + "/penstock.toml", "w") as f:
            f.write("[capture]\nbody_size = 3\n")
        code, _, err = p.cli("check-config")
        assert code == 1 and "penstock.toml:2" in err, err
        os.remove(p.data + "/penstock.toml")
        second = subprocess.run([os.environ.get("PENSTOCK_BIN", ""), "up", "--data", p.data, "--listen",
                                 "127.0.0.1:0", "--admin", "127.0.0.1:0"], capture_output=True, text=True,
                                timeout=30) if os.environ.get("PENSTOCK_BIN") else None
        assert second is None or (second.returncode == 1 and "another" in second.stderr), second


def test_one_uuid_is_one_event():
    with Penstock() as p:
        first = event("bought", properties={"price": 5, "items": [{"a": 1, "b": "é"}]}, timestamp="2026-01-01T00:00:00Z")
        again = {"$set": None, "properties": {"items": [{"b": "é", "a": 1.0}], "$sent_at": "now", "price": 5.0},
                 "offset": 5, **{k: first[k] for k in ("uuid", "distinct_id", "event")}}
        other = {**first, "properties": {**first["properties"], "price": 6}}
        entries = lambda: p.api(f"/api/projects/1/trace/{first['uuid']}")[1]["entries"]
        assert p.post("/batch/", batch([first]))[0] == 200
        for _ in range(20):
            assert p.post("/e/?retry_count=2", {"api_key": KEY, **again})[0] == 200
        p.eventually(lambda: entries() and entries()[0]["duplicates"] == 20)
        # Across a kill and a stop, and however much later: a repeat is a repeat, a conflict one.
        for how in (signal.SIGKILL, signal.SIGTERM):
            p.stop(how)
            p.start()
            assert p.post("/batch/", batch([first]))[0] == 200
        p.eventually(lambda: entries()[0]["duplicates"] == 22)
        assert p.post("/batch/", batch([other]))[0] == 200
        stories = p.eventually(lambda: len(e := entries()) == 2 and e[0]["state"] == "stored" and e)
        assert [(e["state"], e["reason"]) for e in stories] == [("stored", ""), ("quarantined", "uuid_conflict")], stories
        waiting = p.api("/api/projects/1/quarantine")[1]["entries"]
        assert [(e["reason"], e["uuid"], e["event"]) for e in waiting] == [("uuid_conflict", first["uuid"], "bought")]
        told = p.cli("trace", first["uuid"])[1]
        assert told.startswith("stored") and "quarantined" in told and "uuid_conflict" in told, told
        assert p.sql("SELECT count(), any(JSONExtractInt(properties, 'price')) FROM events") == [["1", "5"]]
        p.eventually(lambda: p.sql("SELECT count() FROM ingestion_warnings WHERE type = 'uuid_conflict'") == [["1"]])
        total = p.ledger()["total"]
        assert (total["deduplicated"], total["quarantined"]) == (22, 1), total


def test_trace_tells_every_story():
    with Penstock() as p:
        e, dropped, refused = event("told"), event("$$heatmap"), event("lost")
        del refused["distinct_id"]
        assert p.post("/batch/", batch([e, dropped]))[0] == 200
        assert p.post("/batch/", batch([e]))[0] == 200
        assert p.post("/batch/", batch([refused]))[0] == 400
        def story(u):
            return p.api(f"/api/projects/1/trace/{u}")[1]["entries"]
        p.eventually(lambda: story(e["uuid"]) and story(e["uuid"])[0]["state"] == "stored")
        p.eventually(lambda: story(e["uuid"])[0]["duplicates"] == 1)
        p.eventually(lambda: [x["state"] for x in story(dropped["uuid"])] == ["dropped"])
        entry = p.eventually(lambda: story(refused["uuid"]))[0]
        assert entry["state"] == "refused" and entry["status"] == 400, entry
        assert entry["reason"] == "missing_distinct_id", entry
        assert story(uuid.uuid4()) == []
        assert p.cli("trace", e["uuid"])[1].startswith("stored")


def test_unknown_key_waits_in_quarantine_until_its_project_is_made():
    with Penstock() as p:
        e = event("early")
        token = "phc_made_later"
        assert p.post("/batch/", {"api_key": token, "batch": [e]})[0] == 200
        p.eventually(lambda: p.api("/api/projects/1/quarantine")[1]["usage"]["entries"] == 1)
        code, out, err = p.cli("projects", "create", "Later", "--token", token)
        assert code == 0, err
        project = json.loads(out)["id"]
        p.eventually(lambda: p.sql("SELECT toString(uuid) FROM events", project) == [[e["uuid"]]])
        assert p.sql("SELECT count() FROM events") == [["0"]], "another project sees it"
        p.eventually(lambda: p.ledger()["balance"]["balanced"])


def test_bad_input_is_refused_clearly_and_hurts_nobody():
    with Penstock() as p:
        whole = gzip.compress(json.dumps(batch([event()])).encode())
        bomb = gzip.compress(b"[" + b" " * (150 << 20) + b"]")
        deep = b'{"api_key":"%s","event":"e","distinct_id":"d","properties":{"a":%s1%s}}' % (
            KEY.encode(), b"[" * 10_000, b"]" * 10_000)
        one = {"api_key": KEY, **event()}
        cases = [
            (400, whole[:-9]), (413, bomb), (400, deep), (413, b"x" * (21 << 20)), (400, b"\xff\xfe{"),
            (400, b""), (400, b"[]"), (400, b'"text"'), (400, b"{nonsense"), (401, json.dumps([event()]).encode()),
            (401, json.dumps({**one, "api_key": "phx_secret"}).encode()),
            (401, json.dumps({**one, "api_key": "x" * 65}).encode()),
            (401, json.dumps([{**event(), "token": "a"}, {**event(), "token": "b"}]).encode()),
            (400, json.dumps({"batch": [event()]}).encode()),
            (400, json.dumps({**one, "uuid": "not-a-uuid"}).encode()),
            (400, json.dumps({**one, "timestamp": 5}).encode()),
            (400, json.dumps({**one, "properties": None}).encode()),
            (400, json.dumps({**one, "properties": {"$cookieless_mode": 1}}).encode()),
            (400, json.dumps({**one, "event": ""}).encode()), (400, json.dumps({**one, "distinct_id": ""}).encode()),
            (400, b'{"api_key":"k","event":"e","distinct_id":"d","properties":{"a":NaN}}'),
            (200, json.dumps({**one, "event": "$performance_event"}).encode()),
        ]
        for status, body in cases:
            got = p.post("/e/", body)
            assert got[0] == status, (status, got[:2], body[:120])
        odd = event("odd", properties={"n": 10**400, "nul": "a\x00b", "dup": 1})
        text = json.dumps(batch([odd])).replace('"dup": 1', '"dup":1,"dup":2,"lone":"\\ud800"').encode()
        assert p.post("/batch/", text)[0] == 200
        row = p.eventually(lambda: p.sql("SELECT properties FROM events WHERE event='odd'"))[0][0]
        assert json.loads(row)["dup"] == 2 and json.loads(row)["lone"] == "\ufffd", row
        rss = int(open(f"/proc/{p.process.pid}/statm").read().split()[1]) * 4096
        assert rss < 400 << 20, rss


def test_kill_9_under_load_loses_nothing_acknowledged():
    p = Penstock()
    acknowledged, stop, lock = set(), threading.Event(), threading.Lock()

    def client(seed):
        rng = random.Random(seed)
        while not stop.is_set():
            events = [event("load", distinct_id=f"u{rng.randrange(50)}") for _ in range(rng.randrange(1, 40))]
            body = gzip.compress(json.dumps(batch(events)).encode(), 1)
            try:
                if p.post("/batch/", body)[0] == 200:
                    with lock:
                        acknowledged.update(e["uuid"] for e in events)
            except OSError:
                time.sleep(0.02)

    try:
        p.start()
        threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        rng = random.Random(1)
        for _ in range(8):
            time.sleep(rng.uniform(0.3, 1.5))
            p.kill()
            p.start()
        stop.set()
        for t in threads:
            t.join()
        assert len(acknowledged) > 1000, len(acknowledged)
        p.eventually(lambda: p.ledger()["total"]["in_flight"] == 0, 60)
        # In slices: an answer has a limit of rows.
        stored = [r[0] for digit in "0123456789abcdef" for r in
                  p.sql(f"SELECT toString(uuid) FROM events WHERE startsWith(toString(uuid), '{digit}')")]
        assert len(stored) == len(set(stored)), "an event is stored twice"
        assert acknowledged <= set(stored), f"{len(acknowledged - set(stored))} acknowledged events are lost"
        books = p.ledger()
        assert books["balance"]["balanced"], books["balance"]
        assert books["total"]["stored"] == len(stored), books["total"]
    finally:
        stop.set()
        p.close()


def test_a_dying_engine_loses_nothing_and_stores_nothing_twice():
    with Penstock() as p:
        sent = []
        for round_ in range(6):
            events = [event("engine") for _ in range(300)]
            assert p.post("/batch/", batch(events))[0] == 200
            sent += [e["uuid"] for e in events]
            time.sleep(0.2)
            pid = p.engine_pid()
            if pid and round_ % 2 == 0:
                os.kill(pid, signal.SIGKILL)
        p.eventually(lambda: p.sql("SELECT count() FROM events") == [[str(len(sent))]], 60)
        assert p.sql("SELECT uniqExact(uuid) FROM events") == [[str(len(sent))]]
        assert p.ledger()["balance"]["balanced"]


def test_a_stop_drains():
    p = Penstock()
    try:
        p.start()
        events = [event("drain") for _ in range(500)]
        assert p.post("/batch/", batch(events))[0] == 200
        p.stop()
        assert "Stopped." in p.output()
        p.start()
        p.eventually(lambda: p.sql("SELECT count() FROM events") == [["500"]])
    finally:
        p.close()


def test_a_project_sees_only_its_own_rows():
    with Penstock() as p:
        p.cli("projects", "create", "Other", "--token", "phc_other")
        assert p.post("/batch/", {"api_key": "phc_other", "batch": [event("secret")]})[0] == 200
        p.eventually(lambda: p.sql("SELECT count() FROM events", 2) == [["1"]])
        for query in ["SELECT count() FROM events", "SELECT count() FROM events AS e", 'SELECT count() FROM "events"',
                      "WITH x AS (SELECT * FROM events) SELECT count() FROM x", "SELECT count() FROM default.events",
                      "SELECT count() FROM (SELECT 1 UNION ALL SELECT 1 FROM events) WHERE 0",
                      "SELECT count() FROM person AS a JOIN events AS b ON a.team_id = b.team_id"]:
            assert p.sql(query) == [["0"]], query
        for query in ["SELECT * FROM file('/etc/passwd')", "SELECT * FROM system.tables", "INSERT INTO events (event) VALUES (1)",
                      "SELECT 1; SELECT 2", "SELECT count() FROM events SETTINGS additional_table_filters={}",
                      "SET readonly=0", "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')"]:
            status, answer = p.api("/api/projects/1/query", {"query": query})
            assert status in (400, 401), (query, status, answer)
        status, answer = p.api("/api/projects/1/query", {
            "query": "SELECT sum(sin(number)) FROM numbers(100000000000)", "timeout_ms": 500})
        assert status == 408, (status, answer)
