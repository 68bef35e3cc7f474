"""Session recordings through the real binary: what /s/ takes, what becomes of it, how it is read."""
import base64
import gzip
import json
import pathlib
import threading
import time
import urllib.parse
import urllib.request
import uuid

from harness import KEY, Penstock
from raw import peak_memory

QUICK = ("--set", "replay.flush_ms=100")


def rrweb(at, number=0, kind=3, **data):
    return {"type": kind, "timestamp": at, "data": {"n": number, **data}}


def snapshot(session, items, window="w1", token=KEY, **more):
    return {"event": "$snapshot", "uuid": str(uuid.uuid4()), **more,
            "properties": {"token": token, "distinct_id": "someone", "$session_id": session,
                           "$window_id": window, "$snapshot_data": items, "$lib": "web"}}


def now_ms():
    return int(time.time() * 1000)


def send(p, events, path="/s/", headers=None):
    return p.post(path, events, headers)


def lines(p, session, project=1):
    status, text = p.api(f"/api/projects/{project}/session_recordings/{session}/snapshots")
    assert status == 200, (status, text)
    return [json.loads(line) for line in text.splitlines()]


def settled(p, received):
    """Everything received has its row or its reason."""
    def check():
        ledger = p.ledger()
        total = ledger["total"]
        return (total["received"] == received and total["in_flight"] == 0
                and ledger["balance"]["balanced"] and total)
    return p.eventually(check)


def test_a_recording_is_summed_up_and_streamed_in_order():
    with Penstock(*QUICK) as p:
        begin = now_ms() - 60_000
        first = [rrweb(begin, 0, kind=4, href="https://shop.example/start"),
                 rrweb(begin + 5, 1, kind=2, node={}),
                 rrweb(begin + 1000, 2, source=2, type=2),
                 rrweb(begin + 3000, 3, source=5, text="x")]
        console = {"type": 6, "timestamp": begin + 4000, "data": {
            "plugin": "rrweb/console@1",
            "payload": {"level": "warn", "trace": [], "payload": ['"it is"', '"late"']}}}
        later = [rrweb(begin + 20_000, 5, source=1), console,
                 rrweb(begin + 21_000, 6, kind=4, href="https://shop.example/cart")]
        other = [rrweb(begin + 2000, 7, source=3)]
        # The later part comes first, and another window lies between.
        for events in ([snapshot("session-1", later)], [snapshot("session-1", first)],
                       [snapshot("session-1", other[0], window="w2")]):
            status, body, _ = send(p, events)
            assert (status, body) == (200, b'{"status":"Ok"}')
            time.sleep(0.3)  # a flush of its own
        total = settled(p, 3)
        assert total["stored"] == 3

        status, listed = p.eventually(lambda: next(a for a in [p.api(
            "/api/projects/1/session_recordings?limit=10")] if a[0] != 503))
        assert status == 200 and len(listed["results"]) == 1, listed
        summary = listed["results"][0]
        assert summary["session_id"] == "session-1" and summary["distinct_id"] == "someone"
        assert summary["first_url"] == "https://shop.example/start", summary
        assert sorted(summary["urls"]) == ["https://shop.example/cart", "https://shop.example/start"]
        assert (summary["click_count"], summary["keypress_count"], summary["mouse_activity_count"],
                summary["console_warn_count"], summary["event_count"], summary["message_count"],
                summary["duration_ms"]) == (1, 1, 2, 1, 8, 3, 21_000), summary
        assert (summary["active_ms"], summary["snapshot_source"]) == (2000, "web"), summary
        assert p.api("/api/projects/1/session_recordings/session-1") == (200, summary)
        for query, found in (("session_id=session-1", 1), ("session_id=session-%27", 0),
                             ("distinct_id=someone", 1), ("distinct_id=nobody", 0),
                             ("console_errors=1", 0), ("url=example%2Fcart", 1), ("url=%27", 0),
                             ("min_duration_ms=21000", 1), ("min_duration_ms=21001", 0)):
            status, listed = p.api("/api/projects/1/session_recordings?" + query)
            assert (status, len(listed["results"])) == (200, found), (query, listed)

        streamed = lines(p, "session-1")
        assert [window for window, _ in streamed] == ["w1", "w1", "w1", "w2"] + ["w1"] * 4
        assert [e for _, e in streamed] == first[:3] + other + first[3:] + [console] + [later[0], later[2]]

        assert p.sql("SELECT level, message, log_source_id FROM log_entries") == [
            ["warn", "it is late", "session-1"]]
        row, = p.sql("SELECT session_id, toString(sum(click_count)), argMinMerge(first_url), "
                     "toString(sum(length(block_urls))) FROM session_replay_events GROUP BY session_id")
        assert row == ["session-1", "1", "https://shop.example/start", str(summary["block_count"])]
        assert p.sql("SELECT toString(count()) FROM events") == [["0"]]


def test_every_form_of_request_and_every_refusal():
    with Penstock(*QUICK) as p:
        at = now_ms()
        session = lambda n: f"form-{n}"
        plain = lambda n: json.dumps([snapshot(session(n), [rrweb(at)])]).encode()
        assert p.post("/s/", plain(1))[0] == 200
        assert p.post("/s", plain(2), {"Content-Type": "text/plain"})[0] == 200
        assert p.post("/s/?ip=1&_=1&ver=1.2", gzip.compress(plain(3)), {"Content-Type": "text/plain"})[0] == 200
        form = b"data=" + urllib.parse.quote(base64.b64encode(plain(4))).encode()
        status, body, _ = p.post("/s/?compression=base64&beacon=1", form,
                                 {"Content-Type": "application/x-www-form-urlencoded"})
        assert (status, body) == (204, b""), (status, body)
        single = json.dumps(snapshot(session(5), rrweb(at))).encode()
        assert p.post("/s/", single)[0] == 200
        total = settled(p, 5)
        assert total["stored"] == 5, total
        listed = p.eventually(lambda: [
            r for r in [p.api("/api/projects/1/session_recordings")[1].get("results", [])] if len(r) >= 4])[0]
        # Forms 2 to 4 repeat the uuid of form 1 in another session: another recording, not a copy.
        assert {r["session_id"] for r in listed} == {session(n) for n in range(1, 6)}

        good = snapshot("s", [rrweb(at)])
        def without(name):
            return {**good, "properties": {k: v for k, v in good["properties"].items() if k != name}}
        for body, status in (([], 400), ({"api_key": KEY, "batch": [good]}, 400), ("text", 400),
                             ([without("token")], 401), ([without("$session_id")], 400),
                             ([without("$snapshot_data")], 400), ([without("distinct_id")], 400),
                             ([snapshot("a b", [rrweb(at)])], 400),
                             ([snapshot("s" * 71, [rrweb(at)])], 400),
                             ([{**good, "event": None}], 400), ([good, 7], 400)):
            assert send(p, body)[0] == status, body
        assert p.post("/s/", b"\x1f\x8b\x08broken")[0] == 400
        large = gzip.compress(json.dumps([snapshot("big", [rrweb(at, text="x" * (18 << 20))])]).encode())
        assert p.post("/s/", large, {"Content-Type": "text/plain"})[0] == 413
        assert settled(p, 5)["received"] == 5


def test_copies_and_nonsense_are_told_apart():
    with Penstock(*QUICK) as p:
        at = now_ms()
        events = [snapshot("twice", [rrweb(at, 1)])]
        for _ in range(3):
            assert send(p, events)[0] == 200
        settled(p, 3)
        for _ in range(2):
            assert send(p, events)[0] == 200
        assert send(p, [snapshot("empty", [{"type": 3}, 7, {"timestamp": 0}])])[0] == 200
        assert send(p, [snapshot("old", [rrweb(at - 8 * 86_400_000)])])[0] == 200
        assert send(p, [snapshot("new", [rrweb(at), rrweb(at + 8 * 86_400_000)])])[0] == 200
        total = settled(p, 8)
        assert (total["stored"], total["deduplicated"]) == (1, 4), total
        assert total["dropped"] == {"no_valid_rrweb_events": 1, "timestamp_diff_too_large": 2}
        assert len(lines(p, "twice")) == 1
        warnings = p.eventually(lambda: [
            w for w in [p.sql("SELECT type, count() FROM ingestion_warnings GROUP BY type ORDER BY type")]
            if len(w) == 2])[0]
        assert [w[0] for w in warnings] == ["message_contained_no_valid_rrweb_events",
                                           "message_timestamp_diff_too_large"]
        trace = p.api("/api/projects/1/trace/" + events[0]["uuid"])[1]
        assert trace["entries"][0]["state"] == "stored" and trace["entries"][0]["duplicates"] == 4
        for path in ("never", "never/snapshots"):
            assert p.api("/api/projects/1/session_recordings/" + path)[0] == 404
        assert p.api("/api/projects/1/session_recordings?limit=0")[0] == 400
        assert p.api("/api/projects/1/session_recordings?from=soon")[0] == 400
        for query in ("console_errors=yes", "min_duration_ms=-1", "min_duration_ms=long", "limit=1001"):
            assert p.api("/api/projects/1/session_recordings?" + query)[0] == 400, query


def admission(p, value):
    status, answer = p.api("/api/projects/1/settings/admission", value, "PUT")
    assert status == 200, answer


def test_quotas_and_restrictions_hold_for_recordings():
    with Penstock(*QUICK) as p:
        at = now_ms()
        admission(p, {"restrictions": [
            {"type": "drop_event_from_ingestion", "pipelines": ["session_recordings"],
             "session_ids": ["unwanted"]}]})
        p.eventually(lambda: send(p, [snapshot("unwanted", [rrweb(at)])])[0] == 200)
        assert send(p, [snapshot("wanted", [rrweb(at)])])[0] == 200
        total = settled(p, 2)
        assert total["dropped"] == {"event_restriction_drop": 1} and total["stored"] == 1, total
        admission(p, {"quotas": [{"resource": "recordings", "events_per_month_max": 1}]})
        for _ in range(2):
            status, body, _ = send(p, [snapshot("limited", [rrweb(at)])])
            assert (status, json.loads(body)) == (200, {"status": "Ok", "quota_limited": ["recordings"]})
        status, body, _ = p.post("/e/", {"api_key": KEY, "event": "e", "distinct_id": "d"})
        assert (status, body) == (200, b'{"status":"Ok"}')
        total = settled(p, 5)
        assert total["dropped"]["billing_limit_exceeded"] == 2 and total["stored"] == 2, total


def test_an_unknown_key_waits_in_quarantine_and_projects_are_apart():
    with Penstock(*QUICK) as p:
        late = "phc_late000000000000000000000000000000000000000"
        at = now_ms()
        assert send(p, [snapshot("theirs", [rrweb(at)], token=late)])[0] == 200
        p.eventually(lambda: p.api("/api/projects/1/quarantine")[1]["usage"]["entries"] == 1)
        status, project = p.api("/api/projects", {"name": "late", "token": late})
        assert status in (200, 201), project
        p.eventually(lambda: p.api("/api/projects/2/session_recordings")[1].get("results"))
        assert len(lines(p, "theirs", 2)) == 1
        assert p.api("/api/projects/1/session_recordings")[1]["results"] == []
        assert p.api("/api/projects/1/session_recordings/theirs/snapshots")[0] == 404
        assert p.api("/api/projects/1/quarantine")[1]["usage"]["entries"] == 0


def test_a_long_recording_is_streamed_with_bounded_memory():
    with Penstock(*QUICK) as p:
        at = now_ms() - 120_000
        text = "".join(uuid.uuid4().hex for _ in range(1 << 14))  # half a MiB that hardly compresses
        for part in range(100):
            items = [rrweb(at + part * 1000 + k, part * 3 + k, text=text) for k in range(3)]
            assert send(p, [snapshot("long", items)])[0] == 200
        settled(p, 100)
        before = peak_memory(p)
        streamed, size = [], 0
        key = pathlib.Path(p.data, "run/cli.key").read_text()
        request = urllib.request.Request(p.admin + "/api/projects/1/session_recordings/long/snapshots",
                                         headers={"Authorization": "Bearer " + key})
        with urllib.request.urlopen(request, timeout=60) as answer:
            for line in answer:
                size += len(line)
                streamed.append(json.loads(line)[1]["data"]["n"])
                if len(streamed) < 5:
                    time.sleep(0.2)  # a reader that takes its time
        assert streamed == list(range(300)), streamed[:10]
        grown = peak_memory(p) - before
        assert size > 150 << 20 and grown < 100, (size >> 20, grown, before)
        # A reader that leaves in the middle is forgotten.
        for _ in range(10):
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.readline()
        p.eventually(lambda: p.api("/api/projects/1/session_recordings/long/snapshots")[0] == 200)


def test_killed_again_and_again_every_acknowledged_part_is_there_once():
    with Penstock("--set", "replay.flush_ms=20") as p:
        acknowledged, stop, lock = {}, threading.Event(), threading.Lock()
        begin = now_ms()

        def client(name):
            number = 0
            while not stop.is_set():
                events = [snapshot(name, [rrweb(begin + number * 10 + k, number * 4 + k, text="y" * 500)
                                          for k in range(4)])]
                while not stop.is_set():
                    try:
                        if send(p, events)[0] == 200:
                            with lock:
                                acknowledged.setdefault(name, []).append(number)
                            break
                    except OSError:
                        time.sleep(0.02)  # it is down; the same request again
                number += 1

        clients = [threading.Thread(target=client, args=(f"killed-{n}",)) for n in range(4)]
        for c in clients:
            c.start()
        for _ in range(4):
            time.sleep(0.6)
            p.kill()
            p.start()
        time.sleep(0.3)
        stop.set()
        for c in clients:
            c.join()
        p.eventually(lambda: p.ledger()["total"]["in_flight"] == 0 and
                     p.ledger()["balance"]["balanced"])
        for name, numbers in acknowledged.items():
            got = [e["data"]["n"] for _, e in lines(p, name)]
            assert got == sorted(set(got)), f"{name}: out of order or twice"
            missing = {n * 4 + k for n in numbers for k in range(4)} - set(got)
            assert not missing, f"{name}: {len(missing)} of {len(numbers) * 4} are missing"
        named = {row[0] for row in p.sql(
            "SELECT DISTINCT extract(block_url, 'object:(.*)\\\\?') FROM session_replay_blocks")}
        files = {str(f.relative_to(pathlib.Path(p.data, "objects")))[:-4]
                 for f in pathlib.Path(p.data, "objects/replay").rglob("*.obj")}
        assert files == named, (files - named, named - files)
        assert sum(map(len, acknowledged.values())) > 50
