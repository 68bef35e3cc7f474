"""Session recording by posthog-js, unmodified and taken from Penstock itself, in a real Chromium page:
what left the page is what the session's stream gives back, and what it was is what the summary says."""
import gzip
import json

from fault_proxy import FaultProxy
from harness import KEY, Penstock
import sdk
from test_sdk_browser import USER_AGENT, start_browser, version

REMOTE_CONFIG = {"sessionRecording": {"consoleLogRecordingEnabled": True,
                                      "masking": {"maskAllInputs": False}},
                 "surveys": True}
FLAG = {"key": "new-checkout", "name": "", "active": True,
        "filters": {"groups": [{"properties": [], "rollout_percentage": 100}],
                    "payloads": {"true": "{\"colour\":\"☂\"}"}}}
SURVEY = {"id": "01a2122f-9294-755b-82c5-7ed32cffc9c5", "name": "How was it?", "type": "api",
          "description": "", "questions": [{"type": "open", "question": "Say ☂"}], "appearance": {},
          "conditions": None, "start_date": "2026-01-01T00:00:00Z", "end_date": None}
META, FULL, INCREMENTAL, PLUGIN = 4, 2, 3, 6
MUTATION, MOUSE_INTERACTION, INPUT = 0, 2, 5
CLICK = 2


def unpacked(event):
    """An rrweb event without posthog-js's own compression (cv)."""
    if not event.get("cv"):
        return event
    def plain(value):
        return json.loads(gzip.decompress(value.encode("latin-1"))) if isinstance(value, str) else value
    data = event["data"]
    if event["type"] == FULL:
        return {**event, "data": plain(data)}
    packed = ("texts", "attributes", "removes", "adds") if data["source"] == MUTATION else ()
    if data["source"] == 8:  # a style sheet's rule
        packed = ("adds", "removes")
    return {**event, "data": {k: plain(v) if k in packed else v for k, v in data.items()}}


def configure(penstock):
    for name, value in (("remote_config", REMOTE_CONFIG), ("surveys", {"surveys": [SURVEY]})):
        status, said = penstock.api(f"/api/projects/1/settings/{name}", value, "PUT")
        assert status == 200, (name, status, said)
    status, said = penstock.api("/api/projects/1/feature_flags", FLAG, "POST")
    assert status == 201, said


def streamed(penstock, session):
    status, text = penstock.api(f"/api/projects/1/session_recordings/{session}/snapshots")
    assert status == 200, (status, text)
    return [json.loads(line) for line in text.splitlines()]


def sources(events, source):
    return [e["data"] for e in events if e["type"] == INCREMENTAL and e["data"]["source"] == source]


def check_what_happened(events, origin):
    """The page's doings, in the stream's events."""
    assert [e["data"]["href"] for e in events if e["type"] == META][0] == origin + "/shop"
    full = json.dumps([e["data"] for e in events if e["type"] == FULL], ensure_ascii=False)
    for text in ("Möbel ☂", "Buy now", '"id": "buy"'):
        assert text in full, text
    clicks = [d for d in sources(events, MOUSE_INTERACTION) if d["type"] == CLICK]
    assert len(clicks) == 1, sources(events, MOUSE_INTERACTION)
    typed = [d["text"] for d in sources(events, INPUT)]
    assert "Eve" in typed and not any("hunter" in text for text in typed), typed
    changed = json.dumps(sources(events, MUTATION), ensure_ascii=False)
    assert "appeared later" in changed, changed[:400]
    told = [e["data"]["payload"] for e in events
            if e["type"] == PLUGIN and e["data"]["plugin"] == "rrweb/console@1"]
    lines = {line["level"]: line["payload"] for line in told}
    assert lines["log"][0] == '"a plain line"' and lines["warn"] == ['"a warning ☂"'], lines
    assert lines["error"] == ['"an error"'], lines
    return len(clicks), len(typed)


def test_a_recorded_visit():
    with Penstock("--set", "replay.flush_ms=200") as penstock, FaultProxy(penstock) as proxy:
        configure(penstock)
        visitor = start_browser("record.mjs", {"host": proxy.url, "key": KEY,
                                               "user_agent": USER_AGENT,
                                               "options": {"opt_out_useragent_filter": True,
                                                           "person_profiles": "always"}})

        def the_session():
            status, listed = penstock.api("/api/projects/1/session_recordings?limit=10")
            assert status == 200, listed
            return listed["results"][0]["session_id"] if listed["results"] else None

        def arrived(*texts):
            events = [unpacked(event) for _, event in streamed(penstock, the_session())]
            found = json.dumps([e["data"] for e in events])
            return all(f'"{text}"' in found for text in texts)
        penstock.eventually(the_session, 90)
        penstock.eventually(lambda: arrived("Eve", "appeared later", r'\"an error\"'), 60)
        # What the visitor does while Penstock is away comes by the SDK's own retries.
        penstock.kill()
        print(" Adams", file=visitor.stdin, flush=True)
        penstock.eventually(lambda: proxy.turned_away, 60)
        penstock.start()
        penstock.eventually(lambda: arrived("Eve Adams"), 90)
        print(", once more", file=visitor.stdin, flush=True)
        penstock.eventually(lambda: arrived("Eve Adams, once more"), 60)
        told = sdk.finish(visitor)
        assert len([r for r in told["requests"] if r["path"] == "/s/"]) >= 4, told["requests"]
        assert told["session"] == the_session(), (told["session"], the_session())

        # Every event that left the page is given back as it was, in the order of time.
        sent = told["recorded"]
        found = penstock.eventually(
            lambda: (lambda rows: rows if len(rows) >= len(sent) else None)(
                streamed(penstock, told["session"])))
        times = [event["timestamp"] for _, event in found]
        assert times == sorted(times)

        def in_order(rows):
            return sorted(rows, key=lambda row: (row[1]["timestamp"], json.dumps(row)))
        missing = [row for row in sent if row not in found]
        assert not missing, (len(missing), len(sent), missing[:1])
        # The last words are not among the page's requests.
        assert in_order(sent) == in_order([row for row in found if row in sent])
        assert len({json.dumps(row, sort_keys=True) for row in found}) == len(found), "doubled"

        events = [unpacked(event) for _, event in found]
        clicks, inputs = check_what_happened(events, told["origin"])
        status, summary = penstock.api(f"/api/projects/1/session_recordings/{told['session']}")
        assert status == 200, summary
        assert summary["distinct_id"] == told["distinct_id"], summary
        assert summary["first_url"] == told["origin"] + "/shop", summary
        assert summary["event_count"] == len(found), (summary, len(found))
        assert summary["click_count"] == clicks and summary["keypress_count"] == inputs, summary
        assert [summary[f"console_{level}_count"] for level in ("log", "warn", "error")] == [1, 1, 1]
        assert summary["duration_ms"] == times[-1] - times[0], (summary, times[-1] - times[0])
        assert summary["snapshot_source"] == "web", summary
        logged = penstock.eventually(lambda: (lambda rows: rows if len(rows) == 3 else None)(
            penstock.sql("SELECT level, message FROM log_entries ORDER BY level")))
        assert [row[0] for row in logged] == ["error", "info", "warn"], logged
        assert "a warning ☂" in logged[2][1], logged

        check_what_was_asked(told)
        sdk.balanced(penstock)


def check_what_was_asked(told):
    assert told["flags"] == {"on": True}, told["flags"]  # the other is not there
    assert told["payload"] == {"colour": "☂"}, told["payload"]
    assert [s["name"] for s in told["surveys"]] == ["How was it?"], told["surveys"]
    wrong = [r for r in told["requests"] if r["status"] not in (200, 304)]
    assert wrong and all("ERR" in str(r["status"]) for r in wrong), wrong
    paths = {r["path"] for r in told["requests"]}
    assert {"/static/array.js", "/flags/", "/s/", "/api/surveys/"} <= paths, paths
    assert [p for p in paths if p.startswith("/static/") and "recorder" in p], paths
    assert told["version"] == version(), told["version"]
