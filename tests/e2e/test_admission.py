"""Admission through the real binary: quotas, restrictions, lanes, redirects, and what the ledger, the
warnings and the quotas API say about them afterwards."""
import json
import signal
import subprocess
import uuid

from harness import BIN, KEY, Penstock


def event(name="e", distinct_id="d", **more):
    return {"event": name, "distinct_id": distinct_id, "uuid": str(uuid.uuid4()), **more}


def send(p, *events, path="/batch/"):
    return p.post(path, {"api_key": KEY, "batch": list(events)})


def admission(p, setting, project=1):
    status, answer = p.api(f"/api/projects/{project}/settings/admission", setting, "PUT")
    assert status == 200, (status, answer)


def settled(p):
    """The books once everything has arrived."""
    def done():
        ledger = p.ledger()
        return ledger if ledger["balance"]["balanced"] and ledger["total"]["in_flight"] == 0 else None
    return p.eventually(done)["total"]


def used(p, resource="events"):
    return next(q for q in p.api("/api/projects/1/quotas")[1]["quotas"] if q["resource"] == resource)


def warnings(p):
    rows = p.sql("SELECT type, source, details FROM ingestion_warnings")
    return {r[0]: (r[1], json.loads(r[2])) for r in rows}


def test_admission_quota():
    with Penstock() as p:
        admission(p, {"quotas": [{"resource": "events", "events_per_month_max": 3}]})
        first, over = [event() for _ in range(3)], [event("over") for _ in range(2)]
        for e in first + over:
            status, body, _ = send(p, e)
            assert (status, body) == (200, b'{"status":"Ok"}'), (status, body)
        exempt = event("$exception")
        assert send(p, exempt)[0] == 200
        total = settled(p)
        assert int(total["received"]) == 6 and total["dropped"] == {"billing_limit_exceeded": 2}, total
        stored = {r[0] for r in p.sql("SELECT toString(uuid) FROM events")}
        assert stored == {e["uuid"] for e in first + [exempt]}, stored
        entry = p.api(f"/api/projects/1/trace/{over[0]['uuid']}")[1]["entries"][0]
        assert (entry["state"], entry["reason"]) == ("dropped", "billing_limit_exceeded"), entry
        q = used(p)
        assert (q["used"], q["refused"], q["limit"], q["limited"]) == (3, 2, 3, True), q
        assert q["limited_since"] and used(p, "exceptions")["used"] == 1, q
        source, details = p.eventually(lambda: warnings(p).get("billing_limit_exceeded"))
        assert source == "capture" and details["event"] == "over", details
        # What was counted survives a restart; a higher limit counts at once.
        p.stop(signal.SIGTERM)
        p.start()
        assert used(p)["used"] == 3
        assert send(p, event("over"))[0] == 200
        admission(p, {"quotas": [{"resource": "events", "events_per_month_max": 4}]})
        late = event("late")
        assert send(p, late)[0] == 200
        settled(p)
        assert p.sql("SELECT toString(uuid) FROM events WHERE event = 'late'") == [[late["uuid"]]]


def test_admission_restrictions():
    with Penstock() as p:
        admission(p, {"restrictions": [
            {"type": "drop_event_from_ingestion", "event_names": ["unwanted"], "distinct_ids": ["bad"]},
            {"type": "redirect_to_dlq", "event_names": ["suspect"]},
            {"type": "redirect_to_topic", "event_names": ["lab"], "topic": "lab"},
            {"type": "force_overflow_from_ingestion", "distinct_ids": ["hot"]},
            {"type": "skip_person_processing", "distinct_ids": ["nobody"]}]})
        kept = [event("unwanted", "good"), event("fine", "bad"), event("fine", "hot"),
                event("fine", "nobody", properties={"$set": {"plan": "pro"}})]
        for e in kept + [event("unwanted", "bad"), event("suspect"), event("lab"), event("lab")]:
            assert send(p, e)[:2] == (200, b'{"status":"Ok"}')
        total = settled(p)
        assert total["dropped"] == {"event_restriction_drop": 1, "redirected_to_topic": 2}, total
        assert int(total["quarantined"]) == 1 and int(total["received"]) == 8, total
        stored = {r[0] for r in p.sql("SELECT toString(uuid) FROM events")}
        assert stored == {e["uuid"] for e in kept}, stored
        mode = p.sql("SELECT person_mode FROM events WHERE distinct_id = 'nobody'")
        assert mode == [["propertyless"]], mode
        lanes = {r["lane"] for r in p.api("/api/projects/1/ledger?step=minute")[1]["rows"]}
        assert lanes == {"main", "overflow"}, lanes
        held = p.api("/api/projects/1/quarantine")[1]["entries"]
        assert [e["reason"] for e in held] == ["event_restriction"], held
        seen = p.eventually(lambda: (w := warnings(p)) and len(w) >= 4 and w)
        assert set(seen) == {"event_restriction_drop", "event_restriction", "redirected_to_topic",
                             "event_overflow"}, seen
        # The topic is of the log: it is there after a restart, also when nobody names it any more.
        admission(p, {})
        p.stop(signal.SIGTERM)
        done = subprocess.run([BIN, "log", "inspect", "--data", p.data, "--topic",
                               "redirect_lab"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "sound" in done.stdout, (done.stdout, done.stderr)
        p.start()
        assert send(p, event("lab"))[0] == 200
        p.eventually(lambda: p.sql("SELECT count() FROM events WHERE event = 'lab'") == [["1"]])


def test_admission_overflow_and_age():
    with Penstock() as p:
        admission(p, {"overflow": {"events_per_second": 1, "burst": 5}, "historical_after_days": 2})
        burst = [event("burst", "hot") for _ in range(20)]
        assert send(p, *burst)[0] == 200
        assert send(p, event("old", "cool", timestamp="2020-01-01T00:00:00Z"))[0] == 200
        total = settled(p)
        assert int(total["stored"]) == 21 and total["dropped"] == {}, total
        rows = p.api("/api/projects/1/ledger?step=minute")[1]["rows"]
        by_lane = {}
        for r in rows:
            by_lane[r["lane"]] = by_lane.get(r["lane"], 0) + int(r["received"])
        assert by_lane == {"main": 5, "overflow": 15, "historical": 1}, by_lane
        _, details = p.eventually(lambda: warnings(p).get("event_overflow"))
        assert details["distinctId"] == "hot", details


def test_admission_imports_only_and_the_budget_of_ai_events():
    with Penstock() as p:
        def v1(path, name, **top):
            uuids = [str(uuid.uuid4()) for _ in range(2)]
            body = {"created_at": "2026-11-29T00:00:00Z", **top, "batch": [
                {"event": name, "uuid": u, "distinct_id": "d", "timestamp": "2026-11-29T00:00:00Z",
                 "properties": {"text": "x" * 3000}} for u in uuids]}
            status, text, _ = p.post(path, body, {
                "Authorization": "Bearer " + KEY, "PostHog-Sdk-Info": "test/1", "PostHog-Attempt": "1",
                "PostHog-Request-Id": str(uuid.uuid4()), "User-Agent": "test",
                "PostHog-Request-Timestamp": "2026-11-29T00:00:00Z"})
            assert status == 200, text
            results = json.loads(text)["results"]
            return [(results[u]["result"], results[u].get("details")) for u in uuids]

        admission(p, {"historical_only": True})
        assert v1("/i/v1/analytics/events", "seen") == [("drop", "non_historical_import_drop")] * 2
        assert v1("/i/v1/analytics/events", "seen", historical_migration=True) == [("ok", None)] * 2
        assert send(p, event("v0"))[0] == 200  # dropped too; v0 has no words for it
        admission(p, {"ai_bytes": {"bytes_per_second": 1, "burst": 4000}})
        assert v1("/i/v1/ai/events", "$ai_generation") == [("ok", None), ("drop", "ai_byte_rate_limited")]
        total = settled(p)
        assert total["dropped"] == {"non_historical_import_drop": 3, "ai_byte_rate_limited": 1}, total
        assert int(total["stored"]) == 3, total
        seen = p.eventually(lambda: len(w := warnings(p)) >= 2 and w)
        assert {"non_historical_import_drop", "ai_byte_rate_limited"} <= set(seen), seen


def test_admission_settings_are_checked():
    with Penstock() as p:
        for bad, word in (({"quotas": [{"resource": "eventz"}]}, "eventz"),
                          ({"quotas": [{"resource": "events", "events_per_month_max": "many"}]}, "number"),
                          ({"restrictions": [{"type": "redirect_to_topic"}]}, "topic"),
                          ({"restrictions": [{"type": "redirect_to_topic", "topic": "../up"}]}, "topic"),
                          ({"historical_only": "yes"}, "historical_only"),
                          ({"ai_bytes": {"bytes_per_second": 0}}, "bytes_per_second"),
                          ({"weight": 0}, "weight"), ({"surprise": 1}, "surprise")):
            status, answer = p.api("/api/projects/1/settings/admission", bad, "PUT")
            assert status == 400 and word in answer["error"]["message"], (status, answer)
        assert p.api("/api/projects/1/quotas")[1]["quotas"][0]["limit"] is None
        assert p.api("/api/projects/7/quotas")[0] == 404


def test_admission_refused_requests_are_warnings():
    """A 4xx is no event: nothing of it is in the books, and the project's people hear of it."""
    with Penstock("--set", "capture.message_bytes_max=2000") as p:
        giant = event("giant", properties={"x": "x" * 2000})
        nameless = event()
        del nameless["distinct_id"]
        v1 = {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"}
        for _ in range(3):
            assert send(p, giant)[0] == 413
        assert send(p, nameless)[0] == 400
        assert p.post("/e/", b'{"api_key":"' + KEY.encode() + b'","batch":[')[0] == 400
        assert p.post("/i/v1/analytics/events", {}, v1)[0] == 400
        assert p.post("/batch/", {"api_key": "phc_stranger", "batch": [nameless]})[0] == 400
        # Among others it is dropped, which the books have.
        assert send(p, event("small"), event("giant", properties={"x": "x" * 2000}))[0] == 200
        total = settled(p)
        assert (int(total["received"]), total["dropped"]) == (2, {"message_size_too_large": 1}), total
        def told():
            rows = p.sql("SELECT type, details FROM ingestion_warnings")
            found = {}
            for kind, details in rows:
                found.setdefault(kind, []).append(json.loads(details))
            return found if len(found) >= 4 and len(found["message_size_too_large"]) == 2 else None
        found = p.eventually(told)
        assert set(found) == {"message_size_too_large", "missing_distinct_id", "invalid_json",
                              "missing_required_headers"}, found
        refused = [d for d in found["message_size_too_large"] if "requests" in d]
        assert [(d["requests"], d["status"], d["path"], d["severity"], d["category"]) for d in refused] == [
            (3, 413, "/batch/", "error", "size")], refused
        assert found["invalid_json"][0]["path"] == "/e/", found
        # A stop tells what is left, and a start tells nothing twice.
        assert p.post("/track/", b'{"api_key":"' + KEY.encode() + b'","batch":[')[0] == 400
        p.stop(signal.SIGTERM)
        p.start()
        def lately():
            rows = p.sql("SELECT details FROM ingestion_warnings WHERE type = 'invalid_json'")
            return sorted(json.loads(r[0])["path"] for r in rows)
        p.eventually(lambda: lately() == ["/e/", "/track/"])
        settled(p)


def test_admission_ai_events_and_flags_have_quotas():
    with Penstock() as p:
        admission(p, {"quotas": [{"resource": "llm_events", "events_per_month_max": 2},
                                 {"resource": "feature_flags", "events_per_month_max": 1}]})
        bearer = {"Authorization": "Bearer " + KEY, "Content-Type": "multipart/form-data; boundary=b"}
        def multipart():
            body = json.dumps(event("$ai_span"))
            text = ("--b\r\nContent-Disposition: form-data; name=\"event\"\r\n"
                    f"Content-Type: application/json\r\n\r\n{body}\r\n--b--\r\n")
            return p.post("/i/v0/ai", text.encode(), bearer)[0]
        assert multipart() == 200
        assert send(p, event("$ai_span"), event("$ai_span"), path="/i/v0/ai/batch/")[0] == 200
        assert multipart() == 429
        total = settled(p)
        assert (int(total["received"]), int(total["stored"])) == (4, 2), total
        assert total["dropped"] == {"billing_limit_exceeded": 2}, total
        q = used(p, "llm_events")
        assert (q["used"], q["refused"]) == (2, 2), q
        for limited in (False, True, True):
            status, body, _ = p.post("/flags/?v=2", {"token": KEY, "distinct_id": "d"})
            assert status == 200 and ("quotaLimited" in json.loads(body)) == limited, body
        q = used(p, "feature_flags")
        assert (q["used"], q["refused"]) == (1, 2), q
        rows = p.eventually(lambda: [json.loads(r[0]) for r in p.sql(
            "SELECT details FROM ingestion_warnings WHERE type = 'billing_limit_exceeded' "
            "AND details LIKE '%/flags/%'")])
        assert [(r["requests"], r["status"]) for r in rows] == [(2, 200)], rows
        assert int(p.ledger()["total"]["received"]) == 4, "a request for flags is no event"
