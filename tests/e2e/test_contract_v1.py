"""Capture V1 on the wire: headers, encodings, an answer for each event, and the rows they become."""
import datetime
import gzip
import json
import subprocess
import uuid
import zlib

import sdk
from harness import KEY, Penstock
from raw import MARK, Wire

PATH = "/i/v1/analytics/events"
AI_PATH = "/i/v1/ai/events"
PATHS = [path + slash for path in (PATH, AI_PATH) for slash in ("", "/")]
REQUIRED = ("Content-Type", "PostHog-Sdk-Info", "PostHog-Attempt", "PostHog-Request-Id",
            "PostHog-Request-Timestamp", "User-Agent")
ILLEGAL = ("0", "00000000-0000-0000-0000-000000000000", "[object Object]", "anonymous",
           "anonymous-user", "backend", "distinct_id", "distinctId", "email", "false", "guest", "id",
           "NaN", "none", "not_authenticated", "null", "system", "true", "undefined", "USER")


def stamp(seconds=0):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(name="e", **more):
    return {"event": name, "uuid": str(uuid.uuid4()), "distinct_id": "u1", "timestamp": stamp(),
            "properties": {"mark": MARK}, **more}


def body(*events, **more):
    return json.dumps({"created_at": stamp(), "batch": list(events), **more}).encode()


def headers(**changes):
    """The usual ones; None leaves one out, and underscores stand for hyphens."""
    out = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json",
           "PostHog-Sdk-Info": "posthog-test/1.2.3", "PostHog-Attempt": "1",
           "PostHog-Request-Id": str(uuid.uuid4()), "PostHog-Request-Timestamp": stamp(),
           "User-Agent": "posthog-test/1.2.3"}
    for name, value in changes.items():
        name = name.replace("_", "-")
        name = next((known for known in out if known.lower() == name.lower()), name)
        out.pop(name, None)
        if value is not None:
            out[name] = value
    return out


class V1:
    """One connection to a Penstock, and what it has been told there."""

    def __init__(self, penstock):
        self.penstock, self.wire = penstock, Wire(penstock)
        self.stored, self.dropped = {}, {}  # by uuid; how many by reason

    def send(self, data, path=PATH, method="POST", **changes):
        answer = self.wire.ask(data, path, method, headers(**changes))
        if answer.headers.get("connection") == "close":
            self.wire = Wire(self.penstock)
        return answer

    def results(self, *events, path=PATH, more=None, **changes):
        """What is answered for each event, in order; the uuids must be exactly those sent."""
        sent = headers(**changes)
        answer = self.wire.ask(body(*events, **(more or {})), path, "POST", sent)
        assert answer.status == 200, answer
        assert answer.headers["content-type"] == "application/json", answer.headers
        assert answer.headers["posthog-request-id"] == sent["PostHog-Request-Id"], answer.headers
        assert answer.headers["date"].endswith(" GMT"), answer.headers
        said = json.loads(answer.body)
        assert list(said) == ["results"], said
        assert list(said["results"]) == [e["uuid"].lower() for e in events], said
        for e, result in zip(events, said["results"].values()):
            if result["result"] == "drop":
                self.dropped[result["details"]] = self.dropped.get(result["details"], 0) + 1
            else:
                self.stored[e["uuid"]] = e
        again = [r for r in said["results"].values() if r["result"] == "retry"]
        assert ("retry-after" in answer.headers) == bool(again), answer.headers
        return [(r["result"], r.get("details")) for r in said["results"].values()]

    def error(self, status, tag, data, path=PATH, method="POST", **changes):
        answer = self.send(data, path, method, **changes)
        assert answer.status == status, (answer, status, tag)
        assert answer.headers["content-type"] == "application/json", answer.headers
        assert answer.headers["accept"] == "application/json", answer.headers
        assert answer.headers["accept-encoding"] == "gzip, deflate, br, zstd", answer.headers
        assert ("retry-after" in answer.headers) == (status in (408, 429) or status >= 500)
        said = json.loads(answer.body)
        assert set(said) == {"error", "error_description", "error_uri"}, said
        assert said["error"] == tag, (said, tag)
        assert said["error_uri"] == "https://posthog.com/docs/api", said
        assert 8 < len(said["error_description"]) < 300, said
        assert MARK not in said["error_description"] and KEY not in said["error_description"], said
        return answer

    def finish(self):
        """Every accepted event is a row and every dropped one a drop in the books."""
        total = sdk.balanced(self.penstock)
        rows = self.penstock.sql("SELECT toString(uuid) FROM events")
        found = {r[0] for r in rows}
        assert len(rows) == len(found), "stored twice"
        wanted = {u.lower() for u in self.stored}
        assert found == wanted, (sorted(found - wanted)[:3], sorted(wanted - found)[:3])
        dropped = {reason: int(n) for reason, n in total["dropped"].items()}
        assert dropped == self.dropped, (total, self.dropped)
        assert int(total["received"]) == len(self.stored) + sum(dropped.values()), total


def test_v1_every_encoding_on_every_path():
    packed = {"gzip": gzip.compress, "GZip": gzip.compress, "deflate": zlib.compress}

    def raw_deflate(data):
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        return packer.compress(data) + packer.flush()

    def by_node(function):
        code = f"process.stdout.write(require('zlib').{function}(require('fs').readFileSync(0)))"
        return lambda data: subprocess.run(["node", "-e", code], input=data, capture_output=True,
                                           check=True).stdout

    with Penstock() as p:
        v1 = V1(p)
        for path in PATHS:
            for name, pack in (*packed.items(), ("deflate", raw_deflate), (None, bytes),
                               ("br", by_node("brotliCompressSync")),
                               ("zstd", by_node("zstdCompressSync"))):
                one = event("$ai_span" if "/ai/" in path else "packed", properties={"text": "naïve ☂ 👩‍🚀 \u2028", "how": str(name)})
                answer = v1.send(pack(body(one)), path, Content_Encoding=name)
                assert answer.status == 200, (name, path, answer)
                assert json.loads(answer.body)["results"] == {one["uuid"]: {"result": "ok"}}, answer
                v1.stored[one["uuid"]] = one
        for name in ("gzip", "deflate", "br", "zstd"):
            v1.error(400, "request_decoding_error", b"\x00not it", Content_Encoding=name)
            v1.error(400, "request_decoding_error", gzip.compress(body(event()))[:-9],
                     Content_Encoding="gzip")
        for name in ("identity", "lz64", "gzip-js", "gzip, br"):
            v1.error(415, "unsupported_encoding", body(event()), Content_Encoding=name)
        v1.finish()
        texts = p.sql("SELECT DISTINCT JSONExtractString(properties, 'text') FROM events")
        assert texts == [["naïve ☂ 👩‍🚀 \u2028"]], texts


def test_v1_headers():
    with Penstock() as p:
        v1 = V1(p)
        good = body(event())
        answer = v1.error(401, "missing_api_token", good, Authorization=None)
        assert answer.headers["www-authenticate"].startswith("Bearer"), answer.headers
        for name in REQUIRED:
            answer = v1.error(400, "missing_required_headers", good, **{name: None})
            assert name in json.loads(answer.body)["error_description"], answer
        answer = v1.error(400, "missing_required_headers", good, **{n: None for n in REQUIRED})
        for name in REQUIRED:
            assert name in json.loads(answer.body)["error_description"], answer
        for value in ("Basic abc", KEY, "Token " + KEY):
            v1.error(400, "invalid_header_value", good, Authorization=value)
        for value in ("Bearer ", "Bearer phx_personal", "Bearer " + "k" * 65):
            v1.error(401, "invalid_api_token", good, Authorization=value)
        for value in ("text/plain", "application/x-www-form-urlencoded", "application/json5"):
            v1.error(415, "unsupported_content_type", good, Content_Type=value)
        for name, value in (("PostHog-Attempt", "0"), ("PostHog-Attempt", "x"),
                            ("PostHog-Request-Id", "x"), ("PostHog-Request-Timestamp", "1700000000")):
            v1.error(400, "invalid_header_value", good, **{name: value})
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            answer = v1.send(b"", PATH, method)
            assert answer.status == 405 and answer.headers["allow"] == "POST,OPTIONS", answer
        assert int(p.ledger()["total"]["received"]) == 0
        for changes in ({"Authorization": f"bEARER  {KEY} "}, {"PostHog_Attempt": "12"},
                        {"Content_Type": "application/json; charset=utf-8"},
                        {"PostHog_Request_Timestamp": stamp().replace("Z", "+00:00")}):
            assert v1.results(event(), **changes) == [("ok", None)], changes
        v1.finish()


def test_v1_refuses_a_request_whole():
    with Penstock() as p:
        v1 = V1(p)
        one, twin = event(), event()
        for tag, data in (
                ("empty_body", b""), ("request_parsing_error", b"{"), ("request_parsing_error", b"[]"),
                ("request_parsing_error", b"{}"), ("request_parsing_error", b"\xff\xfe"),
                ("request_parsing_error", body(one)[:-1]), ("request_parsing_error", body(one) + b"]"),
                ("request_parsing_error", json.dumps({"batch": [one]}).encode()),
                ("request_parsing_error", body(one, created_at=5)),
                ("request_parsing_error", body(one, historical_migration="yes")),
                ("request_parsing_error", body(one, 5)),
                ("request_parsing_error", body(one, {**twin, "timestamp": 1.5})),
                ("request_parsing_error", body(one, {**twin, "distinct_id": 7})),
                ("request_parsing_error", body({k: v for k, v in one.items() if k != "event"})),
                ("request_parsing_error", b'{"created_at":"2026-01-01T00:00:00Z","batch":[NaN]}'),
                ("empty_batch", body()), ("invalid_batch", body(one, created_at="yesterday")),
                ("missing_event_uuid", body({**one, "uuid": ""})),
                ("invalid_event_uuid", body({**one, "uuid": "not-one"})),
                ("duplicate_event_uuid", body(one, twin, one))):
            v1.error(400, tag, data)
        v1.error(413, "payload_too_large", b" " * ((10 << 20) + 1))
        v1.error(413, "payload_too_large", gzip.compress(b" " * ((50 << 20) + 1)),
                 Content_Encoding="gzip")
        padded = gzip.compress(body(one) + b" " * ((50 << 20) - len(body(one))))
        assert v1.send(padded, Content_Encoding="gzip").status == 200
        v1.stored[one["uuid"]] = one
        v1.finish()
        entries = p.api(f"/api/projects/1/trace/{twin['uuid']}")[1]["entries"]
        assert entries and all(e["state"] == "refused" for e in entries), entries


def test_v1_every_result_in_order_and_in_the_books():
    with Penstock() as p:
        v1 = V1(p)
        drops = [
            ("missing_event_name", event("")), ("event_name_too_long", event("n" * 201)),
            ("dropped_performance_event", event("$performance_event")),
            ("missing_distinct_id", event(distinct_id=" ")),
            ("distinct_id_too_large", event(distinct_id="d" * 201)),
            ("invalid_event_timestamp", event(timestamp="2026-01-01")),
            ("malformed_event_properties", event(properties=[1])),
            ("invalid_options", event(options={"cookieless_mode": "perhaps"})),
            ("invalid_options", event(options={"product_tour_id": 1.5})),
        ]
        mixed, expected = [], []
        for tag, one in drops:
            mixed += [event("good"), one]
            expected += [("ok", None), ("drop", tag)]
        mixed += [event(distinct_id=i) for i in ILLEGAL]
        expected += [("warning", "person_processing_disabled")] * len(ILLEGAL)
        assert v1.results(*mixed) == expected
        # The AI path is for AI events; those may go to the other one as well.
        lost, fine = event("not ai"), event("$ai_span")
        assert v1.results(lost, fine, path=AI_PATH) == [("drop", "misrouted_event"), ("ok", None)]
        assert v1.results(event("$ai_span")) == [("ok", None)]
        # Nothing but drops is a 200 as well.
        assert v1.results(event(properties=7)) == [("drop", "malformed_event_properties")]
        v1.finish()
        for tag, one in [*drops, ("misrouted_event", lost)]:
            entry = p.api(f"/api/projects/1/trace/{one['uuid']}")[1]["entries"][0]
            assert entry["state"] == "dropped" and entry["reason"] == tag, (tag, entry)
        modes = p.sql("SELECT DISTINCT person_mode FROM events WHERE distinct_id != 'u1'")
        assert modes == [["propertyless"]], modes
        assert p.sql("SELECT count() FROM events WHERE person_mode = 'full'") == [[str(len(drops) + 2)]]


def test_v1_what_is_stored():
    with Penstock() as p:
        v1 = V1(p)
        full = event("full", distinct_id="  Ünï \"quoted\" ", session_id="s1", window_id="w1",
                     options={"cookieless_mode": False, "disable_skew_correction": 1,
                              "product_tour_id": 42, "process_person_profile": "true"},
                     properties={"$session_id": "mine", "$lib": "mine", "$lib_version": "0",
                                 "$window_id": None, "$product_tour_id": "mine", "$set": {"plan": "pro"},
                                 **sdk.ODD_PROPERTIES})
        bare = {k: v for k, v in event("bare", uuid=str(uuid.uuid4()).upper()).items()
                if k != "properties"}
        plain = event("plain", properties={"$session_id": "own"})
        assert v1.results(full, bare, plain) == [("ok", None)] * 3
        assert v1.results(event("no library"), PostHog_Sdk_Info="nonsense") == [("ok", None)]
        v1.finish()
        stored = {r[0]: json.loads(r[1]) for r in p.sql("SELECT event, properties FROM events")}
        for name, value in sdk.ODD_PROPERTIES.items():
            assert stored["full"][name] == value, (name, stored["full"].get(name))
        for name, value in (("$session_id", "s1"), ("$window_id", "w1"), ("$lib", "posthog-test"),
                            ("$lib_version", "1.2.3"), ("$product_tour_id", "42"),
                            ("$ignore_sent_at", True), ("$cookieless_mode", False)):
            assert stored["full"][name] == value, (name, stored["full"].get(name))
        assert stored["bare"]["$lib"] == "posthog-test" and stored["plain"]["$session_id"] == "own"
        assert "$lib" not in stored["no library"], stored["no library"]
        assert p.sql("SELECT distinct_id FROM events WHERE event = 'full'") == [['Ünï "quoted"']]
        persons = p.sql("SELECT person_properties FROM events WHERE event = 'full'")
        assert json.loads(persons[0][0])["plan"] == "pro", persons


def test_v1_times():
    def seconds_off(text):
        then = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)
        return (then - datetime.datetime.now(datetime.timezone.utc)).total_seconds()

    hour, day = 3600, 86400
    with Penstock() as p:
        v1 = V1(p)
        for name, off, client, options, expected in (
                ("right", -60, 0, {}, -60), ("fast clock", hour - 60, hour, {}, -60),
                ("slow clock", -hour, -hour, {}, 0), ("future", 2 * day, 0, {}, 0),
                ("raw", hour, hour, {"disable_skew_correction": True}, hour),
                ("raw future", 2 * day, 0, {"disable_skew_correction": True}, 2 * day)):
            one = event(name, timestamp=stamp(off), options=options, properties={"expected": expected})
            v1.results(one, PostHog_Request_Timestamp=stamp(client))
        v1.finish()
        for name, when, expected in p.sql("SELECT event, toString(timestamp), "
                                          "JSONExtractInt(properties, 'expected') FROM events"):
            assert abs(seconds_off(when) - int(expected)) < 30, (name, when, expected)


def test_v1_a_batch_of_old_events_and_a_repeated_one():
    with Penstock() as p:
        v1 = V1(p)
        old = [event("old", timestamp="2020-02-29T12:00:00Z") for _ in range(500)]
        for attempt in ("1", "2"):
            assert v1.results(*old, more={"historical_migration": True},
                              PostHog_Attempt=attempt) == [("ok", None)] * 500
        total = sdk.balanced(p)
        assert (int(total["received"]), int(total["deduplicated"])) == (1000, 500), total
        rows = p.sql("SELECT count(), uniq(uuid), toString(min(timestamp)) FROM events")
        assert rows[0][:2] == ["500", "500"] and rows[0][2].startswith("2020-02-29 12:00:00"), rows


def test_v1_an_unknown_key_waits_in_quarantine():
    with Penstock() as p:
        v1 = V1(p)
        one = event()
        assert v1.results(one, Authorization="Bearer phc_nobody_has_this") == [("ok", None)]
        p.eventually(lambda: p.api("/api/projects/1/quarantine")[1]["usage"]["entries"] == 1)


def test_v1_what_cannot_be_stored_is_to_come_again():
    with Penstock() as p:
        p.stop()
        p.flags = ("--set", "log.free_reserve_bytes=1099511627776")
        p.start()
        v1 = V1(p)
        one, bad = event(), event("")
        for attempt in "12":
            assert v1.results(one, bad, PostHog_Attempt=attempt) == [("retry", "not_persisted")] * 2
        v1.stored.clear()
        p.stop()
        p.flags = ()
        p.start()
        assert int(p.ledger()["total"]["received"]) == 0
        v1.wire = Wire(p)
        assert v1.results(one, bad, PostHog_Attempt="3") == [("ok", None), ("drop", "missing_event_name")]
        v1.finish()


def test_v1_pages_may_read_every_answer():
    with Penstock() as p:
        v1 = V1(p)
        for data, status in ((body(event()), 200), (b"{", 400), (b"", 400)):
            answer = v1.send(data, Origin="https://shop.example")
            assert answer.status == status, answer
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"
            assert answer.headers["access-control-allow-credentials"] == "true", answer.headers
        answer = v1.wire.ask(b"", PATH, "OPTIONS", {"Origin": "https://shop.example"})
        assert answer.status == 200 and answer.body == b"", answer
        assert answer.headers["access-control-allow-methods"] == "POST,OPTIONS", answer.headers
