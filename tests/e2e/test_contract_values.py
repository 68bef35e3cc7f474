"""The capture contract by what SQL answers: times, distinct ids, uuids, addresses, properties."""
import datetime
import json
import uuid

from harness import KEY, Penstock
from raw import JSON, Table, batch, event, now_ms, single, text
import sdk

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000


def millis(*date):
    return int(datetime.datetime(*date, tzinfo=datetime.timezone.utc).timestamp() * 1000)


def iso(ms):
    return (datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)
            .isoformat(timespec="milliseconds"))


BASE = millis(2026, 1, 2, 3, 4, 5)
WRITTEN = [  # text → milliseconds, or None: the time of receipt
    ("2026-01-02T03:04:05.678Z", BASE + 678), ("2026-01-02T03:04:05Z", BASE),
    ("2026-01-02T03:04:05.678912Z", BASE + 678), ("2026-01-02T03:04:05.6Z", BASE + 600),
    ("2026-01-02T03:04:05+00:00", BASE), ("2026-01-02T05:04:05+02:00", BASE),
    ("2026-01-02T05:04:05+02", BASE), ("2026-01-01T21:34:05-0530", BASE),
    ("2026-01-02t03:04:05z", BASE), ("2026-01-02T03:04:05", BASE), ("2026-01-02 03:04:05", BASE),
    ("2026-01-02 03:04:05.250 +00:00", BASE + 250), ("2026-01-02", millis(2026, 1, 2)),
    ("2026/01/02", millis(2026, 1, 2)), ("2026/01/02 03:04:05", BASE), ("2026-01-02T03:04Z", BASE - 5000),
    ("Fri, 02 Jan 2026 03:04:05 +0000", BASE), ("Fri, 02 Jan 2026 03:04:05 GMT", BASE),
    ("02 Jan 2026 03:04:05 +0000", BASE), ("1767323045", BASE), ("1767323045678", BASE + 678),
    (" 2026-01-02T03:04:05Z ", BASE), ("1999-12-31T23:59:59.999Z", millis(2000, 1, 1) - 1),
    ("2024-02-29T00:00:00Z", millis(2024, 2, 29)),
    ("yesterday", None), ("", None), ("2026-13-01T00:00:00Z", None), ("2025-02-29T00:00:00Z", None),
    ("2026-01-02T25:00:00Z", None), ("2026-01-02T03:04:05+99:00", None), ("T", None), ("-", None),
    ("9" * 60, None), ("2026-01-02T03:04:05Z and more", None), ("\u0662\u0660\u0662\u0666-01-02", None),
    ("+12026-01-01T00:00:00Z", 0), ("-0044-03-15T00:00:00Z", 0),
]


def test_times():
    with Penstock() as penstock:
        t = Table(penstock)
        wanted = {}

        def row(name, body, low, high, path="/e/"):
            """Stored between `low` and `high`, each in ms from (or after) receipt if callable."""
            before = now_ms()
            t.row(name, 200, body, path)
            after = now_ms()
            one = body["batch"][0] if "batch" in body else body
            wanted[one["uuid"]] = (name, low(before) if callable(low) else low,
                                   high(after) if callable(high) else high)

        def exactly(value):
            return value, value

        def receipt_plus(ms):
            return (lambda before: before + ms), (lambda after: after + ms)

        for written, ms in WRITTEN:
            low, high = receipt_plus(0) if ms is None else exactly(ms)
            row(f"timestamp {written!r}", single(timestamp=written), low, high)
            if written not in ("", "9" * 60):
                row(f"timestamp {written!r} of a batch", batch(event(timestamp=written)), low, high,
                    "/batch/")
        row("no timestamp", single(), *receipt_plus(0))
        row("timestamp null", single(timestamp=None), *receipt_plus(0))
        row("offset", single(offset=5000), *receipt_plus(-5000))
        row("offset before timestamp", single(offset=5000, timestamp="2026-01-02"), *receipt_plus(-5000))
        row("offset below zero", single(offset=-HOUR), *receipt_plus(HOUR))
        row("offset of nothing", single(offset=0), *receipt_plus(0))
        row("offset beyond all years", single(offset=2 ** 62), *exactly(0))
        now = now_ms()
        row("22 hours ahead", single(timestamp=iso(now + 22 * HOUR)), *exactly(now + 22 * HOUR))
        row("25 hours ahead", single(timestamp=iso(now + 25 * HOUR)), *receipt_plus(0))
        row("offset 25 hours ahead", single(offset=-25 * HOUR), *receipt_plus(0))
        # A client whose clock is off: its events move by what its clock is off.
        for skew in (-HOUR, -10 * MINUTE, 0, 10 * MINUTE, HOUR):
            sent, at = now_ms() + skew, BASE + 77

            def moved(clock, sent=sent, at=at):
                return at - (sent - clock)
            def ignoring(properties):
                return batch(event(timestamp=iso(at), properties=properties), sent_at=iso(sent))
            row(f"clock {skew} off", batch(event(timestamp=iso(at)), sent_at=iso(sent)), moved, moved)
            row(f"clock {skew} off, in _", single(timestamp=iso(at)), moved, moved, f"/e/?_={sent}")
            row(f"clock {skew} off, in sent_at", single(timestamp=iso(at)), moved, moved,
                f"/i/v0/e/?sent_at={sent}")
            row(f"clock {skew} off, batch before query", batch(event(timestamp=iso(at)), sent_at=iso(sent)),
                moved, moved, f"/batch/?_={BASE}")
            row(f"clock {skew} off, ignored", ignoring({"$ignore_sent_at": True}), *exactly(at))
            row(f"clock {skew} off, ignored in words", ignoring({"$ignore_sent_at": "true"}), moved, moved)
            row(f"clock {skew} off, offset", batch(event(timestamp=iso(at), offset=5000), sent_at=iso(sent)),
                *receipt_plus(-5000))
        row("seconds in _", single(timestamp=iso(BASE)), *exactly(BASE), f"/e/?_={now // 1000}")
        row("sent_at unreadable", batch(event(timestamp=iso(BASE)), sent_at="soon"), *exactly(BASE))
        row("sent_at null", batch(event(timestamp=iso(BASE)), sent_at=None), *exactly(BASE))
        row("sent_at without timestamp", batch(event(), sent_at=iso(now - HOUR)), *receipt_plus(0))
        t.finish()
        stored = {r[0]: int(r[1]) for r in penstock.sql(
            "SELECT toString(uuid), toUnixTimestamp64Milli(toDateTime64(timestamp, 3, 'UTC')) FROM events")}
        wrong = [f"{name}: {stored[u]}, not {low}…{high}" for u, (name, low, high) in wanted.items()
                 if not low <= stored[u] <= high]
        assert not wrong, "\n".join(wrong)


def test_the_other_rules_for_a_wrong_clock():
    """Published servers correct a wrong clock in three ways; which, is a setting."""
    corrected = {  # minutes the clock is ahead → minutes its events move
        "exact": [(2, 2), (10, 10), (-12, -12), (61, 61)],
        "deadband_150s": [(2, 0), (-2, 0), (10, 7.5), (-10, -7.5)],
        "round_5min": [(2, 0), (3, 5), (-3, -5), (12, 10), (13, 15)],
    }

    def check_rule(rule):
        with Penstock("--set", f"capture.skew_rule={rule}") as penstock:
            t = Table(penstock)
            wanted = {}
            for ahead, moved in corrected[rule]:
                before = now_ms()
                one = event(timestamp=iso(BASE))
                t.row(f"{ahead} minutes", 200, batch(one, sent_at=iso(before + ahead * MINUTE)))
                taken = now_ms() - before if moved == ahead or rule == "deadband_150s" and moved else 0
                low = BASE - int(moved * MINUTE)
                wanted[one["uuid"]] = (ahead, low, low + taken)
            t.finish()
            stored = dict(penstock.sql("SELECT toString(uuid), toUnixTimestamp64Milli("
                                       "toDateTime64(timestamp, 3, 'UTC')) FROM events"))
            wrong = [(stored[u], w) for u, w in wanted.items() if not w[1] <= int(stored[u]) <= w[2]]
            assert not wrong, wrong
    sdk.side_by_side(check_rule, corrected)


def test_distinct_ids():
    table = [  # JSON, what is stored; None: the request is 400
        ("plain", "plain"), (23, "23"), (-1.5, "-1.5"), (True, "true"), (False, "false"),
        (9007199254740993, "9007199254740993"), ([], "[]"), ({}, "{}"),
        ([1, {"b": 1, "a": ["x", None]}], '[1,{"a":["x",null],"b":1}]'),
        ("", None), (None, None), (" ", " "), (" padded ", " padded "), ("a\x00b", "a\ufffdb"),
        ("x" * 200, "x" * 200), ("x" * 201, "x" * 200), ("é" * 250, "é" * 200), ("👩" * 250, "👩" * 200),
        ("x" * 100_000, "x" * 200), ("quote \" back \\ slash / tab\t", "quote \" back \\ slash / tab\t"),
        ("ünï ☂", "ünï ☂"), ("null", "null"), ("0", "0"), ("\ud83d\ude00", "\U0001f600"),
    ]
    with Penstock() as penstock:
        t = Table(penstock)
        wanted = {}
        for value, stored in table:
            status = 400 if stored is None else 200
            direct = single(distinct_id=value)
            dollar = single()
            dollar["$distinct_id"] = dollar.pop("distinct_id") and value
            inside = single(distinct_id=None, properties={"distinct_id": value})
            absent = single(properties={"distinct_id": value})
            del absent["distinct_id"]
            for name, body in (("direct", direct), ("dollar", dollar), ("inside", inside),
                               ("absent", absent)):
                t.row(f"{name} {str(value)[:30]!r}", status, body)
                if stored is not None:
                    wanted[body["uuid"]] = stored
        both = single(distinct_id="outer", properties={"distinct_id": "inner"})
        empty = single(distinct_id="", properties={"distinct_id": "inner"})
        t.row("outer before inner", 200, both)
        t.row("an empty outer hides the inner", 400, empty)
        wanted[both["uuid"]] = "outer"
        t.finish()
        rows = dict(penstock.sql("SELECT toString(uuid), distinct_id FROM events"))
        wrong = [(rows[u], value) for u, value in wanted.items() if rows[u] != value]
        assert not wrong, wrong[:5]


def test_uuids():
    with Penstock() as penstock:
        t = Table(penstock)
        wanted = set()
        for form in (str, lambda u: str(u).upper(), lambda u: u.hex, lambda u: "{%s}" % u,
                     lambda u: f"urn:uuid:{u}"):
            for make in (uuid.uuid4, uuid.uuid1):
                one = make()
                wanted.add(str(one))
                t.row(form(one), 200, text(single(uuid=form(one))), stored={"uuid": str(one)})
        good = str(uuid.uuid4())
        for bad in (good[:-1], good + "0", " " + good, good.replace("-", "_"), "g" + good[1:], "null",
                    "0", "{" + good, good[:8]):
            t.row(f"uuid {bad!r}", 400, single(uuid=bad))
        t.row("nil", 200, text(single(uuid=str(uuid.UUID(int=0)))))
        again = single(distinct_id="twice")
        for _ in range(3):
            t.row("the same again", 200, again)
        penstock.eventually(lambda: penstock.ledger()["total"]["in_flight"] == 0)
        total = penstock.ledger()["total"]
        assert [int(total[k]) for k in ("received", "stored", "deduplicated", "quarantined")] == \
            [len(wanted) + 4, len(wanted) + 1, 2, 1], total
        assert penstock.ledger()["balance"]["balanced"] and not t.wrong, t.wrong
        rows = [r[0] for r in penstock.sql("SELECT toString(uuid) FROM events")]
        assert sorted(rows) == sorted(wanted | {again["uuid"]}), rows


def test_client_addresses():
    table = [
        ({}, {}, "127.0.0.1"), ({"X-Forwarded-For": "203.0.113.9, 10.0.0.1"}, {}, "203.0.113.9"),
        ({"X-Forwarded-For": "2001:db8::7"}, {}, "2001:db8::7"), ({"X-Real-Ip": "203.0.113.8"}, {}, "203.0.113.8"),
        ({"X-Forwarded-For": "203.0.113.9", "X-Real-Ip": "203.0.113.8"}, {}, "203.0.113.9"),
        ({"Forwarded": "for=203.0.113.7;proto=https"}, {}, "203.0.113.7"),
        ({"X-Forwarded-For": "203.0.113.9"}, {"capture_internal": True}, "127.0.0.1"),
        ({"X-Forwarded-For": "203.0.113.9"}, {"$ip": "198.51.100.1"}, "198.51.100.1"),
    ]
    with Penstock() as penstock:
        t = Table(penstock)
        wanted = {}
        for headers, properties, address in table:
            one = single(properties=properties)
            t.row(f"{headers} {properties}", 200, one, "/e/?ip=0", headers={**JSON, **headers})
            wanted[one["uuid"]] = address
        t.finish()
        rows = dict(penstock.sql("SELECT toString(uuid), JSONExtractString(properties, '$ip') FROM events"))
        assert rows == wanted, rows


# Raw JSON text → what must stand in the stored properties, as text.
KEPT_AS_WRITTEN = [
    "0", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808",
    "18446744073709551615", "340282366920938463463374607431768211456", "0.1", "3.141592653589793",
    "1e-7", "1.7976931348623157e308", "true", "false", "null", '""', '"plain"', "[]", "{}",
    '[1,"two",[3.5,null],{"four":4}]', '{"a":{"b":{"c":["deep"]}},"z":1,"b":2}',
    '"naïve ☂ 👩‍🚀 ключ"', '"tab\\tnewline\\nquote\\"back\\\\"', '"<script>alert(1)</script>"',
]


def test_properties_stay_what_they_are():
    with Penstock() as penstock:
        t = Table(penstock)
        parts = ",".join(f'"p{n}":{raw}' for n, raw in enumerate(KEPT_AS_WRITTEN))
        one = single()
        kept = text(one).replace(b'"properties": {', b'"properties": {' + parts.encode() + b",")
        t.row("as written", 200, kept, stored=one)
        names = {"": 1, " ": 2, "a.b": 3, "ключ": 4, "with \"quotes\"": 5, "x" * 500: 6, "__proto__": 7}
        odd = single("odd names", properties=names)
        t.row("odd names", 200, odd)
        extra = single("extra", library="x", ip="9.9.9.9", message_id="m", type="t", context={"a": 1})
        extra["$unset"] = ["gone"]
        t.row("unknown members", 200, extra)
        lifted = single("lifted", **{"$set": {"plan": "pro"}, "$set_once": {"first": 1}})
        t.row("$set beside properties", 200, lifted)
        long = single("n" * 300)
        t.row("long name", 200, long)
        t.finish()
        rows = {r[0]: (r[1], r[2]) for r in penstock.sql(
            "SELECT toString(uuid), properties, event FROM events")}
        raw = rows[one["uuid"]][0]
        missing = [part for n, part in enumerate(KEPT_AS_WRITTEN) if f'"p{n}":{part}' not in raw]
        assert not missing, (missing, raw)
        assert names.items() <= json.loads(rows[odd["uuid"]][0]).items(), rows[odd["uuid"]]
        assert set(json.loads(rows[extra["uuid"]][0])) == {"mark", "$ip"}, rows[extra["uuid"]]
        properties = json.loads(rows[lifted["uuid"]][0])
        assert properties["$set"] == {"plan": "pro"} and properties["$set_once"]["first"] == 1, properties
        assert rows[long["uuid"]][1] == "n" * 200, rows[long["uuid"]][1]
