"""Merged persons: queries are right at once, a squash writes it down, and a kill changes nothing."""
import json
import uuid

from harness import KEY, Penstock


def event(name, distinct_id, **properties):
    return {"event": name, "distinct_id": distinct_id, "uuid": str(uuid.uuid4()),
            "properties": properties}


def send(p, events):
    for i in range(0, len(events), 500):
        assert p.post("/batch/", {"api_key": KEY, "batch": events[i:i + 500]})[0] == 200


def visitors(p, first, count, months=3):
    """Each browses anonymously, over some months; then logs in, which merges two persons."""
    browsing, known, logins = [], [], []
    for i in range(first, first + count):
        for k in range(4):
            e = event("seen", f"anon{i}")
            e["timestamp"] = f"2026-{9 - k % months:02d}-10T10:00:00Z"
            browsing.append(e)
        known.append(event("paid", f"user{i}"))
        logins.append(event("$identify", f"user{i}", **{"$anon_distinct_id": f"anon{i}"}))
    send(p, browsing)
    send(p, known)
    send(p, logins)
    return len(browsing) + len(known) + len(logins)


ONE_EACH = ("SELECT countIf(n != 1) FROM (SELECT uniqExact(person_id) AS n FROM events "
            "GROUP BY substring(distinct_id, 5))")


def stored(p, count):
    p.eventually(lambda: p.sql("SELECT count() FROM events") == [[str(count)]], 60)


def whole(p, count):
    assert p.sql("SELECT count(), uniqExact(uuid) FROM events") == [[str(count), str(count)]]
    # The last rows may be stored before the overrides that their merge caused.
    p.eventually(lambda: p.sql(ONE_EACH) == [["0"]])


def test_a_merge_is_seen_at_once_and_squashed():
    with Penstock() as p:
        total = visitors(p, 0, 20)
        stored(p, total)
        p.eventually(lambda: p.sql(ONE_EACH) == [["0"]])
        raw = p.sql("SELECT countIf(s.person_id != e.person_id) FROM sharded_events s "
                    "JOIN events e ON s.uuid = e.uuid")[0][0]
        assert int(raw) > 0, "rows keep the person of the moment"
        waiting = p.eventually(lambda: p.api("/api/squash")[1]["overrides_waiting"])
        code, out, err = p.cli("squash")
        assert code == 0 and "no squash yet" in out and f"waiting: {waiting}" in out, (out, err)
        code, out, err = p.cli("squash", "--now", "--json")
        assert code == 0, (out, err)
        answer = json.loads(out.splitlines()[-1])
        assert answer["overrides"] == waiting and answer["rows_rewritten"] == int(raw), answer
        assert answer["last_run_at"] and not answer["last_error"], answer
        whole(p, total)
        assert p.sql("SELECT count() FROM person_distinct_id_overrides") == [["0"]]
        assert p.sql("SELECT countIf(s.person_id != e.person_id) FROM sharded_events s "
                     "JOIN events e ON s.uuid = e.uuid") == [["0"]]
        send(p, [event("after", "anon3")])
        stored(p, total + 1)
        whole(p, total + 1)
        p.stop()
        p.start()
        assert p.api("/api/status")[1]["squash"]["last_run_at"] == answer["last_run_at"]
        metrics = p.request(p.admin + "/metrics")[1].decode()
        assert "penstock_squash_overrides" in metrics, metrics[:200]


def test_killed_in_the_middle_of_squashes_nothing_is_lost():
    with Penstock() as p:
        total = 0
        for round_ in range(4):
            total += visitors(p, round_ * 100, 100)
            stored(p, total)
            status, _ = p.api("/api/squash", {}, "POST")
            assert status == 200
            if round_ % 2:
                p.eventually(lambda: p.api("/api/squash")[1]["phase"] in ("rewriting", "idle"))
            p.kill()
            p.start()
            stored(p, total)
            whole(p, total)
        code, out, err = p.cli("squash", "--now")
        assert code == 0, (out, err)
        whole(p, total)
        assert p.sql("SELECT count() FROM person_distinct_id_overrides") == [["0"]]
        assert p.sql("SELECT countIf(s.person_id != e.person_id) FROM sharded_events s "
                     "JOIN events e ON s.uuid = e.uuid") == [["0"]]
