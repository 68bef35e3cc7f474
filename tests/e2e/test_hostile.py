"""Clients that mean no good, against the real binary: each is cut or refused within its limits, memory
stays bounded, and a neighbour gets its 200s all the while."""
import contextlib
import http.client
import json
import pathlib
import resource
import signal
import socket
import threading
import time
import urllib.parse
import uuid

from harness import KEY, Penstock

QUICK = ("--set", "http.header_ms_max=1000", "--set", "http.body_ms_max=1500",
         "--set", "http.send_ms_max=1000", "--set", "http.idle_ms_max=3000")
NEIGHBOUR_SECONDS_MAX = 5.0  # for one answer, on a machine that does other things too


def connect(p):
    parts = urllib.parse.urlsplit(p.capture)
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


def until_closed(s):
    """What still came, until the server closed or reset."""
    out = b""
    with contextlib.suppress(ConnectionError):
        while piece := s.recv(65536):
            out += piece
    s.close()
    return out


def rss(p):
    text = pathlib.Path(f"/proc/{p.process.pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in text.splitlines() if "VmRSS" in line))


class Neighbour(threading.Thread):
    """Sends an event after the other on one connection and keeps what it was answered."""

    def __init__(self, p):
        super().__init__(daemon=True)
        parts = urllib.parse.urlsplit(p.capture)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        self.statuses, self.slowest, self.stopping = [], 0.0, threading.Event()

    def run(self):
        body = json.dumps({"api_key": KEY, "event": "neighbour", "distinct_id": "n"})
        while not self.stopping.wait(0.02):
            begun = time.monotonic()
            try:
                self.connection.request("POST", "/i/v0/e/", body,
                                        {"Content-Type": "application/json"})
                answer = self.connection.getresponse()
                answer.read()
                self.statuses.append(answer.status)
            except OSError as error:
                self.statuses.append(repr(error))
            self.slowest = max(self.slowest, time.monotonic() - begun)

    def __enter__(self):
        self.start()
        return self

    def stop(self):
        self.stopping.set()
        self.join(60)

    def __exit__(self, *_):
        deadline = time.monotonic() + 30
        while len(self.statuses) < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.stop()
        others = [s for s in self.statuses if s != 200]
        assert len(self.statuses) > 10 and not others, (len(self.statuses), others[:3])
        assert self.slowest < NEIGHBOUR_SECONDS_MAX, self.slowest


def drip(sockets, byte, seconds):
    """A byte at a time to each, until all are closed by the other side or the time is over."""
    deadline = time.monotonic() + seconds
    open_ones = list(sockets)
    while open_ones and time.monotonic() < deadline:
        for s in list(open_ones):
            try:
                s.sendall(byte)
            except OSError:
                open_ones.remove(s)
        time.sleep(0.05)
    return open_ones


def test_slow_headers_and_slow_bodies_are_cut_by_total_time():
    with Penstock(*QUICK) as p, Neighbour(p):
        heads, bodies = [connect(p) for _ in range(100)], [connect(p) for _ in range(100)]
        for s in heads:
            s.sendall(b"POST /i/v0/e/ HTTP/1.1\r\nX: ")
        for s in bodies:
            s.sendall(b"POST /i/v0/e/ HTTP/1.1\r\nContent-Length: 100000\r\n\r\n{")
        assert drip(heads + bodies, b"a", 15) == []
        for s in heads + bodies:
            answer = until_closed(s)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 408"), answer[:100]


def test_ten_thousand_idle_connections_cost_less_than_8_kib_each():
    count, with_request = 10_000, 3_000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 500:
        return f"only {hard} descriptors are allowed here"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    body = json.dumps({"api_key": KEY, "event": "idle", "distinct_id": "i", "properties":
                       {"filling": "x" * 3000}}).encode()
    request = (b"POST /i/v0/e/ HTTP/1.1\r\nHost: x\r\nUser-Agent: somebody with a usual length of "
               b"name/1.0 (X11; Linux x86_64)\r\nAccept: */*\r\nContent-Type: application/json\r\n"
               b"Content-Length: %d\r\n\r\n" % len(body) + body)
    with Penstock("--set", "http.idle_ms_max=600000") as p:
        for _ in range(200):  # what the first requests allocate once is not the connections'
            assert p.post("/i/v0/e/", body)[0] == 200
        before = rss(p)
        idle = []
        with Neighbour(p):
            for i in range(count):
                s = connect(p)
                if i < with_request:
                    s.sendall(request)
                    assert s.recv(4096).startswith(b"HTTP/1.1 200")
                idle.append(s)
            connections = p.eventually(
                lambda: p.api("/api/status")[1]["capture"]["connections"] >= count)
            assert connections
        each = (rss(p) - before) / count
        print(f"        {each:.0f} bytes of memory per idle connection", flush=True)
        assert each < 8192, each
        assert p.post("/i/v0/e/", body)[0] == 200
        for s in idle:
            s.close()


def test_without_descriptors_left_it_waits_quietly_and_recovers():
    with Penstock() as p:
        body = {"api_key": KEY, "event": "x", "distinct_id": "d"}
        assert p.post("/i/v0/e/", body)[0] == 200
        kept = connect(p)
        request = b"GET /_liveness HTTP/1.1\r\n\r\n"
        kept.sendall(request)
        assert kept.recv(4096).startswith(b"HTTP/1.1 200")
        used = len(list(pathlib.Path(f"/proc/{p.process.pid}/fd").iterdir()))
        limits = resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE, (used + 20, limits[1]))
        waiting = [connect(p) for _ in range(60)]

        def cpu_ticks():
            fields = pathlib.Path(f"/proc/{p.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])

        time.sleep(0.3)
        begun = cpu_ticks()
        time.sleep(2)
        assert cpu_ticks() - begun < 60, cpu_ticks() - begun  # of 200 for a loop that spins
        kept.sendall(request)
        assert kept.recv(4096).startswith(b"HTTP/1.1 200")
        resource.prlimit(p.process.pid, resource.RLIMIT_NOFILE, limits)
        for s in waiting:
            s.sendall(request)
            assert s.recv(4096).startswith(b"HTTP/1.1 200")
            s.close()
        assert p.post("/i/v0/e/", body)[0] == 200


def test_header_bombs_are_refused_and_cost_nothing():
    with Penstock() as p, Neighbour(p):
        p.post("/i/v0/e/", {"api_key": KEY, "event": "x", "distinct_id": "d"})
        before = rss(p)
        for i in range(300):
            s = connect(p)
            with contextlib.suppress(OSError):
                if i % 2 == 0:
                    s.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 1_000_000)
                else:
                    s.sendall(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000)
            answer = until_closed(s)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 431"), answer[:100]
        assert rss(p) - before < 32 << 20, rss(p) - before


def test_abuse_of_chunks_is_refused_or_cut():
    head = b"POST /i/v0/e/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Penstock(*QUICK, "--set", "capture.body_bytes_max=100000") as p, Neighbour(p):
        for bad in (b"zz\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"1\r\nab\r\n", b"\r\n",
                    b"5 5\r\nhello\r\n", b"0x5\r\nhello\r\n"):
            s = connect(p)
            s.sendall(head + bad)
            answer = until_closed(s)
            assert answer.startswith(b"HTTP/1.1 400"), (bad, answer[:100])
        # More than is taken, in chunks of one byte: 413, without the server keeping it.
        s = connect(p)
        with contextlib.suppress(OSError):
            s.sendall(head + b"1\r\nx\r\n" * 300_000)
        answer = until_closed(s)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 413"), answer[:100]
        # Endless extensions, trailers and chunks that never come are cut by the deadline.
        slow = [connect(p) for _ in range(30)]
        for i, s in enumerate(slow):
            s.sendall(head + (b"5;x=", b"0\r\nT: ", b"fffff\r\n")[i % 3])
        assert drip(slow, b"a", 15) == []
        for s in slow:
            answer = until_closed(s)
            assert answer == b"" or answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 4")), answer[:99]


def greedy_client(p, answers):
    """Has asked for so many large answers and has little room for them."""
    s = connect(p)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(b"GET /static/array.js HTTP/1.1\r\nHost: x\r\n\r\n" * answers)
    return s


def still_open(sockets):
    """Which of them the server has not cut, unread answers or not."""
    table = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    open_ports = {int(row[1].split(":")[1], 16) for row in table if row[3] == "01"}
    return {port for port in (s.getsockname()[1] for s in sockets) if port in open_ports}


def test_a_client_that_never_reads_is_cut_with_bounded_memory():
    with Penstock(*QUICK) as p, Neighbour(p):
        assert len(p.get("/static/array.js")[1]) > 100_000
        before, most = rss(p), 0
        greedy = [greedy_client(p, 200) for _ in range(50)]
        deadline = time.monotonic() + 30
        while still_open(greedy) and time.monotonic() < deadline:
            most = max(most, rss(p) - before)
            time.sleep(0.05)
        assert not still_open(greedy)
        # One answer each, and some more: not the two hundred they asked for.
        assert most < 64 << 20, most
        for s in greedy:
            s.close()


def test_a_client_that_reads_a_byte_now_and_then_is_cut():
    with Penstock(*QUICK) as p, Neighbour(p):
        slow = [greedy_client(p, 200) for _ in range(10)]
        deadline = time.monotonic() + 30
        while still_open(slow) and time.monotonic() < deadline:
            for s in slow:
                with contextlib.suppress(OSError):
                    s.recv(1)
            time.sleep(0.1)
        assert not still_open(slow)
        for s in slow:
            s.close()


def test_half_open_connections_end_and_half_closed_ones_are_answered():
    body = json.dumps({"api_key": KEY, "event": "half", "distinct_id": "h"}).encode()
    request = (b"POST /i/v0/e/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
               b"Content-Length: %d\r\n\r\n" % len(body)) + body
    with Penstock(*QUICK) as p, Neighbour(p):
        silent = [connect(p) for _ in range(200)]
        for i, s in enumerate(silent):
            s.sendall((b"", b"POST /i/v", request[:-5], request)[i % 4])
        for _ in range(20):
            s = connect(p)
            s.sendall(request)
            s.shutdown(socket.SHUT_WR)
            assert until_closed(s).startswith(b"HTTP/1.1 200")
            s = connect(p)
            s.sendall(request[:-5])
            s.shutdown(socket.SHUT_WR)
            assert until_closed(s) == b""
        for i, s in enumerate(silent):
            answer = until_closed(s)
            expected = (b"", b"HTTP/1.1 408", b"HTTP/1.1 408", b"HTTP/1.1 200")[i % 4]
            assert answer.startswith(expected) and (expected or not answer), (i % 4, answer[:100])


def test_a_drain_answers_a_client_that_pipelines_what_it_took_and_resets_it_not():
    with Penstock() as p:
        s = connect(p)
        sent = []
        stopping = threading.Event()

        def send():
            with contextlib.suppress(OSError):  # once the server has gone
                while not stopping.is_set():
                    batch = [str(uuid.uuid4()) for _ in range(20)]
                    text = b""
                    for one in batch:
                        body = json.dumps({"api_key": KEY, "event": "piped", "distinct_id": "p",
                                           "uuid": one}).encode()
                        text += (b"POST /i/v0/e/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json"
                                 b"\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
                    sent.extend(batch)
                    s.sendall(text)
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        answers, asked = b"", False
        while piece := s.recv(65536):  # an error here would be the reset
            answers += piece
            if not asked and answers.count(b"HTTP/1.1 200") > 200:
                p.asked = asked = True
                p.process.send_signal(signal.SIGTERM)
        stopping.set()
        s.close()
        sender.join()
        p.process.wait(40)
        answered = answers.count(b"HTTP/1.1 200")
        assert answers.count(b"HTTP/1.1") == answered, answers[-200:]
        p.start()
        # What was taken was answered, and what was answered is there.
        stored = p.eventually(lambda: (lambda rows: rows if len(rows) >= answered else None)(
            [row[0] for row in p.sql("SELECT toString(uuid) FROM events")]))
        assert sorted(stored) == sorted(sent[:answered]), (len(stored), answered, len(sent))
