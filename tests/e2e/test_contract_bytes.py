"""The capture contract on the wire: encodings, damaged bytes, and bodies larger than life."""
import base64
import gzip
import json
import threading
import urllib.parse

from harness import KEY, Penstock
from raw import FORM, JSON, Table, Wire, base64_text, batch, check, event, lz64, peak_memory, single, text

LEGACY = ("/e/", "/capture/", "/track/", "/engage/")
PLAIN = ("/batch/", "/i/v0/e/")
TEXT = {"Content-Type": "text/plain"}
MIB = 1 << 20


def quoted(data):
    return urllib.parse.quote(data, safe="").encode()


def test_every_encoding_on_every_path():
    with Penstock() as penstock:
        t = Table(penstock)

        def row(name, encode, query="", headers=TEXT, status=200, paths=LEGACY + PLAIN):
            for path in paths:
                one = single(name, properties={"text": "naïve ☂ 👩‍🚀 \u2028"})
                t.row(name, status, encode(text(one)), path + query, headers=headers, stored=one)

        def same(data):
            return data

        for kind in ("application/json", "text/plain", "text/plain;charset=UTF-8",
                     "application/octet-stream", "application/json; charset=utf-8", ""):
            headers = {"Content-Type": kind} if kind else {}
            row(f"plain as {kind}", same, headers=headers)
            row(f"gzip as {kind}", gzip.compress, headers=headers)
        for hint in ("gzip", "gzip-js", "GZIP-JS", "zstd", "lz64x", "base64"):
            row(f"gzip, hint {hint}", gzip.compress, "?compression=" + hint)
        for coding in ("gzip", "gzip-js", "br", "identity"):
            row(f"gzip, coding {coding}", gzip.compress, headers={**TEXT, "Content-Encoding": coding})
        row("the query's hint first", gzip.compress, "?compression=gzip",
            {**TEXT, "Content-Encoding": "lz64"})
        row("several gzip members", lambda d: gzip.compress(d[:9]) + gzip.compress(d[9:]))
        row("base64", base64.b64encode)
        row("base64, hint", base64.b64encode, "?compression=base64")
        row("base64 of gzip", lambda d: base64.b64encode(gzip.compress(d)))
        row("base64 of gzip, hint", lambda d: base64.b64encode(gzip.compress(d)), "?compression=gzip-js")
        row("base64 twice", lambda d: base64.b64encode(base64.b64encode(d)), paths=LEGACY)
        row("base64 twice", lambda d: base64.b64encode(base64.b64encode(d)), status=400, paths=PLAIN)
        row("gzip of base64", lambda d: gzip.compress(base64.b64encode(d)), paths=LEGACY)
        row("gzip of base64", lambda d: gzip.compress(base64.b64encode(d)), status=400, paths=PLAIN)
        forms = [
            ("form", lambda d: b"data=" + quoted(d)),
            ("form, base64", lambda d: b"data=" + quoted(base64.b64encode(d))),
            ("form, base64 with bare plus", lambda d: b"data=" + base64.b64encode(d)),
            ("form, gzip", lambda d: b"data=" + quoted(base64.b64encode(gzip.compress(d)))
             + b"&compression=gzip-js"),
            ("form, gzip without hint", lambda d: b"data=" + quoted(base64.b64encode(gzip.compress(d)))),
            ("form, data last", lambda d: b"compression=base64&ip=1&_=1767323045678&data="
             + quoted(base64.b64encode(d))),
            ("form, ver first", lambda d: b"ver=1.2.3&data=" + quoted(d)),
            ("form, unknown first", lambda d: b"project_id=1&data=" + quoted(d)),
        ]
        for name, encode in forms:
            row(name, encode, headers=FORM)
        row("form, hint in the query", lambda d: b"data=" + quoted(base64.b64encode(gzip.compress(d))),
            "?compression=gzip-js", FORM)
        for path in LEGACY + PLAIN:
            for name, body, headers in (
                    ("form without data", b"ver=1&_=5", FORM), ("JSON as a form", text(single()), FORM),
                    ("a form as text", b"data=" + quoted(text(single())), TEXT),
                    ("form, data empty", b"data=", FORM), ("form, data broken", b"data=%7B%zz", FORM)):
                t.row(name, 400, body, path, headers=headers)
        t.finish()


def test_lz64_as_the_released_library_packs_it():
    bodies = [single("l" * n, properties={"text": "naïve ☂ 👩‍🚀 \u0000 " + "ab" * n}) for n in range(1, 49)]
    bodies.append(single("large", properties={str(n): f"value {n * n}" for n in range(3000)}))
    bodies.append([single(), single()])
    bodies.append(batch(event(), event()))
    packed = lz64([json.dumps(b, ensure_ascii=n % 2 == 0) for n, b in enumerate(bodies)])
    with Penstock() as penstock:
        t = Table(penstock)

        def again(body):
            """The same request as an event of its own: dedup must not hide a failure."""
            fresh = [json.loads(json.dumps(body)) for _ in range(4)]
            return fresh
        for n, (body, lz) in enumerate(zip(bodies, packed)):
            data = lz.encode()
            for name, path, sent, headers in (
                    ("body, query", "/e/?compression=lz64", data, TEXT),
                    ("body, query, lz-string", "/batch/?compression=LZ-String", data, TEXT),
                    ("body, coding", "/i/v0/e/", data, {**TEXT, "Content-Encoding": "lz64"}),
                    ("form", "/capture/", b"data=" + quoted(data) + b"&compression=lz64", FORM),
                    ("form, bare plus", "/track/?compression=lz64", b"data=" + data, FORM)):
                answer = t.wire.ask(sent, path, headers=headers)
                if problem := check(answer, 200):
                    t.wrong.append(f"{n} {name}: {problem}")
            for cut in (1, len(data) // 2, len(data) - 8):
                answer = t.wire.ask(data[:cut], "/e/?compression=lz64", headers=TEXT)
                if problem := check(answer, 400):
                    t.wrong.append(f"{n} cut at {cut}: {problem}")
        for junk in (b"!", b"AAAA", b"=" * 64, b"\xff" * 64, b"/" * 4096):
            t.row(f"junk {junk[:4]}", 400, junk, "/e/?compression=lz64", headers=TEXT)
        assert not t.wrong, "\n".join(t.wrong[:20])
        wanted = {u for body in bodies for u in ([e["uuid"] for e in body] if isinstance(body, list) else
                                                 [e["uuid"] for e in body.get("batch", [body])])}
        penstock.eventually(lambda: {r[0] for r in penstock.sql(
            "SELECT toString(uuid) FROM events")} == wanted)
        big = bodies[48]
        row = penstock.sql(f"SELECT properties FROM events WHERE uuid = '{big['uuid']}'")[0][0]
        assert big["properties"].items() <= json.loads(row).items()


class Bystander(threading.Thread):
    """Another client, which must not notice anything."""

    def __init__(self, penstock):
        super().__init__()
        self.penstock, self.accepted, self.problems = penstock, [], []
        self.enough = threading.Event()

    def run(self):
        with Wire(self.penstock) as wire:
            while not self.enough.is_set():
                one = single("bystander")
                problem = check(wire.ask(text(one)), 200)
                self.problems += [problem] if problem else []
                self.accepted.append(one["uuid"])
                self.enough.wait(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.join()


def nested(depth, opening=b"[", closing=b"]"):
    return opening * depth + b"1" + closing * depth


def with_value(name, value):
    """An event with raw JSON text as one member."""
    return text(single())[:-1] + b',"%s":%s}' % (name.encode(), value)


BROKEN = [
    ("invalid UTF-8", b'{"api_key":"%s","event":"\xff","distinct_id":"d"}' % KEY.encode()),
    ("cut UTF-8", b'{"api_key":"%s","event":"\xe2\x82","distinct_id":"d"}' % KEY.encode()),
    ("overlong UTF-8", b'{"api_key":"%s","event":"\xc0\xaf","distinct_id":"d"}' % KEY.encode()),
    ("surrogate as UTF-8", b'{"api_key":"%s","event":"\xed\xa0\x80","distinct_id":"d"}' % KEY.encode()),
    ("UTF-16", json.dumps(single()).encode("utf-16")),
    ("byte order mark", b"\xef\xbb\xbf" + text(single())),
    ("only NULs", b"\0" * 1000),
    ("a NUL behind", text(single()) + b"\0"),
    ("a NUL inside", b"\0".join([text(single())[:10], text(single())[10:]])),
    ("a bare control character", with_value("x", b'"a\x01b"')),
    ("a bare newline in a text", with_value("x", b'"a\nb"')),
    ("NaN", with_value("x", b"NaN")), ("Infinity", with_value("x", b"-Infinity")),
    ("comma behind", text(single())[:-1] + b",}"), ("comment", b"/* x */" + text(single())),
    ("single quotes", b"{'event':'e'}"), ("bad escape", with_value("x", b'"\\x41"')),
    ("short escape", with_value("x", b'"\\u12"')), ("leading zero", with_value("x", b"01")),
    ("plus", with_value("x", b"+1")), ("bare point", with_value("x", b"1.")),
    ("bare exponent", with_value("x", b"1e")), ("two values", text(single()) * 2),
    ("member twice", with_value("event", b'"again"')),
    ("token twice", with_value("token", b'"%s"' % KEY.encode())),
    ("distinct id twice", with_value("$distinct_id", b'"other"')),
    ("huge offset", with_value("offset", b"9" * 400)), ("offset with a point", with_value("offset", b"1.0")),
    ("damaged gzip", gzip.compress(text(single()))[:-9] + b"\0" * 9),
    ("gzip of nothing", gzip.compress(b"")),
    ("gzip of gzip", gzip.compress(gzip.compress(text(single())))),
    ("gzip with bad checksum", gzip.compress(text(single()))[:-8] + b"\1" * 8),
    ("gzip of another method", b"\x1f\x8b\x07" + gzip.compress(text(single()))[3:]),
]


def test_damaged_bytes_hurt_nobody():
    with Penstock() as penstock, Bystander(penstock) as other:
        t = Table(penstock)
        for path in ("/e/", "/batch/"):
            for name, body in BROKEN:
                t.row(name, 400, body, path)
            t.row("hint gzip, not gzip", 400, text(single()), path + "?compression=gzip-js")
            t.row("coding gzip, not gzip", 400, text(single()), path,
                  headers={**JSON, "Content-Encoding": "gzip"})
        whole = gzip.compress(text(batch(*[event() for _ in range(20)])))
        for cut in range(1, len(whole), 7):
            t.row(f"gzip cut at {cut} of {len(whole)}", 400, whole[:cut])
        for depth in (129, 10_000, 1_000_000):
            for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
                deep = nested(depth, opening, closing)
                t.row(f"{depth} deep", 400, deep)
                for member in ("properties", "distinct_id", "x", "$set"):
                    t.row(f"{depth} deep in {member}", 400, text({"api_key": KEY, "event": "e"})[:-1]
                          + b',"%s":%s}' % (member.encode(), deep))
            t.row(f"{depth} deep, never closed", 400, b"[" * depth)
        # What looks odd and is right.
        kept = single("odd", properties={"nul": "a\x00b", "twice": 1, "number": 10 ** 400})
        raw = text(kept).replace(b'"twice": 1', b'"twice":1,"twice":2,"lone":"\\ud800x","low":"\\udc00"'
                                 b',"pair":"\\ud83d\\ude00","tiny":1e-400,"huge":1e400')
        t.row("odd and right", 200, raw, stored=kept)
        t.row("100 deep", 200, with_value("x", nested(100)), unnamed=1)
        named_nul = single("nul\x00name", distinct_id="d\x00d")
        t.row("NUL in names", 200, named_nul)
        t.row("spaces around", 200, b" \r\n\t" + text(single()) + b"\n\n", unnamed=1)
        other.enough.set()
        other.join()
        assert not other.problems and other.accepted, other.problems[:3]
        t.accepted.update(other.accepted)
        t.finish()
        row = penstock.sql(f"SELECT properties FROM events WHERE uuid = '{kept['uuid']}'")[0][0]
        stored = json.loads(row)
        assert stored["twice"] == 2 and stored["lone"] == "\ufffdx" and stored["low"] == "\ufffd", row
        assert stored["pair"] == "😀", row
        assert stored["nul"] in ("a\x00b", "a\ufffdb"), row
        row = penstock.sql(f"SELECT distinct_id FROM events WHERE uuid = '{named_nul['uuid']}'")[0]
        assert row == ["d\ufffdd"], row


def test_large_bodies_take_bounded_memory():
    with Penstock() as penstock, Bystander(penstock) as other:
        t = Table(penstock)
        bomb = gzip.compress(b"[" + b" " * (150 * MIB) + b"]")
        for name, body, path, headers in (
                ("gzip bomb", bomb, "/e/", JSON), ("gzip bomb", bomb, "/batch/", TEXT),
                ("base64 of a bomb", base64.b64encode(bomb), "/e/", TEXT),
                ("bomb in a form", b"data=" + quoted(base64.b64encode(bomb)), "/e/", FORM),
                ("many members", gzip.compress(b" " * MIB) * 120, "/e/", JSON)):
            t.row(name, 413, body, path, headers=headers)
        t.row("60 MiB of numbers", 413, gzip.compress(b"[" + b"1," * (30 * MIB), 1))
        t.row("20 million brackets", 400, b"[" * (19 * MIB))
        t.row("20 million openings", 400, b'{"a":' * (4 * MIB))
        one = single()
        whole = text(one)
        t.row("inflates to the limit", 200, gzip.compress(whole + b" " * (100 * MIB - len(whole)), 1),
              stored=one)
        t.row("inflates to one byte more", 413, gzip.compress(whole + b" " * (100 * MIB + 1 - len(whole)), 1))
        for path in ("/e/", "/batch/", "/i/v0/e/", "/capture/", "/track/", "/engage/"):
            one = single()
            whole = text(one)
            t.row("20 MiB to the byte", 200, whole + b" " * (20 * MIB - len(whole)), path, stored=one)
            t.row("one byte more", 413, whole + b" " * (20 * MIB + 1 - len(whole)), path)
        t.row("39 MiB", 413, b"x" * (39 * MIB))
        large = [event("large", properties={"n": n, "pad": "p" * 700}) for n in range(20_000)]
        t.row("20,000 events", 200, batch(*large))
        huge = single("huge", properties={"pad": "é" * (5 * MIB)})
        t.row("one event of 10 MiB", 200, json.dumps(huge, ensure_ascii=False).encode(), stored=huge)
        t.row("too many events", 413, b'{"api_key":"k","batch":[' + b",".join([b"{}"] * 100_001) + b"]}",
              headers=JSON)
        other.enough.set()
        other.join()
        assert not other.problems and other.accepted, other.problems[:3]
        t.accepted.update(other.accepted)
        t.finish()
        length = penstock.sql("SELECT length(JSONExtractString(properties, 'pad')) FROM events "
                              "WHERE event = 'huge'")
        assert length == [[str(10 * MIB)]], length
        memory = peak_memory(penstock)
        print("        peak of the process: %d MiB" % memory)
        assert memory < 700, memory


def test_an_lz64_bomb():
    limit = 128 << 10
    ones = [single(), single()]
    fits, bursts = (json.dumps(one) + " " * (limit - len(json.dumps(one)) + more)
                    for one, more in zip(ones, (0, 1)))
    with Penstock("--set", f"capture.decoded_bytes_max={limit}",
                  "--set", f"capture.message_bytes_max={limit}") as penstock:
        t = Table(penstock)
        for n, (lz, status) in enumerate(zip(lz64([fits, bursts, "☂" * (limit // 2)]), (200, 413, 413))):
            t.row(f"lz64 {n}", status, lz.encode(), "/e/?compression=lz64", headers=TEXT,
                  stored=ones[0])
        t.row("plain, one byte more", 413, bursts.encode())
        t.finish()
