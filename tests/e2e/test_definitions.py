"""Events and properties are defined from what was sent; explosions stay bounded and are told."""
import json
import urllib.parse
import uuid

from harness import KEY, Penstock

BASE = "/api/projects/1/definitions"


def event(name, who="u", properties=None):
    return {"event": name, "distinct_id": who, "uuid": str(uuid.uuid4()), "properties": properties or {}}


def send(p, *events):
    status, body, _ = p.post("/batch/", {"api_key": KEY, "batch": list(events)})
    assert status == 200, body


def ask(p, path="", **query):
    status, answer = p.api(BASE + path + ("?" + urllib.parse.urlencode(query) if query else ""))
    assert status == 200, (path, query, status, answer)
    return answer


def names(answer):
    return [row["name"] for row in answer["results"]]


def test_definitions_follow_the_events_and_survive_a_kill():
    with Penstock() as p:
        send(p, event("paid", properties={"amount": 5, "$set": {"plan": "pro"}, "created_at": "2026-08-01"}),
             event("seen", properties={"amount": "later", "odd": None}),
             event("$groupidentify", properties={"$group_type": "company", "$group_key": "acme",
                                                 "$group_set": {"seats": 5}}))
        p.eventually(lambda: ask(p)["events"] == 3)
        assert names(ask(p, "/events")) == ["$groupidentify", "paid", "seen"]
        properties = {row["name"]: row["property_type"] for row in ask(p, "/properties")["results"]}
        assert properties["amount"] == "Numeric" and properties["created_at"] == "DateTime", properties
        assert properties["odd"] is None
        person = {row["name"]: row["property_type"] for row in ask(p, "/properties", type="person")["results"]}
        assert person["plan"] == "String", person
        group = ask(p, "/properties", type="group")["results"]
        assert [(g["group_type"], g["name"], g["property_type"]) for g in group] == [("company", "seats", "Numeric")]
        assert ask(p, "/properties", type="session") == {"results": [], "next": None}
        assert names(ask(p, "/events", property="amount")) == ["paid", "seen"]
        assert "amount" in names(ask(p, "/properties", event="seen"))
        assert names(ask(p, "/events", search="AI")) == ["paid"]
        page = ask(p, "/events", limit=2)
        assert names(page) == ["$groupidentify", "paid"] and page["next"] == "paid"
        assert names(ask(p, "/events", limit=2, after=page["next"])) == ["seen"]
        for wrong in ("/properties?type=x", "/events?limit=0", "/events?search=" + "x" * 1001):
            assert p.api(BASE + wrong)[0] == 400, wrong
        before = ask(p)

        p.kill()
        p.start()
        send(p, event("new", properties={"amount": True}))
        p.eventually(lambda: ask(p)["events"] == 4)
        after = ask(p)
        assert after["properties"] == before["properties"] and after["running"], (before, after)
        assert next(r for r in ask(p, "/properties", search="amount")["results"])["property_type"] == "Numeric"
        p.stop()
        p.start()
        assert ask(p) | {"lag_records": 0} == after | {"lag_records": 0}


def test_random_property_names_are_bounded_and_counted():
    with Penstock("--set", "definitions.properties_max=200", "--set", "definitions.events_max=20",
                  "--set", "definitions.updates_per_event_max=500") as p:
        send(p, *[event(f"e-{i % 40}", properties={f"random-{i}-{j}": j for j in range(10)})
                  for i in range(100)],
             event("crowded", properties={f"c-{j}": j for j in range(600)}))
        p.eventually(lambda: p.ledger()["total"]["in_flight"] == 0 and p.ledger()["total"]["received"] == 101
                     and ask(p)["lag_records"] == 0)
        counts = ask(p)
        assert counts["events"] == 20 and counts["properties"] == 200, counts
        left = counts["left_out"]
        assert left["properties"] > 0 and left["events"] > 0 and left["crowded_events"] == 1, counts
        # What the events carry is stored all the same.
        assert p.sql("SELECT toString(count()) FROM events") == [["101"]]


def test_a_process_without_the_stage_keeps_no_log_for_it():
    with Penstock("--set", "process.stages=capture,ingest,replay,load,admin") as p:
        send(p, event("paid"))
        p.eventually(lambda: p.ledger()["total"]["stored"] == 1)
        counts = ask(p)
        assert (counts["running"], counts["events"]) == (False, 0), counts
        # Switched on later, it begins with what the log still holds.
        p.stop()
        p.flags = ()
        p.start()
        p.eventually(lambda: ask(p)["events"] == 1)
