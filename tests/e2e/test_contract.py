"""The capture contract's status table, row by row, on the wire: routes, shapes, types, tokens."""
import json
import urllib.parse

from harness import KEY, Penstock
from raw import JSON, Table, Wire, base64_text, batch, check, event, single, text

PATHS = [path + slash for path in ("/e", "/capture", "/batch", "/i/v0/e", "/track", "/engage")
         for slash in ("", "/")]


def quoted(data):
    return urllib.parse.quote(data, safe="")


def test_every_path_takes_every_shape():
    with Penstock() as penstock:
        t = Table(penstock)
        for path in PATHS:
            t.row("array", 200, [single("array"), single("array")], path)
            t.row("array of one", 200, [single("array")], path)
            t.row("batch", 200, batch(event("batch"), event("batch")), path)
            t.row("batch, token alias", 200, {"token": KEY, "batch": [event("batch")]}, path)
            t.row("batch, key last", 200, {"batch": [event("batch")], "sent_at": None,
                                           "historical_migration": False, "api_key": KEY}, path)
            t.row("historical", 200, batch(event("old"), historical_migration=True), path)
            t.row("single", 200, single("single"), path)
            t.row("unknown members", 200, {**single("single"), "type": "capture", "library": "x",
                                           "ip": "9.9.9.9", "more": {"deep": [1]}}, path)
            one = single("get")
            for method in ("GET", "POST"):
                one = single("data in the query")
                t.row("data, base64", 200, b"", f"{path}?data={quoted(base64_text(one))}&ip=1&ver=1.2",
                      method, stored=one)
                one = single("data in the query")
                t.row("data, JSON", 200, b"", f"{path}?data={quoted(text(one))}", method, stored=one)
            one = single("the query's")
            t.row("data before body", 200, text(single("the body's")),
                  f"{path}?data={quoted(text(one))}", stored=one)
            t.row("beacon", 204, single("beacon"), path + "?beacon=1")
            t.row("beacon off", 200, single("beacon"), path + "?beacon=0")
            t.row("uuid from the server", 200, {"api_key": KEY, "event": "e", "distinct_id": "d"},
                  path, unnamed=1)
            t.row("performance only", 200, text({**single("$performance_event")}), path)
            t.row("performance only, no token", 200, text([event("$performance_event")]), path)
            mixed = [event("$performance_event"), event("kept")]
            t.row("performance and more", 200, text(batch(*mixed)), path, stored=mixed[1])
            for name, status, body in REFUSED_EVERYWHERE:
                t.row(name, status, text(body), path)
            engage = path.startswith("/engage")
            no_name = {"token": KEY, "distinct_id": "d", "$set": {"plan": "pro"}}
            t.row("no event name", 200 if engage else 400, no_name, path, unnamed=engage)
            t.row("an object of something else", 401 if engage else 400, b'{"x":1}', path)
            t.row("a batch without a key", 401 if engage else 400, text({"batch": [event()]}), path)
            t.row("GET without data", 400, b"", path, "GET", {})
            t.row("HEAD", 400, b"", path, "HEAD", {})
            for method in ("PUT", "DELETE", "PATCH"):
                t.row(method, 405, text(single()), path, method)
        t.finish()
        fresh = penstock.sql("SELECT toString(uuid) FROM events WHERE event = 'e'")
        assert len(fresh) == len(PATHS) and all(r[0][14] == "7" for r in fresh), fresh[:3]
        named = penstock.sql("SELECT DISTINCT event FROM events ORDER BY event")
        assert ["the body's"] not in named and ["$performance_event"] not in named, named
        engaged = penstock.sql("SELECT count() FROM events WHERE event = '$identify'")
        assert engaged == [["2"]], engaged


REFUSED_EVERYWHERE = [
    ("empty body", 400, b""),
    ("not JSON", 400, b"{nonsense"),
    ("half of it", 400, text(single())[:-5]),
    ("something after it", 400, text(single()) + b" x"),
    ("a text", 400, b'"text"'),
    ("a number", 400, b"17"),
    ("null", 400, b"null"),
    ("empty array", 400, b"[]"),
    ("empty batch", 400, batch()),
    ("array of arrays", 400, [[single()]]),
    ("array of texts", 400, ["e"]),
    ("array of null", 400, [None]),
    ("batch of null", 400, batch(None)),
    ("batch not an array", 400, {"api_key": KEY, "batch": event()}),
    ("name empty", 400, single("")),
    ("one name empty among good ones", 400, batch(event(), event(""), event())),
    ("no distinct id", 400, {"api_key": KEY, "event": "e"}),
    ("distinct id empty", 400, single(distinct_id="")),
    ("no token in an array", 401, [event()]),
    ("token of another kind", 401, single() | {"api_key": "phx_personal"}),
    ("two tokens", 401, [{**event(), "token": "phc_a"}, {**event(), "token": "phc_b"}]),
]

# Member → (types it may have, status of a null). What is not named is 400 for the whole request.
MEMBERS = {
    "event": ({"text"}, 400),
    "uuid": (set(), 200),
    "properties": ({"object"}, 400),
    "timestamp": ({"text"}, 200),
    "offset": ({"integer"}, 200),
    "$set": ({"object"}, 200),
    "$set_once": ({"object"}, 200),
    "distinct_id": ({"bool", "integer", "float", "text", "array", "object"}, 400),
}
VALUES = {"bool": True, "integer": 7, "float": 1.5, "text": "some text", "array": [1], "object": {"a": 1}}


def test_wrong_types_at_every_member():
    with Penstock() as penstock:
        t = Table(penstock)

        def everywhere(name, status, changed, drop=None):
            """Alone, as the second of an array, and as the second of a batch."""
            def fresh():
                one = {**event(), **changed}
                if drop:
                    del one[drop]
                return one
            alone = {"api_key": KEY, **fresh()}
            t.row(name, status, alone, unnamed=status == 200 and not alone.get("uuid"))
            many = [{**event(), "token": KEY}, {"token": KEY, **fresh()}]
            t.row(name + ", in an array", status, many,
                  unnamed=status == 200 and not many[1].get("uuid"))
            packed = batch(event(), fresh())
            t.row(name + ", in a batch", status, packed,
                  unnamed=status == 200 and not packed["batch"][1].get("uuid"))

        for member, (allowed, status_of_null) in MEMBERS.items():
            for kind, value in VALUES.items():
                everywhere(f"{member}: {kind}", 200 if kind in allowed else 400, {member: value})
            everywhere(f"{member}: null", status_of_null, {member: None})
        everywhere("uuid: empty", 200, {"uuid": ""})
        everywhere("no uuid", 200, {}, drop="uuid")
        everywhere("no properties", 200, {}, drop="properties")
        everywhere("no event", 400, {}, drop="event")
        everywhere("no distinct id", 400, {}, drop="distinct_id")
        for kind, value in {**VALUES, "null": None}.items():
            everywhere(f"$cookieless_mode: {kind}", 200 if kind == "bool" else 400,
                       {"properties": {"$cookieless_mode": False if kind == "bool" else value}})
            for name in ("$ignore_sent_at", "$session_id", "$set", "$set_once", "$lib", "$groups",
                         "$elements", "$ip", "$process_person_profile", "distinct_id"):
                everywhere(f"property {name}: {kind}", 200, {"properties": {name: value}})
            everywhere(f"distinct_id in properties: {kind}", 400 if kind == "null" else 200,
                       {"distinct_id": None, "properties": {"distinct_id": value}})
            t.row(f"batch: sent_at: {kind}", 200 if kind in ("text", "null") else 400,
                  batch(event(), sent_at=value))
            t.row(f"batch: historical_migration: {kind}", 200 if kind == "bool" else 400,
                  batch(event(), historical_migration=value))
            if kind not in ("text", "array"):
                t.row(f"batch: api_key: {kind}", 400, {"api_key": value, "batch": [event()]})
        t.row("token: number", 400, {**event(), "token": 5})
        t.row("token: null", 401, {**event(), "token": None})
        t.finish()


def test_tokens():
    with Penstock() as penstock:
        t = Table(penstock)
        for name in ("token", "$token", "api_key"):
            t.row(f"{name} of a single", 200, {**event(), name: KEY})
            t.row(f"{name} of an array's events", 200, [{**event(), name: KEY}, event()])
        t.row("in properties", 200, event(properties={"token": KEY}))
        t.row("properties of one of two", 200, [event(properties={"token": KEY}), event()])
        t.row("not a text in properties", 401, event(properties={"token": 5}))
        t.row("the event's before its properties'", 200,
              {**event(properties={"token": "phx_x"}), "token": KEY})
        t.row("the batch's before the events'", 200,
              batch({**event(), "token": "phc_a"}, {**event(), "token": "phc_b"}))
        t.row("spaces around", 200, {**event(), "token": f" \t{KEY}\r\n"})
        t.row("spaces around a batch's", 200, {"api_key": f"  {KEY} ", "batch": [event()]})
        for name, status, token in (
                ("empty", 401, ""), ("spaces", 401, "   "), ("64 bytes", 200, "k" * 64),
                ("65 bytes", 401, "k" * 65), ("not ASCII", 401, "phc_é"), ("a NUL", 401, "phc_\0"),
                ("personal", 401, "phx_0123"), ("secret-looking", 200, "phs_0123"),
                ("unknown", 200, "phc_nobody_has_this"), ("old style", 200, "sTMFPsFhdP1Ssg")):
            for body in ({**event(), "token": token}, [{**event(), "api_key": token}],
                         {"api_key": token, "batch": [event()]}, event(properties={"token": token})):
                t.row(f"{name}: {json.dumps(body)[:40]}", status, body, elsewhere=status == 200)
        t.row("two in an array", 401, [{**event(), "token": KEY}, {**event(), "token": "phc_b"}])
        t.row("two, one in properties", 401, [{**event(), "token": KEY},
                                              event(properties={"token": "phc_b"})])
        t.row("the same in two places", 200, [{**event(), "token": KEY},
                                              event(properties={"token": KEY})])
        t.finish()
        parked = penstock.api("/api/projects/1/quarantine")[1]["usage"]["entries"]
        assert parked == t.elsewhere, (parked, t.elsewhere)


def test_the_query():
    with Penstock() as penstock:
        t = Table(penstock)
        for query, status in (("_=1767323045678", 200), ("_=abc", 400), ("_=", 200), ("_=1.5", 400),
                              ("sent_at=abc", 400), ("sent_at=1767323045678", 200), ("_=17", 200),
                              ("beacon=1", 204), ("beacon=2", 200), ("beacon=yes", 400),
                              ("ip=abc&ver=%00&retry_count=x", 200), ("compression=zip", 200),
                              ("compression=", 200), ("&&==&%zz", 200), ("v=1&v=2", 200),
                              ("retry_count=3", 200), ("data=", 200), ("%5f=1767323045678", 200)):
            t.row(query, status, single(), "/e/?" + query)
        t.row("refused beacon", 400, b"{", "/e/?beacon=1")
        t.row("long query", 200, single(), "/e/?x=" + "y" * 8000)
        t.finish()


def test_cors_on_every_answer():
    origin = {"Origin": "https://shop.example:8443"}
    wanted = {"access-control-allow-origin": origin["Origin"],
              "access-control-allow-credentials": "true"}
    with Penstock() as penstock:
        t = Table(penstock)
        for path in [*PATHS, "/", "/_readiness", "/_liveness", "/flags/", "/decide/", "/s/",
                     f"/array/{KEY}/config", "/i/v1/analytics/events", "/nothing"]:
            answer = t.wire.ask(b"", path, "OPTIONS", {
                **origin, "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type,x-posthog-session-id"})
            assert (answer.status, answer.body) == (200, b""), (path, answer)
            methods = "POST,OPTIONS" if path.startswith("/i/v1") else "GET,POST,OPTIONS"
            expected = {**wanted, "access-control-allow-methods": methods,
                        "access-control-allow-headers": "content-type,x-posthog-session-id"}
            assert expected.items() <= answer.headers.items(), (path, answer.headers)
        for name, status, body, path, method in (
                ("ok", 200, single(), "/e/", "POST"), ("beacon", 204, single(), "/e/?beacon=1", "POST"),
                ("bad", 400, b"{", "/e/", "POST"), ("no token", 401, text([event()]), "/e/", "POST"),
                ("too large", 413, b" " * ((20 << 20) + 1), "/e/", "POST"),
                ("nothing", 404, b"{}", "/nothing/", "POST"), ("put", 405, b"{}", "/e/", "PUT")):
            answer = t.row(name, status, body, path, method, {**JSON, **origin})
            assert wanted.items() <= answer.headers.items(), (name, answer.headers)
            assert "retry-after" in answer.headers["access-control-expose-headers"].lower()
            assert answer.headers["vary"].lower() == "origin", answer.headers
        answer = t.row("no origin", 200, single())
        assert not [h for h in answer.headers if h.startswith("access-control")], answer.headers
        t.finish()


def test_routes_that_take_no_events():
    with Penstock() as penstock, Wire(penstock) as wire:
        for path in ("/", "/_readiness", "/_readiness/"):
            answer = wire.ask(b"", path, "GET", {})
            assert answer.status == 200 and answer.body.strip() == b"capture", (path, answer)
        assert wire.ask(b"", "/_liveness", "GET", {}).status == 200
        answer = wire.ask(b"", "/metrics", "GET", {})
        assert answer.status == 200 and b"# TYPE penstock_" in answer.body
        assert check(wire.ask(text(single()), "/test/black_hole"), 200) is None
        # Never a redirect: clients follow one as a GET without a body.
        for path in ("/nothing", "//e/", "/e//", "/E/", "/batch/x", "/e/../e/"):
            assert check(wire.ask(text(single()), path), 404) is None, path
        assert int(penstock.ledger()["total"]["received"]) == 0


def test_an_answer_that_asks_to_come_back():
    """No room on the disk: 503 with Retry-After, nothing taken, and the books know of nothing."""
    with Penstock() as penstock:
        penstock.stop()
        penstock.flags = ("--set", "log.free_reserve_bytes=1099511627776")
        penstock.start()
        with Wire(penstock) as wire:
            for path in PATHS:
                answer = wire.ask(text(single()), path, headers={**JSON, "Origin": "https://a.example"})
                assert check(answer, 503) is None, answer
                assert 1 <= int(answer.headers["retry-after"]) <= 30, answer.headers
                assert answer.headers["access-control-allow-origin"] == "https://a.example"
        penstock.stop()
        penstock.flags = ()
        penstock.start()
        total = penstock.ledger()["total"]
        assert int(total["received"]) == 0, total
