"""Groups, the setting `ingestion`, the lane of exceptions and `penstock messages` through the real binary."""
import json
import signal
import subprocess
import uuid

from harness import BIN, KEY, Penstock


def event(name="e", distinct_id="d", **properties):
    return {"event": name, "distinct_id": distinct_id, "uuid": str(uuid.uuid4()), "properties": properties}


def send(p, *events):
    status, body, _ = p.post("/batch/", {"api_key": KEY, "batch": list(events)})
    assert status == 200, (status, body)


def settled(p):
    """The books once everything has arrived in the store."""
    def done():
        ledger = p.ledger()
        total = ledger["total"]
        at_rest = ledger["balance"]["balanced"] and total["in_flight"] == 0
        return total if at_rest and ledger["balance"]["stored"] == ledger["balance"]["accepted"] else None
    return p.eventually(done)


def messages(p, topic):
    out = subprocess.run([BIN, "messages", "--data", p.data, "--topic", topic], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, (out.returncode, out.stderr)
    return [json.loads(line) for line in out.stdout.splitlines()]


def test_groups_become_rows_messages_and_profiles():
    with Penstock() as p:
        send(p, event("$groupidentify", **{"$group_type": "company", "$group_key": "acme",
                                           "$group_set": {"name": "Acme", "plan": "free"}}))
        settled(p)
        send(p, event("$groupidentify", "other", **{"$group_type": "company", "$group_key": "acme",
                                                    "$group_set": {"plan": "pro"}}),
             event("bought", **{"$groups": {"company": "acme", "team": 7}}))
        settled(p)
        rows = p.sql("SELECT group_type_index, group_key, group_properties, toString(version) FROM groups FINAL")
        assert len(rows) == 1 and rows[0][:2] == [0, "acme"] and rows[0][3] == "2", rows
        assert json.loads(rows[0][2]) == {"name": "Acme", "plan": "pro"}, rows
        assert p.sql("SELECT `$group_0`, `$group_1` FROM events WHERE event = 'bought'") == [["acme", "7"]]
        told = messages(p, "clickhouse_groups")
        assert [m["version"] for m in told] == [1, 2], told
        assert list(told[1]) == ["group_type_index", "group_key", "team_id", "group_properties", "created_at",
                                 "version"], told[1]
        assert {m["event"] for m in messages(p, "clickhouse_events_json")} == {"$groupidentify", "bought"}
        assert {m["distinct_id"] for m in messages(p, "clickhouse_person_distinct_id")} == {"d", "other"}
        # Types and groups survive a crash, and the second type keeps its index.
        p.kill()
        p.start()
        types = p.api("/api/projects/1/groups_types")[1]["results"]
        assert [t["group_type"] for t in types] == ["company", "team"], types
        send(p, event("sold", **{"$groups": {"team": "red"}}))
        settled(p)
        assert p.sql("SELECT `$group_0`, `$group_1` FROM events WHERE event = 'sold'") == [["", "red"]]
        found = p.api("/api/projects/1/groups/find?group_type_index=0&group_key=acme")[1]
        assert found["group_properties"] == {"name": "Acme", "plan": "pro"} and found["version"] == 2, found
        listed = p.api("/api/projects/1/groups?group_type_index=0&search=ACM")[1]["results"]
        assert [g["group_key"] for g in listed] == ["acme"], listed
        assert p.api("/api/projects/1/groups?group_type_index=0&search=nothing")[1]["results"] == []
        assert p.api("/api/projects/1/groups/find?group_type_index=0&group_key=x")[0] == 404
        assert p.api("/api/projects/1/groups?group_type_index=5")[0] == 400
        assert p.api("/api/projects/1/messages?topic=nothing")[0] == 400


def test_ingestion_settings():
    with Penstock() as p:
        status, answer = p.api("/api/projects/1/settings/ingestion", {
            "anonymize_ips": True, "drop_events_older_than_seconds": 3600,
            "event_filters": {"mode": "live", "filter": {"event": {"contains": "ping"}}}}, "PUT")
        assert status == 200, answer
        old = dict(event("old"), timestamp="2026-01-01T00:00:00Z")
        send(p, event("a ping"), old, event("kept", **{"$verified": True}))
        total = settled(p)
        assert total["dropped"] == {"event_filtered": 1, "event_dropped_too_old": 1}, total
        (name, properties), = p.sql("SELECT event, properties FROM events")
        assert name == "kept" and not {"$ip", "$verified"} & set(json.loads(properties)), properties
        assert p.sql("SELECT type FROM ingestion_warnings") == [["event_dropped_too_old"]]
        assert p.api("/api/projects/1/settings/ingestion", {"event_filters": {"mode": "on"}}, "PUT")[0] == 400


def test_exceptions_have_a_lane():
    with Penstock() as p:
        send(p, event("$exception", **{"$set": {"a": 1}}), event("seen"))
        settled(p)
        lanes = {e["event"]: e["lane"] for e in map(lambda u: p.api(f"/api/projects/1/trace/{u}")[1]["entries"][0], (
            r[0] for r in p.sql("SELECT toString(uuid) FROM events")))}
        assert lanes == {"$exception": "exceptions", "seen": "main"}, lanes
        # The lane goes on where it was after a restart.
        p.stop(signal.SIGTERM)
        p.start()
        send(p, event("$exception"))
        assert settled(p)["received"] in (3, "3")
        assert p.sql("SELECT toString(count()) FROM events WHERE event = '$exception'") == [["2"]]
