"""The capture contract's sections 1 to 5 at the running binary: shapes, encodings, statuses, bodies,
CORS, and HTTP as rude clients speak it. Every table row is one request and what must come back."""
import base64
import gzip
import http.client
import json
import socket
import subprocess
import time
import urllib.parse
import uuid
import zlib

from harness import KEY, Penstock
import sdk

PATHS = ("/e", "/capture", "/batch", "/i/v0/e", "/track", "/engage")
OK = {"status": "Ok"}


def event(name="seen", **members):
    return {"event": name, "distinct_id": "u1", "uuid": str(uuid.uuid4()), "properties": {},
            **members}


def with_key(value):
    return {"api_key": KEY, **value}


def dump(value):
    return json.dumps(value).encode()


def lz64(text):
    """lz-string's compressToBase64, by the released package itself."""
    script = ("import lz from 'lz-string';import {readFileSync} from 'node:fs';"
              "process.stdout.write(lz.compressToBase64(readFileSync(0,'utf8')))")
    return subprocess.run(["node", "--input-type=module", "-e", script], input=text,
                          capture_output=True, cwd=sdk.HERE / "node", check=True).stdout


def stored(penstock, uuids):
    """Waits until these uuids are rows, each once; returns {uuid: (event, distinct_id, properties)}."""
    uuids = list(uuids)
    names = ",".join(f"'{u}'" for u in uuids)
    query = f"SELECT toString(uuid), event, distinct_id, properties FROM events WHERE uuid IN ({names})"
    rows = penstock.eventually(lambda: (lambda r: r if len(r) >= len(uuids) else None)(
        penstock.sql(query)))
    assert len(rows) == len(uuids), rows
    return {row[0]: (row[1], row[2], json.loads(row[3])) for row in rows}


def test_every_path_takes_every_shape():
    with Penstock() as p:
        sent = {}
        for path in PATHS:
            for slash in ("", "/"):
                single, first, second, third = (event() for _ in range(4))
                for body in (with_key(single), with_key({"batch": [first, second]}),
                             [{"token": KEY, **third}]):
                    status, text, headers = p.post(path + slash, body)
                    assert status == 200 and json.loads(text) == OK, (path, status, text)
                    assert headers["content-type"].startswith("application/json"), headers
                sent.update({e["uuid"]: e for e in (single, first, second, third)})
        rows = stored(p, sent)
        assert all(rows[u][0] == "seen" and rows[u][1] == "u1" for u in sent)
        sdk.balanced(p, len(sent))


def test_encodings():
    def plain():
        return event(properties={"text": "grün + \u2603 \U0001f600", "n": 1})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with Penstock() as p:
        sent = {}

        def expect_ok(name, e, path, body, headers=None, method="POST"):
            status, text, _ = p.request(p.capture + path, body, headers or {}, method)
            assert status == 200, (name, status, text)
            sent[e["uuid"]] = e
        for name, make in {
            "plain": lambda b: ("/e/", b, {"Content-Type": "application/json"}),
            "text/plain": lambda b: ("/e/", b, {"Content-Type": "text/plain"}),
            "gzip by magic": lambda b: ("/e/", gzip.compress(b), {"Content-Type": "text/plain"}),
            "gzip by header": lambda b: ("/batch/", gzip.compress(b), {"Content-Encoding": "gzip"}),
            "gzip-js": lambda b: ("/e/?compression=gzip-js&ip=1&_=1790000000000&ver=1.0",
                                  gzip.compress(b), {"Content-Type": "text/plain"}),
            "GZIP, any case": lambda b: ("/e/?compression=GZIP", gzip.compress(b), {}),
            "two gzip members": lambda b: ("/e/", gzip.compress(b[:40]) + gzip.compress(b[40:]), {}),
            "lz64": lambda b: ("/e/?compression=lz64", lz64(b), {}),
            "lz-string": lambda b: ("/e/?compression=lz-string", lz64(b), {}),
            "lz64 in a form": lambda b: ("/e/", urllib.parse.urlencode(
                {"compression": "lz64", "data": lz64(b)}).encode(), form),
            "base64": lambda b: ("/e/?compression=base64", base64.b64encode(b), {}),
            "base64 without a hint": lambda b: ("/e/", base64.b64encode(b), {}),
            "unknown hint": lambda b: ("/e/?compression=snappy", b, {}),
            "form, base64": lambda b: ("/e/", b"data=" + urllib.parse.quote(
                base64.b64encode(b).decode()).encode(), form),
            "form, base64, spaces for plus": lambda b: (
                "/e/", b"data=" + base64.b64encode(b).replace(b"+", b" "), form),
            "form, JSON": lambda b: ("/e/", urllib.parse.urlencode({"data": b.decode()}).encode(),
                                     form),
            "form, gzip named in the form": lambda b: (
                "/e/", b"compression=base64&data=" + urllib.parse.quote(
                    base64.b64encode(b).decode()).encode(), form),
            "form behind another field": lambda b: (
                "/e/", b"ver=1&data=" + urllib.parse.quote(base64.b64encode(b).decode()).encode(),
                form),
        }.items():
            e = plain()
            expect_ok(name, e, *make(dump(with_key(e))))
        e = plain()
        query = urllib.parse.quote(base64.b64encode(dump(with_key(e))).decode())
        expect_ok("query", e, "/e/?data=" + query, None, method="GET")
        e = plain()
        expect_ok("query, POST", e, "/e/?data=" + query.replace(query, urllib.parse.quote(
            dump(with_key(e)).decode())), b"")
        for u, (name, _, properties) in stored(p, sent).items():
            for key, value in sent[u]["properties"].items():
                assert properties[key] == value, (sent[u], properties)
        sdk.balanced(p, len(sent))


def test_statuses():
    good = event()
    cases = [
        # what, status, path, body, headers
        ("empty body", 400, "/e/", b""),
        ("not JSON", 400, "/e/", b"hello"),
        ("truncated JSON", 400, "/e/", dump(with_key(good))[:-5]),
        ("JSON of another kind", 400, "/e/", b"17"),
        ("null", 400, "/e/", b"null"),
        ("no events", 400, "/batch/", dump(with_key({"batch": []}))),
        ("an empty array", 400, "/e/", b"[]"),
        ("an event that is no object", 400, "/batch/", dump(with_key({"batch": [1]}))),
        ("NaN", 400, "/e/", dump(with_key(good)).replace(b"{}", b'{"n": NaN}')),
        ("trailing garbage", 400, "/e/", dump(with_key(good)) + b"x"),
        ("invalid UTF-8", 400, "/e/", dump(with_key(good)).replace(b"seen", b"se\xff\xfe")),
        ("10,000 levels", 400, "/e/", b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
        ("10,000 arrays", 400, "/e/", b"[" * 10_000),
        ("gzip named, not gzip", 400, "/e/?compression=gzip", dump(with_key(good))),
        ("truncated gzip", 400, "/e/", gzip.compress(dump(with_key(good)))[:-9]),
        ("gzip with a wrong sum", 400, "/e/", gzip.compress(dump(with_key(good)))[:-8] + b"\0" * 8),
        ("bad lz64", 400, "/e/?compression=lz64", b"!!!!"),
        ("form without data", 400, "/e/", b"compression=gzip",
         {"Content-Type": "application/x-www-form-urlencoded"}),
        ("form that is none", 400, "/e/", dump(with_key(good)),
         {"Content-Type": "application/x-www-form-urlencoded"}),
        ("_ is no integer", 400, "/e/?_=yesterday", dump(with_key(good))),
        ("beacon is no integer", 400, "/e/?beacon=maybe", dump(with_key(good))),
        ("no event name", 400, "/e/", dump(with_key({"distinct_id": "u1"}))),
        ("empty event name", 400, "/e/", dump(with_key(event("")))),
        ("no distinct id", 400, "/e/", dump(with_key({"event": "x"}))),
        ("empty distinct id", 400, "/e/", dump(with_key(event(distinct_id="")))),
        ("null distinct id", 400, "/e/", dump(with_key(event(distinct_id=None)))),
        ("one bad event of two", 400, "/batch/", dump(with_key({"batch": [good, {"event": "x"}]}))),
        ("invalid uuid", 400, "/e/", dump(with_key(event(uuid="not-a-uuid")))),
        ("batch without a token", 400, "/batch/", dump({"batch": [good]})),
        ("bad cookieless mode", 400, "/e/",
         dump(with_key(event(properties={"$cookieless_mode": "yes"})))),
        ("no token", 401, "/e/", dump(good)),
        ("no token in an array", 401, "/e/", dump([good])),
        ("several tokens", 401, "/e/", dump([{"token": "phc_a", **good}, {"token": "phc_b", **good}])),
        ("empty token", 401, "/batch/", dump({"api_key": "", "batch": [good]})),
        ("personal key", 401, "/e/", dump({**good, "api_key": "phx_secret"})),
        ("token beyond ASCII", 401, "/e/", dump({**good, "api_key": "phc_ü"})),
        ("token with NUL", 401, "/e/", dump({**good, "api_key": "phc_\0"})),
        ("token of 65 bytes", 401, "/e/", dump({**good, "api_key": "p" * 65})),
        ("engage elsewhere", 400, "/e/", dump({"token": KEY, "distinct_id": "u1", "$set": {"a": 1}})),
        ("an unknown path", 404, "/nowhere", dump(with_key(good))),
        ("20 MiB and a bit", 413, "/batch/", b" " * ((20 << 20) + 1)),
        ("a gzip bomb", 413, "/batch/", gzip.compress(b" " * (101 << 20), 1)),
    ]
    with Penstock() as p:
        for what, status, path, body, *headers in cases:
            got, text, _ = p.request(p.capture + path, body, headers[0] if headers else {}, "POST")
            assert got == status, (what, got, text[:120])
            assert text and b"{" not in text[:1], (what, text[:80])  # a sentence for people
        for what, body in {
            "only performance events": with_key({"batch": [event("$performance_event")]}),
            "a token with spaces": {**event("trimmed"), "api_key": f" {KEY} "},
            "an unknown token": {**event(), "api_key": "phc_nobody_has_this"},
        }.items():
            got, text, _ = p.post("/batch/", body)
            assert got == 200 and json.loads(text) == OK, (what, got, text)
        got, text, _ = p.post("/e/?beacon=1", with_key(good))
        assert got == 204 and text == b"", (got, text)
        # Nobody's failure took anything with it, and nothing refused was counted as received.
        assert set(stored(p, [good["uuid"]])) == {good["uuid"]}
        sdk.balanced(p, 2)


def test_wrong_types_at_every_field():
    wrong = {
        "event": [1, None, [], {}, True], "uuid": [1, [], {}],
        "properties": [None, 1, "x", []], "timestamp": [1, [], {}, True],
        "offset": ["1", 1.5, [], {}], "$set": [1, "x", []], "$set_once": [1, "x", []],
        "token": [1, [], {}],
    }
    fine = {"distinct_id": [23, 1.5, True, [2, 1], {"b": 1, "a": 2}], "$set": [None, {"a": 1}],
            "$set_once": [None, {"a": 1}], "timestamp": ["yesterday", "", "2026-11-20"],
            "uuid": [""], "offset": [None, 250], "$unknown_member": [1, "x", {"deep": [1]}]}
    with Penstock() as p:
        for field, values in wrong.items():
            for value in values:
                status, text, _ = p.post("/batch/", with_key({"batch": [event(**{field: value})]}))
                assert status in (400, 401), (field, value, status, text)
        for member, value in (("sent_at", 5), ("historical_migration", "yes"), ("batch", "x")):
            status, text, _ = p.post("/batch/", {**with_key({"batch": [event()]}), member: value})
            assert status == 400, (member, value, status, text)
        sent = 0
        for field, values in fine.items():
            for value in values:
                status, text, _ = p.post("/batch/", with_key({"batch": [event(**{field: value})]}))
                assert status == 200, (field, value, status, text)
                sent += 1
        sdk.balanced(p, sent)
        ids = {row[0] for row in p.sql("SELECT DISTINCT distinct_id FROM events")}
        assert {"23", "1.5", "true", "[2,1]", '{"a":2,"b":1}', "u1"} <= ids, ids


def test_values_that_pipelines_bend():
    text = ('{"api_key":"%s","batch":[{"event":"odd","distinct_id":"d","uuid":"%s","properties":{'
            '"lone":"\\ud800 x","pair":"\\ud83d\\ude00","nul":"a\\u0000b","big":123456789012345678901,'
            '"tiny":1e-400,"huge":1e400,"dup":1,"dup":2,"deep":%s,"esc":"\\/\\u00e9"}}]}')
    known = str(uuid.uuid4())
    long_id = "ä" * 250
    e = event(distinct_id=long_id)
    with Penstock() as p:
        body = text % (KEY, known, "[" * 60 + "]" * 60)
        assert p.post("/batch/", body.encode())[0] == 200
        assert p.post("/batch/", with_key({"batch": [e]}))[0] == 200
        rows = p.eventually(lambda: p.sql(
            "SELECT properties FROM events WHERE event = 'odd'"))
        raw = rows[0][0]
        got = json.loads(raw)
        assert got["pair"] == "\U0001f600" and got["esc"] == "/é" and got["dup"] == 2, raw
        assert "\ufffd" in got["lone"] and "x" in got["lone"], raw
        assert "123456789012345678901" in raw and "1e400" in raw, raw
        assert stored(p, [e["uuid"]])[e["uuid"]][1] == "ä" * 200


def test_timestamps():
    with Penstock() as p:
        now = time.time() * 1000
        hour = 3_600_000

        def at(ms):
            return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000)) + ".000Z"
        cases = {
            "absent": ({}, {}, now), "unreadable": ({"timestamp": "soon"}, {}, now),
            "as sent": ({"timestamp": at(now - hour)}, {}, now - hour),
            "zone": ({"timestamp": "2026-11-20T10:00:00+02:00"}, {}, 1_795_161_600_000),
            "offset": ({"timestamp": at(now), "offset": 5000}, {}, now - 5000),
            "far future": ({"timestamp": at(now + 24 * hour)}, {}, now),
            "skewed clock": ({"timestamp": at(now - 3 * hour)}, {"sent_at": at(now - 2 * hour)},
                             now - hour),
            "skew ignored": ({"timestamp": at(now - 3 * hour),
                              "properties": {"$ignore_sent_at": True}},
                             {"sent_at": at(now - 2 * hour)}, now - 3 * hour),
        }
        wanted = {}
        for what, (members, batch, ms) in cases.items():
            e = event(what, **members)
            assert p.post("/batch/", {**with_key({"batch": [e]}), **batch})[0] == 200
            wanted[what] = ms
        p.eventually(lambda: p.sql("SELECT count() FROM events") == [[str(len(cases))]])
        for what, ms in p.sql("SELECT event, toUnixTimestamp64Milli(toDateTime64(timestamp, 3)) "
                              "FROM events"):
            assert abs(int(ms) - wanted[what]) < 10_000, (what, int(ms) - wanted[what])


def test_cors_and_status_routes():
    with Penstock() as p:
        ask_for = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST",
                   "Access-Control-Request-Headers": "content-type,x-own"}
        for path in [x + "/" for x in PATHS] + ["/batch"]:
            status, body, h = p.request(p.capture + path, None, ask_for, "OPTIONS")
            assert status == 200 and body == b"", (path, status)
            assert h["access-control-allow-origin"] == "https://app.example.com"
            assert h["access-control-allow-credentials"] == "true"
            assert "POST" in h["access-control-allow-methods"]
            assert h["access-control-allow-headers"] == "content-type,x-own"
        for body, want in ((with_key(event()), 200), ({}, 400)):
            status, _, h = p.post("/e/", body, {"Origin": "https://app.example.com"})
            assert status == want
            assert h["access-control-allow-origin"] == "https://app.example.com", h
            assert "Retry-After" in h["access-control-expose-headers"], h
        for path in ("/", "/_readiness", "/_liveness", "/metrics"):
            assert p.get(path)[0] == 200, path
        assert p.request(p.capture + "/e/", None, {}, "PUT")[0] == 405


class Raw:
    """A client that speaks bytes."""

    def __init__(self, penstock):
        host, port = penstock.capture[7:].split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def answers(self, n):
        """The statuses of n answers."""
        out, text = [], b""
        while len(out) < n:
            data = self.socket.recv(65536)
            if not data:
                break
            text += data
            while b"\r\n\r\n" in text:
                head, rest = text.split(b"\r\n\r\n", 1)
                length = int(next((line.split(b":")[1] for line in head.split(b"\r\n")
                                   if line.lower().startswith(b"content-length:")), b"0"))
                if len(rest) < length:
                    break
                out.append(int(head.split()[1]))
                text = rest[length:]
        return out


def post_bytes(body, extra=b"", path=b"/e/"):
    return (b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(body) + extra
            + b"\r\n" + body)


def test_rude_http():
    with Penstock("--set", "http.header_ms_max=400", "--set", "http.body_ms_max=600") as p:
        body = dump(with_key(event()))
        with Raw(p) as raw:  # pipelined: answered in order
            raw.send(b"".join([post_bytes(body), post_bytes(b"{}"), post_bytes(body)]))
            assert raw.answers(3) == [200, 400, 200]
        with Raw(p) as raw:  # byte by byte, within the time
            for byte in (post_bytes(body)[i:i + 40] for i in range(0, 400, 40)):
                raw.send(byte)
            assert raw.answers(1) == [200]
        with Raw(p) as raw:  # chunked
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 30]), body[i:i + 30])
                              for i in range(0, len(body), 30))
            raw.send(b"POST /e/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
                     + b"0\r\n\r\n")
            assert raw.answers(1) == [200]
        for what, data, want in (
            ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
            ("huge headers", b"POST /e/ HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
            ("many headers", b"POST /e/ HTTP/1.1\r\n" + b"A: b\r\n" * 300 + b"\r\n", 431),
            ("two lengths", b"POST /e/ HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
             400),
            ("length and chunks", b"POST /e/ HTTP/1.1\r\nContent-Length: 5\r\n"
             b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            ("broken chunk", b"POST /e/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
            ("headers that never end", b"POST /e/ HTTP/1.1\r\nHost: x\r\n", 408),
            ("a body that never ends", b"POST /e/ HTTP/1.1\r\nContent-Length: 50\r\n\r\n{", 408),
        ):
            with Raw(p) as raw:
                raw.send(data)
                assert raw.answers(1) == [want], what
        for part in (post_bytes(body), post_bytes(body)[:-20], b"POST /e/ HT"):
            with Raw(p) as raw:  # a client that is gone before it is answered
                raw.send(part)
        crowd = [Raw(p) for _ in range(200)]  # open and silent, or stuck in the middle
        for i, raw in enumerate(crowd):
            raw.send(b"POST /e/ HT" if i % 2 else b"")
        connection = http.client.HTTPConnection(p.capture[7:], timeout=10)
        connection.request("POST", "/e/", body)
        assert connection.getresponse().status == 200
        connection.close()
        for raw in crowd:
            raw.socket.close()


def test_bombs_do_not_grow_memory():
    with Penstock() as p:
        def resident():
            return p.api("/api/status")[1]["memory"]["rss_bytes"]
        assert p.post("/batch/", with_key({"batch": [event()]}))[0] == 200
        bomb = gzip.compress(b"[" + b" " * (300 << 20) + b"]", 1)
        nested = zlib.compressobj(9, zlib.DEFLATED, 31)
        ones = nested.compress(b"[" + b"1," * (30 << 20)) + nested.flush()
        for _ in range(5):
            assert p.post("/batch/", bomb)[0] == 413
            assert p.post("/batch/", ones)[0] in (400, 413)
            assert p.post("/batch/", b"[" * (19 << 20))[0] == 400
        assert resident() < 400 << 20, resident()
        good = event()
        assert p.post("/batch/", with_key({"batch": [good]}))[0] == 200
        stored(p, [good["uuid"]])
