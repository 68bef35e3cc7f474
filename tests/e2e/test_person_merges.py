"""Merges of persons by API and command line: previewed, shown, undone with rows that follow, ids taken off;
and the deletion of a person with its events, through a crash. In the data directory and on PostgreSQL."""
import datetime
import json
import pathlib
import time
import uuid

from harness import KEY, Penstock
import postgres

NOW = datetime.datetime.now(datetime.timezone.utc)
# Whose a row is now: its own person, unless a newer mapping says another.
WHOSE = ("SELECT e.distinct_id, e.event, toString(if(o.person_id = toUUID('00000000-0000-0000-0000-000000000000'), "
         "e.person_id, o.person_id)) FROM events AS e LEFT JOIN (SELECT distinct_id, argMax(person_id, version) AS "
         "person_id FROM person_distinct_id_overrides GROUP BY distinct_id HAVING argMax(is_deleted, version) = 0) "
         "AS o ON e.distinct_id = o.distinct_id ORDER BY e.timestamp")


def event(name, distinct_id, at=0, **properties):
    return {"event": name, "distinct_id": distinct_id, "uuid": str(uuid.uuid4()), "properties": properties,
            "timestamp": (NOW + datetime.timedelta(seconds=at - 600)).isoformat(timespec="milliseconds")}


def send(p, *events):
    assert p.post("/batch/", {"api_key": KEY, "batch": list(events)})[0] == 200
    p.eventually(lambda: p.ledger()["total"]["in_flight"] == 0 and p.ledger()["balance"]["balanced"])


def person_of(p, distinct_id):
    rows = p.sql("SELECT toString(argMax(person_id, version)) FROM person_distinct_id2 WHERE distinct_id = "
                 f"'{distinct_id}' GROUP BY distinct_id HAVING argMax(is_deleted, version) = 0")
    return rows[0][0] if rows else None


def finished(p, answer):
    status, body = answer
    assert status == 202, (status, body)

    def look():
        status, command = p.api(f"/api/projects/1/person_commands/{body['command']}")
        assert status == 200, command
        return command if command["state"] in ("done", "failed") else None
    return p.eventually(look)


def merges(p, person):
    status, body = p.api(f"/api/projects/1/persons/{person}/merges")
    assert status == 200, body
    return body["merges"]


def test_a_merge_is_previewed_undone_and_rows_follow(*flags):
    with Penstock(*flags) as p:
        send(p, event("seen", "ada", 1, **{"$set": {"plan": "pro", "email": "ada@example.com"}}),
             event("seen", "kiosk", 2, **{"$set": {"plan": "free", "shop": 7}}))
        ada, kiosk = person_of(p, "ada"), person_of(p, "kiosk")
        status, preview = p.api("/api/projects/1/persons/merge_preview", {"source": "kiosk", "target": "ada"})
        assert status == 200, preview
        assert preview["outcome"] == "merged" and preview["person"] == ada
        assert preview["source"]["event_count"] == 1 and preview["target"]["distinct_id_count"] == 1
        shown = {f["key"]: (f["value"], f["from"], f["replaces"]) for f in preview["properties"]}
        assert shown["plan"] == ("pro", "target", "free") and shown["shop"] == (7, "source", None)

        merge = event("$identify", "ada", 3, **{"$anon_distinct_id": "kiosk"})
        send(p, merge)
        send(p, event("bought", "kiosk", 4, **{"$set": {"shop": 8}}), event("bought", "ada", 5))
        assert person_of(p, "kiosk") == ada
        first = merges(p, ada)[0]
        assert first["event_uuid"] == merge["uuid"] and first["moved"] == ["kiosk"]
        assert first["source"]["properties"]["plan"] == "free"

        command = finished(p, p.api(f"/api/projects/1/persons/{ada}/split", {"event": merge["uuid"]}))
        assert command["state"] == "done" and command["report"]["exact"] is True, command
        assert command["report"]["restored_person"] == kiosk
        p.eventually(lambda: {r[0]: r[2] for r in p.sql(WHOSE)} == {"ada": ada, "kiosk": kiosk})
        restored = p.eventually(lambda: p.sql(
            "SELECT argMax(properties, version) FROM person WHERE id = "
            f"'{kiosk}' GROUP BY id HAVING argMax(is_deleted, version) = 0"))
        properties = json.loads(restored[0][0])
        assert properties["shop"] == 8 and properties["plan"] == "free" and "email" not in properties
        assert merges(p, kiosk)[0]["undone"] is True
        code, out, err = p.cli("persons", "split", ada, "--merge", merge["uuid"])
        assert code == 1 and "undone already" in out, (out, err)

        # Nonsense is refused in words.
        for path, body, want in ((f"{ada}/split", {}, 400), (f"{ada}/split", {"distinct_ids": []}, 400),
                                 (f"{uuid.uuid4()}/split", {"distinct_ids": ["x"]}, 404),
                                 ("merge_preview", {"source": "a"}, 400)):
            status, answer = p.api(f"/api/projects/1/persons/{path}", body)
            assert status == want, (path, status, answer)
        assert p.api(f"/api/projects/1/person_commands/{uuid.uuid4()}")[0] == 404
        assert p.api("/api/projects/1/person_commands")[1]["commands"][0]["state"] == "failed"


def test_ids_are_taken_off(*flags):
    with Penstock(*flags) as p:
        send(p, event("$identify", "ada", 1, **{"$anon_distinct_id": "tablet"}), event("seen", "tablet", 2))
        ada = person_of(p, "ada")
        command = finished(p, p.api(f"/api/projects/1/persons/{ada}/split", {"distinct_ids": ["tablet"]}))
        assert command["state"] == "done", command
        own = command["report"]["persons"][0]["person"]
        p.eventually(lambda: {r[0]: r[2] for r in p.sql(WHOSE)} == {"ada": ada, "tablet": own})


def test_a_person_is_deleted_through_a_crash(*flags):
    with Penstock(*flags) as p:
        events = (event("seen", "gone", 1, **{"$set": {"email": "secret@example.com"}}),
                  event("$identify", "gone", 2, **{"$anon_distinct_id": "gone-anon"}), event("seen", "stays", 3))
        send(p, *events)
        gone = person_of(p, "gone")
        status, body = p.api(f"/api/projects/1/persons/{gone}", method="DELETE")
        assert status == 202, body
        p.kill()
        p.start()
        command = finished(p, (202, body))
        places = {place["place"]: place for place in command["report"]["places"]}
        assert {name: place["state"] for name, place in places.items()} == {
            "persons": "done", "recordings": "done", "rows": "done", "quarantine": "done",
            "event index": "done", "log": "done"}
        assert places["event index"]["entries"] == 2, places
        for sent, name in zip(events, (None, None, "stays")):
            story, = p.api(f"/api/projects/1/trace/{sent['uuid']}")[1]["entries"]
            assert story.get("distinct_id") == (name or ""), story
        assert places["persons"]["distinct_ids"] == 2
        assert places["log"]["kept_until"]
        assert p.sql("SELECT distinct_id FROM events ORDER BY distinct_id") == [["stays"]]
        p.eventually(lambda: person_of(p, "gone") is None)
        assert person_of(p, "stays")
        assert p.api(f"/api/projects/1/persons/{gone}", method="DELETE")[0] == 404
        assert merges(p, gone)[0]["source"] is None
        # Whoever comes with the same id later is somebody new.
        send(p, event("seen", "gone", 60, **{"$set": {"n": 1}}))
        p.eventually(lambda: person_of(p, "gone"))
        p.kill()
        p.start()
        assert p.eventually(lambda: person_of(p, "gone"))


def test_recordings_of_a_deleted_person_are_blank():
    """The deleted person's bytes are zeros; what another session has, in the same object or not, stays."""
    with Penstock("--set", "replay.flush_ms=1000") as p:
        send(p, event("seen", "gone", 1), event("seen", "stays", 2))
        gone, at = person_of(p, "gone"), int(time.time() * 1000)

        def snapshot(who):
            item = {"type": 3, "timestamp": at, "data": {"source": 5, "text": f"typed by {who}"}}
            return {"event": "$snapshot", "uuid": str(uuid.uuid4()), "properties": {
                "token": KEY, "distinct_id": who, "$session_id": f"session-{who}", "$window_id": "w",
                "$snapshot_data": [item] * 20, "$lib": "web"}}
        for who in ("gone", "stays"):
            assert p.post("/s/", [snapshot(who)])[0] == 200
        p.eventually(lambda: p.ledger()["total"]["in_flight"] == 0 and p.ledger()["total"]["stored"] == 4)
        blocks = dict(p.eventually(lambda: (lambda rows: rows if len(rows) == 2 else None)(
            p.sql("SELECT distinct_id, block_url FROM session_replay_blocks"))))

        def read(url):
            key, _, span = url.removeprefix("object:").partition("?range=bytes=")
            first, last = map(int, span.split("-"))
            return pathlib.Path(p.data, "objects", key + ".obj").read_bytes(), last + 1 - first
        before = {who: read(url) for who, url in blocks.items()}
        assert b"d by gone" in before["gone"][0], "compressed"
        command = finished(p, p.api(f"/api/projects/1/persons/{gone}", method="DELETE"))
        places = {place["place"]: place for place in command["report"]["places"]}
        assert places["recordings"] == {"place": "recordings", "state": "done", "objects": 1, "objects_gone": 0,
                                        "bytes": before["gone"][1]}, places
        assert places["rows"]["tables"]["session_replay_blocks"] == 1, places
        after = {who: read(url)[0] for who, url in blocks.items()}
        assert after["gone"].count(0) >= before["gone"][1] > 50
        assert len(after["gone"]) == len(before["gone"][0]), "others' ranges stay right"
        assert p.api("/api/projects/1/session_recordings/session-gone")[0] == 404
        status, text = p.api("/api/projects/1/session_recordings/session-stays/snapshots")
        assert status == 200 and text.count(b"typed by stays") == 20, text
        for file in pathlib.Path(p.data, "objects").rglob("*.obj"):
            assert b"d by gone" not in file.read_bytes()


def test_all_of_it_on_postgres():
    if not postgres.installed():
        return postgres.MISSING
    for case in (test_a_merge_is_previewed_undone_and_rows_follow, test_ids_are_taken_off,
                 test_a_person_is_deleted_through_a_crash):
        with postgres.Postgres("fsync=off") as server:
            case("--set", "persons.engine=postgres", "--set", f"persons.postgres_url={server.url}")
