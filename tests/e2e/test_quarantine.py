"""Quarantine, the ledger's drill-down and traces on the real binary: edit, try, drive again through kill -9,
discard; books that balance after it; from a number to its events; a request's id."""
import json
import signal
import time
import uuid

from harness import KEY, Penstock
import sdk

STRAY = "phc_strayOfTheQuarantineTest00000000000000000001"
Q = "/api/projects/1/quarantine"


def events(n, name="lost", **extra):
    return [{"event": name, "distinct_id": f"d{i % 11}", "uuid": str(uuid.uuid4()),
             "properties": {"n": i}, **extra} for i in range(n)]


def send(p, batch, token=STRAY):
    status, _, headers = p.post("/batch/", {"api_key": token, "batch": batch})
    assert status == 200, status
    return headers


def entries(p, query=""):
    return p.api(f"{Q}?limit=500{query}")[1]["entries"]


def commanded(p, answer):
    """Waits until ingest has carried the command out; answers its report."""
    status, body = answer
    assert status == 202, (status, body)

    def done():
        status, c = p.api(f"/api/projects/1/person_commands/{body['command']}")
        return c if status == 200 and c["state"] in ("done", "failed") else None
    command = p.eventually(done)
    assert command["state"] == "done", command
    return command["report"]


def job(p, command):
    found = [j for j in p.api(f"{Q}/redrives")[1]["redrives"] if j["id"] == command]
    return found[0] if found else None


def books(p, projects=(0, 1, 2)):
    """Every project's equation holds with nothing in flight; the status page agrees with the offsets."""
    def settled():
        ledger = p.api("/api/status")[1]["ledger"]
        totals, balance = ledger["totals"], ledger["balance"]
        assert balance["balanced"], balance
        return totals if totals["in_flight"] == 0 else None
    t = p.eventually(settled)
    assert t["received"] == (t["stored"] + t["deduplicated"] + t["quarantined"] + t["redriven"]
                             + sum(t["dropped"].values())), t
    return t


def test_edit_try_and_drive_again():
    with Penstock() as p:
        send(p, events(3) + events(1, "found"))
        p.eventually(lambda: len(entries(p)) == 4)
        one, = entries(p, "&event=found")
        assert one["reason"] == "unknown_token" and one["version"], one
        whole = p.api(f"{Q}/{one['id']}")[1]
        sent = json.loads(whole["data"])
        assert sent["event"] == "found" and whole["arrival"]["ip"] == "127.0.0.1", whole
        trial = p.api(f"{Q}/{one['id']}/try", {})[1]
        assert (trial["outcome"], trial["reason"]) == ("quarantined", "unknown_token"), trial
        edited = json.dumps({**sent, "token": KEY, "properties": {"n": 0, "plan": "pro", "$set": {"a": 1}}})
        trial = p.api(f"{Q}/{one['id']}/try", {"data": edited})[1]
        assert trial["outcome"] == "accepted" and trial["changes"]["persons"] == 1, trial
        assert trial["row"]["properties"]["plan"] == "pro" and trial["row"]["person_why"] == "created", trial
        assert p.ledger()["total"]["received"] == 0, "a trial does nothing"
        assert p.api(f"{Q}/{one['id']}", {"data": "[1]"}, "PUT")[0] == 400
        commanded(p, p.api(f"{Q}/{one['id']}", {"data": edited}, "PUT"))
        whole = p.api(f"{Q}/{one['id']}")[1]
        assert json.loads(whole["edited"])["token"] == KEY and json.loads(whole["data"]) == sent
        code, out, err = p.cli("quarantine", "redrive", one["id"])
        assert code == 0 and "1 of 1 done" in out, (out, err)
        assert p.eventually(lambda: p.sql("SELECT JSONExtractString(properties, 'plan') FROM events")) == [["pro"]]
        assert p.api(f"{Q}/{one['id']}")[0] == 404
        # The row may be there a moment before the batch is told to be stored.
        p.eventually(lambda: [e["state"] for e in p.api(f"/api/projects/1/trace/{one['uuid']}")[1]["entries"]]
                     == ["redriven", "stored"])
        # The others are discarded, and that is what the books and their traces say.
        rest = entries(p)
        commanded(p, p.api(f"{Q}/discard", {"select": {"reason": "unknown_token"}}))
        assert entries(p) == []
        total = books(p)
        assert total["dropped"] == {"discarded_by_operator": 3} and total["redriven"] == 1, total
        gone = p.api(f"/api/projects/1/trace/{rest[0]['uuid']}")[1]["entries"][0]
        assert gone["state"] == "dropped" and gone["hops"][-1]["name"] == "discarded", gone
        assert gone["hops"][-1]["by"], gone


def test_the_ledger_of_no_project():
    with Penstock() as p:
        send(p, events(2, "found"), KEY)
        assert "penstock ledger --project 0" not in p.cli("ledger")[1]
        strays = events(3)
        send(p, strays)
        total = p.eventually(lambda: (t := p.api("/api/projects/0/ledger?step=total")[1]["total"])["quarantined"] == 3 and t)
        assert total["received"] == 3 and total["stored"] == 0, total
        rows = p.api("/api/projects/0/ledger")[1]
        assert rows["project_id"] == 0 and rows["balance"]["balanced"], rows
        assert sum(r["quarantined"] for r in rows["rows"]) == 3, rows
        found = p.api(f"/api/projects/0/ledger/events?what=quarantined&from={rows['from']}&to={rows['to']}")[1]
        assert found["counted"] == 3 and {e["uuid"] for e in found["events"]} == {e["uuid"] for e in strays}, found
        assert all(e["reason"] == "unknown_token" and e["quarantine_id"] for e in found["events"]), found
        assert p.ledger()["total"]["received"] == 2, "no project's are in no other's"
        code, out, _ = p.cli("ledger")
        assert code == 0 and "Besides, 3 received" in out and "3 of them in quarantine" in out, out
        code, out, _ = p.cli("ledger", "--project", "0", "--by", "total")
        assert code == 0 and "Besides" not in out and " 3 " in out, out
        assert p.api("/api/projects/0/quotas")[0] == 404 and p.api("/api/projects/0/query", {"query": "SELECT 1"})[0] == 404


def test_a_redrive_survives_kills_exactly_once():
    with Penstock() as p:
        n = 2400
        for at in range(0, n, 400):
            send(p, events(400))
        p.eventually(lambda: p.api("/api/status")[1]["quarantine"]["entries"] == n)
        # Half of them become events of the project that is there by an edit, so that not one hash of
        # content speaks for them; the others wait for a project of their token.
        picked = entries(p)[:300]
        for e in picked:
            data = json.loads(p.api(f"{Q}/{e['id']}")[1]["data"])
            answer = p.api(f"{Q}/{e['id']}", {"data": json.dumps({**data, "token": KEY, "event": "repaired"})}, "PUT")
            assert answer[0] == 202
        commanded(p, answer)
        status, begun = p.api(f"{Q}/redrive", {"select": {"token": STRAY}, "per_second": 900})
        assert status == 202 and begun["total"] == n, begun
        for life in range(3):
            p.eventually(lambda: (job(p, begun["command"]) or {}).get("state") in ("running", "done"))
            time.sleep(0.3 + 0.2 * life)  # somewhere in the middle of it
            p.kill()
            p.start()
        p.eventually(lambda: (job(p, begun["command"]) or {}).get("state") == "done", 90)
        total = books(p)
        # Each was taken out once; those of nobody came back and were not driven round and round.
        assert total["redriven"] == n and total["quarantined"] == n - 300, total
        # It may have been appended twice, never stored twice.
        assert p.eventually(lambda: int(p.sql("SELECT count() FROM events")[0][0]) == 300)
        rows = p.sql("SELECT count(), uniqExact(uuid), countIf(event = 'repaired') FROM events")
        assert rows == [["300", "300", "300"]], rows
        # The project comes, and what waited flows in by itself, through one more kill.
        p.api("/api/projects", {"name": "late", "token": STRAY})
        p.kill()
        p.start()
        p.eventually(lambda: p.api("/api/status")[1]["quarantine"]["entries"] == 0, 90)
        total = books(p)
        assert total["stored"] == n and total["quarantined"] == 0, total
        rows = p.eventually(lambda: (lambda r: r if r[0][0] == str(n - 300) else None)(
            p.sql("SELECT count(), uniqExact(uuid) FROM events", 2)))
        assert rows == [[str(n - 300)] * 2], rows


def test_a_redrive_can_be_followed_and_stopped():
    with Penstock() as p:
        send(p, events(200))
        p.eventually(lambda: len(entries(p)) == 200)
        begun = p.api(f"{Q}/redrive", {"select": {"event": "lost"}, "per_second": 40})[1]
        running = p.eventually(lambda: (lambda j: j if j and j["left"] < 180 else None)(job(p, begun["command"])))
        assert running["state"] == "running" and running["total"] == 200, running
        assert p.api(f"{Q}/redrives/{begun['command']}/stop", {})[0] == 202
        p.eventually(lambda: job(p, begun["command"])["state"] == "stopped")
        assert p.api(f"{Q}/redrives/{begun['command']}/stop", {})[0] == 409
        assert books(p)["redriven"] < 200
        assert p.api(f"{Q}/redrive", {"select": {"event": "nothing is called so"}})[0] == 404
        code, out, _ = p.cli("quarantine", "redrives")
        assert code == 0 and "stopped" in out, out
        code, out, _ = p.cli("quarantine", "list", "--event", "lost", "--limit", "5")
        assert code == 0 and "unknown_token" in out and "5 shown" in out, out


def test_from_a_number_to_its_events():
    with Penstock() as p:
        fine, twice = events(30, "fine"), events(2, "twice")
        dropped = [{"event": "$identify", "distinct_id": f"n{i}", "uuid": str(uuid.uuid4()),
                    "properties": {"$process_person_profile": False}} for i in range(3)]
        send(p, fine + twice + dropped, KEY)
        send(p, twice, KEY)
        total = sdk.balanced(p, 37)
        rows = p.api("/api/projects/1/ledger?step=minute")[1]["rows"]
        begin, end = rows[-1]["start"], rows[0]["start"]
        reason, = total["dropped"]

        def behind(what, more="", limit=500):
            found, after = [], ""
            while True:
                status, page = p.api(f"/api/projects/1/ledger/events?what={what}&from={begin}"
                                     f"&to={end[:-7]}59.999Z&limit={limit}{more}&after={after}")
                assert status == 200, page
                assert page["gone"] == 0, page
                found += page["events"]
                if page["next"] is None:
                    return found, page["counted"]
                after = page["next"]
        expected = {"stored": fine + twice, "deduplicated": twice, f"dropped&reason={reason}": dropped,
                    "received": fine + twice + twice + dropped, "quarantined": [], "in_flight": []}
        for what, wanted in expected.items():
            for limit in (500, 7):
                found, counted = behind(what, limit=limit)
                assert sorted(e["uuid"] for e in found) == sorted(e["uuid"] for e in wanted), what
                assert counted == len(wanted), (what, counted)
        found, _ = behind("dropped")
        assert {e["event"] for e in found} == {"$identify"} and {e["reason"] for e in found} == {reason}, found
        code, out, err = p.cli("ledger", "--since", "1h")
        assert code == 0 and "The books balance" in out and f"{reason}=3" in out, (out, err)
        assert json.loads(p.cli("ledger", "--json", "--by", "total")[1])["total"]["received"] == 37
        check = p.eventually(lambda: (lambda c: c if c["checks"] > 0 else None)(p.api("/api/status")[1]["ledger"]["check"]))
        assert check["balanced"], check


def test_a_request_is_traced_by_its_id():
    with Penstock() as p:
        batch = events(5, "of one request")
        request = send(p, batch, KEY)["X-Request-Id"]
        other = send(p, events(2, "of another"), KEY)["X-Request-Id"]
        assert request != other
        sdk.balanced(p, 7)

        def traced():
            return p.api(f"/api/projects/1/trace/{request}")[1]
        found = p.eventually(lambda: (lambda t: t if all(e["state"] == "stored" for e in t["events"]) else None)(traced()))
        assert found["kind"] == "request" and {e["uuid"] for e in found["events"]} == {e["uuid"] for e in batch}
        entry, = p.api(f"/api/projects/1/trace/{batch[0]['uuid']}")[1]["entries"]
        hops = {h["name"]: h for h in entry["hops"]}
        assert hops["received"]["request_id"] == request, hops
        assert hops["decided"]["verdict"] == "accepted" and hops["decided"]["at"], hops
        assert hops["person"]["why"] in ("created", "existing") and hops["person"]["person_id"], hops
        assert entry["hops"][-1]["name"] == "stored"
        rows = p.api(f"/api/projects/1/trace/{batch[0]['uuid']}/rows")[1]["rows"]
        assert len(rows) == 1 and rows[0]["part"], rows
        # A refused request has an id too, and whoever has it gets an answer.
        status, _, headers = p.post("/batch/", b"{not json")
        refused = headers["X-Request-Id"]
        assert status == 400 and refused
        told = p.eventually(lambda: (lambda t: t if t["entries"] else None)(p.api(f"/api/projects/1/trace/{refused}")[1]))
        assert told["entries"][0]["state"] == "refused" and told["entries"][0]["status"] == 400, told
        # V1: the client's own id finds them as well.
        own = str(uuid.uuid4())
        one = {"event": "by its own id", "distinct_id": "v", "uuid": str(uuid.uuid4()),
               "timestamp": "2026-01-01T00:00:00Z", "properties": {}}
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        status, body, headers = p.request(
            p.capture + "/i/v1/analytics/events", json.dumps({"created_at": now, "batch": [one]}).encode(),
            {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "User-Agent": "t/1",
             "PostHog-Sdk-Info": "posthog-test/1.0", "PostHog-Attempt": "1", "PostHog-Request-Id": own,
             "PostHog-Request-Timestamp": now})
        assert status == 200 and headers["X-Request-Id"], (status, body)
        for name in (own, headers["X-Request-Id"]):
            p.eventually(lambda: [e["uuid"] for e in p.api(f"/api/projects/1/trace/{name}")[1].get("events", [])]
                         == [one["uuid"]])
        code, out, _ = p.cli("trace", request)
        assert code == 0 and "5 events" in out, out
        code, out, _ = p.cli("trace", batch[0]["uuid"])
        assert code == 0 and request in out and "part " in out, out
        # All of it is the same after a kill.
        p.stop(signal.SIGKILL)
        p.start()
        assert {e["uuid"] for e in traced()["events"]} == {e["uuid"] for e in batch}
