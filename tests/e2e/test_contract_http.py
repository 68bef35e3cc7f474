"""The wire below the events: framing, limits, pipelining, and clients that are slow or gone."""
import gzip
import json
import threading

from harness import KEY, Penstock
from raw import JSON, OK, Wire, check, event, peak_memory, request, single, text
import sdk

HEAD = b"POST /e/ HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
QUICK = ("--set", "http.header_ms_max=400", "--set", "http.body_ms_max=700",
         "--set", "http.idle_ms_max=1200")
MIB = 1 << 20


def chunks(body, size):
    parts = [body[at:at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


REFUSED = [
    ("garbage", 400, b"garbage\r\n\r\n"),
    ("HTTP/2", 400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("HTTP/3.7", 400, b"GET / HTTP/3.7\r\nHost: x\r\n\r\n"),
    ("bare line feeds", 400, b"POST /e/ HTTP/1.1\nHost: x\n\n"),
    ("space before the colon", 400, b"POST /e/ HTTP/1.1\r\nHost : x\r\n\r\n"),
    ("folded header", 400, HEAD + b"X: a\r\n b\r\n\r\n"),
    ("NUL in a header", 400, HEAD + b"X: a\x00b\r\n\r\n"),
    ("length and chunks", 400, HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two lengths", 400, HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345"),
    ("length below zero", 400, HEAD + b"Content-Length: -5\r\n\r\n"),
    ("length not a number", 400, HEAD + b"Content-Length: 5x\r\n\r\n12345"),
    ("length beyond numbers", 400, HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n"),
    ("length of a TiB", 413, HEAD + b"Content-Length: 1099511627776\r\n\r\n"),
    ("another transfer coding", 400, HEAD + b"Transfer-Encoding: gzip\r\n\r\nabc"),
    ("chunk size not a number", 400, CHUNKED + b"zz\r\n"),
    ("chunk size below zero", 400, CHUNKED + b"-1\r\n"),
    ("chunk size beyond numbers", 400, CHUNKED + b"ffffffffffffffffff\r\n"),
    ("chunk longer than said", 400, CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n"),
    ("one large header", 431, HEAD + b"X: " + b"y" * 40_000 + b"\r\n\r\n"),
    ("a header without end", 431, HEAD + b"X: " + b"y" * 40_000),
    ("long target", 431, b"GET /e/?x=" + b"y" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("101 headers", 431, HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(101)) + b"\r\n"),
    ("TLS", 408, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("half a head", 408, b"POST /e/ HT"),
    ("half a body", 408, request(text(single()))[:-5]),
    ("half a chunked body", 408, CHUNKED + b"10\r\nabc"),
]


def test_what_is_no_request_is_refused_and_closed():
    with Penstock(*QUICK) as penstock:
        wrong = []

        def one(name, status, sent):
            with Wire(penstock) as wire:
                try:
                    wire.send(sent)
                    answer = wire.answer()
                    problem = check(answer, status)
                    if problem or answer.headers.get("connection") != "close" or not wire.closed():
                        wrong.append(f"{name}: {problem} {answer.headers}")
                except (OSError, ValueError) as error:
                    wrong.append(f"{name}: {error!r}")
        threads = [threading.Thread(target=one, args=row) for row in REFUSED]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, "\n".join(wrong)
        with Wire(penstock) as silent:
            assert silent.closed(), "a connection without a request stays open"
        assert int(penstock.ledger()["total"]["received"]) == 0


def test_framing():
    sent = [single(f"framed {n}") for n in range(12)]
    bodies = [text(one) for one in sent]
    with Penstock() as penstock, Wire(penstock) as wire:
        def took(data):
            wire.send(data)
            problem = check(wire.answer(), 200)
            assert not problem, (problem, data[:200])
        took(CHUNKED + chunks(bodies[0], 7))
        took(CHUNKED + chunks(bodies[1], 100_000))
        took(CHUNKED + b"%x;name=value\r\n%s\r\n0\r\nTrailer: x\r\n\r\n" % (len(bodies[2]), bodies[2]))
        took(CHUNKED + chunks(gzip.compress(bodies[3]), 11))
        took(b"\r\n\r\n" + request(bodies[4]))
        took(request(bodies[5], headers={f"X-{n}": "y" for n in range(95)}))
        took(request(bodies[6], headers={"X": "y" * 30_000}))
        took(request(bodies[7]).replace(b"POST", b"POST").replace(b"Content-Length", b"cONTENT-lENGTH"))
        wire.send(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(bodies[8]))
        assert wire.answer().status == 100
        took(bodies[8])
        for byte in request(bodies[9]):
            wire.send(bytes([byte]))
        assert check(wire.answer(), 200) is None
        with Wire(penstock) as old:
            old.send(request(bodies[10]).replace(b"HTTP/1.1", b"HTTP/1.0"))
            assert check(old.answer(), 200) is None and old.closed(), "HTTP/1.0 stays open"
        wire.send(request(bodies[11], headers={"Connection": "close"}))
        assert check(wire.answer(), 200) is None and wire.closed(), "Connection: close stays open"
        assert set(sdk.rows_by_uuid(penstock, 12)) == {one["uuid"] for one in sent}
        sdk.balanced(penstock, 12)


def test_pipelined_requests_are_answered_in_order():
    kinds = [("/e/", 200), ("/e/?beacon=1", 204), ("/nothing", 404), ("/e/", 400), ("/e/", 413)]
    sent, wanted, data = [], [], []
    for n in range(1000):
        path, status = kinds[n % 4 if n != 500 else 4]
        wanted.append(status)
        one = single()
        body = {400: b"{", 413: b" " * (20 * MIB + 1)}.get(status, text(one))
        if status in (200, 204):
            sent.append(one["uuid"])
        data.append(request(body, path))
    with Penstock() as penstock, Wire(penstock) as wire:
        writer = threading.Thread(target=wire.send, args=(b"".join(data),))
        writer.start()
        answers = [wire.answer() for _ in wanted]
        writer.join()
        assert [a.status for a in answers] == wanted
        assert all(a.body == OK for a in answers if a.status == 200)
        assert set(sdk.rows_by_uuid(penstock, len(sent))) == set(sent)
        sdk.balanced(penstock, len(sent))


def test_an_oversized_body_leaves_the_connection_usable():
    with Penstock() as penstock, Wire(penstock) as wire:
        for body in (b"x" * (20 * MIB + 1), b"x" * (40 * MIB)):
            assert check(wire.ask(body), 413) is None
            assert check(wire.ask(text(single())), 200) is None
        wire.send(CHUNKED + chunks(b"x" * (21 * MIB), MIB))
        assert check(wire.answer(), 413) is None
        assert check(wire.ask(text(single())), 200) is None
        sdk.balanced(penstock, 3)
        assert peak_memory(penstock) < 400, peak_memory(penstock)


def test_clients_that_are_slow_or_gone_hold_nobody_up():
    with Penstock() as penstock:
        before = peak_memory(penstock)
        whole = request(text(single("gone")), headers=JSON)
        wires = [Wire(penstock) for _ in range(400)]
        for n, wire in enumerate(wires):
            if n % 4 == 1:
                wire.send(whole[:30])
            elif n % 4 == 2:
                wire.send(whole[:-5])
            elif n % 4 == 3:  # announces 20 MiB and sends nothing of it
                wire.send(HEAD + b"Content-Length: %d\r\n\r\n" % (20 * MIB if n < 20 else 2000))
        with Wire(penstock) as other:
            first = single("while they dawdle")
            assert check(other.ask(text(first)), 200) is None
        for wire in wires:
            wire.socket.close()
        # One who never reads what it asked for: it is stopped, not served into memory.
        with Wire(penstock) as deaf, Wire(penstock) as other:
            deaf.socket.settimeout(1)
            try:
                for _ in range(400):
                    deaf.send(request(b"", "/metrics", "GET", {}) * 100)
            except OSError:
                pass
            second = single("while one is deaf")
            assert check(other.ask(text(second)), 200) is None
        assert peak_memory(penstock) - before < 150, (before, peak_memory(penstock))
        # Half-closed after the request: answered or not, the event is taken at most once.
        with Wire(penstock) as half:
            half.send(request(text(single("half"))))
            half.socket.shutdown(1)
            assert half.closed()
        names = penstock.eventually(lambda: len(rows := penstock.sql(
            "SELECT event FROM events")) >= 2 and rows)
        assert sorted(r[0] for r in names if r[0] != "half") == \
            sorted([first["event"], second["event"]]), names
        sdk.balanced(penstock)


def test_too_many_bodies_at_once_are_told_to_come_back():
    with Penstock("--set", "http.body_bytes_in_flight_max=1048576",
                  "--set", "http.body_ms_max=60000") as penstock, Wire(penstock) as holder:
        holder.send(HEAD + b"Content-Length: 1000000\r\n\r\n ")

        def full():
            with Wire(penstock) as wire:
                wire.send(HEAD + b"Content-Length: 900000\r\n\r\n")
                wire.socket.settimeout(0.3)
                try:
                    return wire.answer()
                except TimeoutError:
                    return None
        answer = penstock.eventually(full)
        assert check(answer, 503) is None, answer
        one = text(single())
        holder.send(one + b" " * (1_000_000 - 1 - len(one)))
        assert check(holder.answer(), 200) is None
        sdk.balanced(penstock, 1)


def test_the_same_connection_serves_many_kinds():
    """State of one request must not leak into the next: encodings, tokens, beacons, refusals."""
    sent = []

    def fresh():
        one = single()
        sent.append(one["uuid"])
        return text(one)
    with Penstock() as penstock, Wire(penstock) as wire:
        for _ in range(100):
            assert wire.ask(gzip.compress(fresh()), "/e/?compression=gzip&beacon=1").status == 204
            assert wire.ask(b"{").status == 400
            assert wire.ask(fresh()).status == 200
            assert wire.ask(text([event()])).status == 401
            assert wire.ask(b"").status == 400
            assert wire.ask(json.dumps({"token": KEY, "batch": []}).encode(), "/batch/").status == 400
            assert wire.ask(fresh(), "/batch").status == 200
            assert wire.ask(text(single(uuid="x"))).status == 400
        assert set(sdk.rows_by_uuid(penstock, len(sent))) == set(sent)
        sdk.balanced(penstock, len(sent))
