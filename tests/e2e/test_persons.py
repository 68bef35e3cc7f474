"""Persons through the API: found by ids, email and properties; a profile over all its ids."""
import json
import urllib.parse
import uuid

from harness import KEY, Penstock

BASE = "/api/projects/1/persons"


def event(name, who, at="2026-08-01T12:00:00Z", properties=None, **more):
    return {"event": name, "distinct_id": who, "timestamp": at, "uuid": str(uuid.uuid4()),
            "properties": {**(properties or {})}, **more}


def send(p, *events):
    status, body, _ = p.post("/batch/", {"api_key": KEY, "batch": list(events),
                                         "historical_migration": False})
    assert status == 200, body


def stored(p, received):
    def check():
        total = p.ledger()["total"]
        return total["received"] == received and total["in_flight"] == 0 and total
    return p.eventually(check)


def ask(p, path="", **query):
    status, answer = p.api(BASE + path + ("?" + urllib.parse.urlencode(query) if query else ""))
    assert status == 200, (path, query, status, answer)
    return answer


def ids_of(answer):
    return [row["distinct_ids"] for row in answer["results"]]


def test_persons_are_found_by_id_email_and_property():
    with Penstock() as p:
        send(p, event("seen", "ada", "2026-08-01T10:00:00Z",
                      {"$set": {"email": "Ada@Example.com", "plan": "pro", "n": 5}}),
             event("seen", "ben-1", "2026-08-01T11:00:00Z", {"$set": {"plan": "free", "it's": "a \\ 'b"}}),
             event("seen", "ben-2", "2026-08-01T12:00:00Z", {"$set": {"name": "Ben"}}),
             event("seen", "nobody", properties={"$process_person_profile": False}))
        stored(p, 4)
        everybody = ask(p)
        assert ids_of(everybody) == [["ben-2"], ["ben-1"], ["ada"]], everybody
        assert everybody["count"] == 3 and everybody["next"] is None
        assert everybody["fresh"] == {"undecided_events": 0, "unstored_records": 0}
        first = everybody["results"][2]
        assert (first["email"], first["found_by"], first["last_seen_at"]) == (
            "Ada@Example.com", "order", "2026-08-01T10:00:00.000Z"), first

        assert ids_of(ask(p, distinct_id="ben-1")) == [["ben-1"]]
        assert ids_of(ask(p, distinct_id="ben")) == [] and ids_of(ask(p, distinct_id="nobody")) == []
        found = ask(p, search="ben-")
        assert sorted(ids_of(found)) == [["ben-1"], ["ben-2"]], found
        assert {row["found_by"] for row in found["results"]} == {"distinct_id_prefix"}
        assert sorted(row["last_seen_at"] for row in found["results"]) == [
            "2026-08-01T11:00:00.000Z", "2026-08-01T12:00:00.000Z"], found
        assert ask(p, search=first["id"])["results"][0]["found_by"] == "uuid"
        assert ids_of(ask(p, search="ada@example")) == [["ada"]]
        assert ids_of(ask(p, search="zzz")) == []

        def filtered(*filters, **more):
            return ids_of(ask(p, properties=json.dumps(filters), **more))
        for order in ("seen", "created"):
            assert filtered({"key": "plan", "value": "pro"}, order=order) == [["ada"]]
            assert filtered({"key": "n", "value": 5}, order=order) == [["ada"]]
            assert filtered({"key": "plan", "operator": "is_set"}, order=order) == [["ben-1"], ["ada"]]
            assert filtered({"key": "it's", "value": "a \\ 'b"}, order=order) == [["ben-1"]]
            assert filtered({"key": "plan", "operator": "is_not_set"},
                            {"key": "name", "operator": "icontains", "value": "BE"}, order=order) == [["ben-2"]]
        assert filtered({"key": "plan", "value": "pro"}, search="ben") == []
        for wrong in ("order=x", "properties=%7B", "limit=9999", "after=zz"):
            assert p.api(f"{BASE}?{wrong}")[0] == 400, wrong

        # Pages, in both orders, of a list that does not change meanwhile.
        send(p, *[event("seen", f"many-{i:03}", f"2026-07-{1 + i % 28:02}T12:{i // 28:02}:00Z")
                  for i in range(120)])
        stored(p, 124)
        for order in ("seen", "created"):
            read, after = [], ""
            while after is not None:
                page = ask(p, order=order, limit=50, after=after)
                read += ids_of(page)
                after = page["next"]
            assert len(read) == 123 and len({one[0] for one in read}) == 123, (order, len(read))

        # Another project and another key see none of it.
        status, other = p.api("/api/projects", {"name": "Other", "token": "phc_other0000000000000000000000000000000000"})
        assert status in (200, 201), other
        status, answer = p.api(f"/api/projects/{other['id']}/persons?search=ada")
        assert (status, answer["count"], answer["results"]) == (200, 0, []), answer
        assert p.api(f"/api/projects/{other['id']}/persons/{first['id']}")[0] == 404


def test_a_profile_counts_what_happened_before_the_merge():
    with Penstock() as p:
        send(p, event("visited", "anon", "2026-08-01T10:00:00Z", {"$current_url": "https://a.example/x"}),
             event("visited", "anon", "2026-08-01T10:05:00Z"))
        stored(p, 2)
        before = ask(p, distinct_id="anon")["results"][0]["id"]
        send(p, event("bought", "ada", "2026-08-01T11:00:00Z", {"$set": {"plan": "pro"}, "$groups": {
            "company": "ac\"me", "seat": 7}}))
        stored(p, 3)
        target = ask(p, distinct_id="ada")["results"][0]["id"]
        send(p, event("$identify", "ada", "2026-08-01T12:00:00Z", {"$anon_distinct_id": "anon"}))
        stored(p, 4)
        assert target != before and p.api(f"{BASE}/{before}")[0] == 404
        profile = ask(p, f"/{target}")
        assert (profile["distinct_ids"], profile["distinct_id_count"], profile["is_identified"]) == (
            ["ada", "anon"], 2, True), profile
        assert profile["properties"]["plan"] == "pro"
        ids = ask(p, f"/{target}/distinct_ids", limit=1)
        assert ids["results"][0]["distinct_id"] == "ada" and ids["next"] == "ada"
        ids = ask(p, f"/{target}/distinct_ids", limit=1, after="ada")
        assert (ids["results"], ids["next"]) == ([{"distinct_id": "anon", "version": 1}], None), ids

        # The rows still name the person of before: the history was not rewritten.
        events = ask(p, f"/{target}/events")
        assert [(e["event"], e["distinct_id"]) for e in events["results"]] == [
            ("$identify", "ada"), ("bought", "ada"), ("visited", "anon"), ("visited", "anon")], events
        assert events["results"][3]["url"] == "https://a.example/x" and events["next"] is None
        one = ask(p, f"/{target}/events", limit=3)
        rest = ask(p, f"/{target}/events", limit=3, after=one["next"])
        assert [e["uuid"] for e in one["results"] + rest["results"]] == [e["uuid"] for e in events["results"]]
        only = ask(p, f"/{target}/events", event="bought")
        assert len(only["results"]) == 1
        activity = ask(p, f"/{target}/activity")
        assert (activity["event_count"], activity["event_names"], activity["first_event_at"]) == (
            4, 3, "2026-08-01T10:00:00.000Z"), activity
        assert activity["events"][0] == {"event": "visited", "count": 2,
                                         "last_event_at": "2026-08-01T10:05:00.000Z"}
        groups = ask(p, f"/{target}/groups")["results"]
        assert sorted((g["type"], g["key"]) for g in groups) == [("company", 'ac"me'), ("seat", "7")], groups
        assert ask(p, f"/{target}/recordings")["results"] == []
        assert p.api(f"{BASE}/not-a-uuid")[0] == 400
        assert p.api(f"{BASE}/{uuid.uuid4()}/events")[0] == 404
        assert p.api(f"{BASE}/{target}/nothing")[0] == 404
        # By the last event: one person, seen last under the older id too.
        listed = ask(p)
        assert [row["id"] for row in listed["results"]] == [target], listed


def test_a_person_of_a_hundred_thousand_ids_is_read_in_pages():
    with Penstock() as p:
        count, size = 100_000, 10_000
        send(p, event("start", "hub", properties={"$set": {"name": "Hub"}}))
        for begin in range(0, count, size):
            send(p, *[event("$create_alias", "hub", properties={"alias": f"id-{i:06}"})
                      for i in range(begin, begin + size)])
        stored(p, count + 1)
        person = ask(p, distinct_id="id-099999")["results"][0]["id"]
        profile = ask(p, f"/{person}")
        assert (profile["distinct_id_count"], profile["distinct_id_count_exact"]) == (count + 1, True)
        assert len(profile["distinct_ids"]) == 10
        page = ask(p, f"/{person}/distinct_ids", limit=1000, after="id-050000")
        assert page["results"][0]["distinct_id"] == "id-050001" and len(page["results"]) == 1000
        assert ask(p, f"/{person}/activity")["event_count"] == count + 1
        assert len(ask(p, f"/{person}/events", limit=500)["results"]) == 500
