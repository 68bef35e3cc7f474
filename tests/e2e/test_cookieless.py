"""Visitors without cookies: the setting, the wire, the rows, and what is never stored."""
import json
import signal
import uuid

from harness import KEY, Penstock

AGENT = "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0"


def visit(event="seen", distinct_id="$posthog_cookieless", **more):
    properties = {"$cookieless_mode": True, "$device_id": None, "$host": "www.example.com:8000",
                  "$raw_user_agent": AGENT, "$timezone": "Europe/Berlin", "$current_url": "https://www.example.com/"}
    return {"event": event, "distinct_id": distinct_id, "uuid": str(uuid.uuid4()),
            "properties": {k: v for k, v in {**properties, **more}.items() if v != ""}}


def send(p, *events, ip="203.0.113.7"):
    status, body, _ = p.post("/batch/", {"api_key": KEY, "batch": list(events)}, {"X-Forwarded-For": ip})
    assert status == 200, (status, body)


def choose(p, mode):
    status, body = p.api("/api/projects/1/settings/cookieless", {"cookieless_server_hash_mode": mode}, "PUT")[:2]
    assert status == 200, body


def rows(p, count):
    found = p.eventually(lambda: len(r := p.sql(
        "SELECT toString(uuid), event, distinct_id, properties, toString(person_id) FROM events")) == count and r)
    return {r[0]: (r[1], r[2], json.loads(r[3]), r[4]) for r in found}


def nothing_is_kept(p):
    everything = json.dumps(p.sql("SELECT * FROM events")) + json.dumps(p.sql("SELECT * FROM person"))
    for secret in ("203.0.113", AGENT, "$raw_user_agent", "private extra"):
        assert secret not in everything, secret


def test_off_until_it_is_chosen_and_bad_settings():
    with Penstock() as p:
        dropped = visit()
        send(p, dropped)
        story = lambda u: p.api(f"/api/projects/1/trace/{u}")[1]["entries"]
        entry = p.eventually(lambda: story(dropped["uuid"]))
        p.eventually(lambda: story(dropped["uuid"])[0]["reason"] == "cookieless_disabled")
        for bad in ({"cookieless_server_hash_mode": "on"}, {"timezone": "a b"}, {"mode": 1}, []):
            assert p.api("/api/projects/1/settings/cookieless", bad, "PUT")[0] == 400, (bad, entry)
        choose(p, "stateless")
        lacking = {"$raw_user_agent": "cookieless_missing_user_agent", "$host": "cookieless_missing_host"}
        for name, reason in lacking.items():
            event = visit(**{name: ""})
            send(p, event)
            p.eventually(lambda: (told := story(event["uuid"])) and told[0]["reason"] == reason)
            p.eventually(lambda: p.sql(f"SELECT count() FROM ingestion_warnings WHERE type = '{reason}'") == [["1"]])


def test_stateless():
    with Penstock() as p:
        choose(p, "stateless")
        one, two = visit(), visit("again", **{"$session_id": "x", "$set": {"plan": "free"}})
        other, extra = visit(), visit(**{"$cookieless_extra": "private extra"})
        send(p, one)
        send(p, two, extra)
        send(p, other, ip="203.0.113.8")
        send(p, visit("$identify", "me"), visit("$create_alias", alias="x"))
        found = rows(p, 4)
        ids = [found[e["uuid"]][1] for e in (one, two, other, extra)]
        assert ids[0] == ids[1] and len(set(ids)) == 3, ids
        assert all(i.startswith("cookieless_") and len(i) == 33 for i in ids), ids
        a, b = found[one["uuid"]][2], found[two["uuid"]][2]
        assert a["$session_id"] == b["$session_id"] and uuid.UUID(a["$session_id"]).version == 7
        assert a["$device_id"] == "cookielessd_" + ids[0][len("cookieless_"):] and a["$distinct_id"] == ids[0]
        assert found[one["uuid"]][3] == found[two["uuid"]][3]
        nothing_is_kept(p)
        # The salt outlives the process: a visitor stays who they are that day.
        p.stop(signal.SIGKILL)
        p.start()
        late = visit("late")
        send(p, late)
        assert rows(p, 5)[late["uuid"]][1] == ids[0]


def test_stateful_across_a_kill():
    with Penstock() as p:
        choose(p, "stateful")
        a, identify, b = visit("a"), visit("$identify", "ann", **{"$anon_distinct_id": "$posthog_cookieless"}), visit("b", "ann")
        send(p, a)
        send(p, identify, b)
        rows(p, 3)
        p.stop(signal.SIGKILL)
        p.start()
        send(p, identify)  # a retry: counted once
        after, again = visit("after"), visit("again")
        send(p, after, again)
        found = rows(p, 5)
        sessions = {e["event"]: found[e["uuid"]][2]["$session_id"] for e in (a, identify, b, after, again)}
        assert sessions["a"] == sessions["$identify"] == sessions["b"], sessions
        assert sessions["after"] == sessions["again"] != sessions["a"], sessions
        assert found[identify["uuid"]][2]["$anon_distinct_id"] == found[a["uuid"]][1]
        assert found[b["uuid"]][1] == "ann" and found[b["uuid"]][3] == found[identify["uuid"]][3]
        assert found[after["uuid"]][1] == found[again["uuid"]][1] != found[a["uuid"]][1]
        assert "$distinct_id" not in found[a["uuid"]][2]
        nothing_is_kept(p)
