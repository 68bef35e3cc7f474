"""Live traffic at a steady rate, its time from acknowledgement to SQL, and what is run beside it.

`Live` sends batches by the clock, whatever the answers do (open loop), and looks in SQL for one
probe of each. `Backlog` and the senders make the trouble. Used by test_isolation.py in small and
by tools/isolation in full size.
"""
import http.client
import json
import multiprocessing
import os
import pathlib
import queue
import selectors
import socket
import threading
import time
import uuid

from harness import KEY

BATCH = 500


def post(connection, path, body):
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def connect(p):
    return http.client.HTTPConnection(p.capture[7:], timeout=60)


class Live:
    """Ten batches a second of `per_batch` events; the first of each is a probe."""

    def __init__(self, p, per_batch=10, every_s=0.1, look_s=0.025):
        self.p, self.per_batch, self.every_s, self.look_s = p, per_batch, every_s, look_s
        self.lock = threading.Lock()
        self.waiting, self.seen, self.sent, self.late_answers = {}, [], 0, []
        self.failures, self.over = 0, threading.Event()
        self.due = queue.Queue(10_000)
        senders = [threading.Thread(target=self.send, daemon=True) for _ in range(4)]
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.tick, self.look)] + senders
        for t in self.threads:
            t.start()

    def tick(self):
        at = time.monotonic()
        while not self.over.is_set():
            self.due.put(at)
            at += self.every_s
            time.sleep(max(0.0, at - time.monotonic()))
        for _ in self.threads:
            self.due.put(None)

    def send(self):
        connection = connect(self.p)
        while (at := self.due.get()) is not None:
            probe = str(uuid.uuid4())
            batch = [{"event": "live-probe" if i == 0 else "live", "distinct_id": f"user-{os.urandom(1)[0]}",
                      "uuid": probe if i == 0 else str(uuid.uuid4()),
                      "properties": {"$current_url": "https://example.com/x", "n": i}}
                     for i in range(self.per_batch)]
            try:
                status = post(connection, "/batch/", json.dumps({"api_key": KEY, "batch": batch}))
            except (OSError, http.client.HTTPException):
                status, connection = 0, connect(self.p)
            now = time.monotonic()
            with self.lock:
                if status == 200:
                    self.waiting[probe] = now
                    self.sent += self.per_batch
                    self.late_answers.append((now, now - at))
                else:
                    self.failures += 1

    def look(self):
        while not self.over.is_set():
            time.sleep(self.look_s)
            with self.lock:
                oldest = min(self.waiting.values(), default=None)
            if oldest is None:
                continue
            age = int(time.monotonic() - oldest) + 30
            begun = time.monotonic()
            try:
                status, answer = self.p.api("/api/projects/1/query", {"query":
                    "SELECT toString(uuid) FROM events WHERE event = 'live-probe' "
                    f"AND timestamp > now() - INTERVAL {age} SECOND LIMIT 9999"})
            except OSError:  # the store stands still for longer than anybody waits for an answer
                continue
            if status != 200:
                continue
            with self.lock:
                for (name,) in answer["results"]:
                    acknowledged = self.waiting.pop(name, None)
                    if acknowledged is not None:
                        self.seen.append((acknowledged, max(0.0, begun - acknowledged)))

    def unseen(self):
        with self.lock:
            return len(self.waiting)

    def window(self, begun, ended):
        """Waits of the probes acknowledged in between, in seconds; asks for all to be seen first."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with self.lock:
                if not any(begun <= at < ended for at in self.waiting.values()):
                    return sorted(wait for at, wait in self.seen if begun <= at < ended)
            time.sleep(0.05)
        raise AssertionError("live events did not become visible within two minutes")

    def during(self, seconds):
        begun = time.monotonic()
        time.sleep(seconds)
        return begun, time.monotonic()

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join(70)


def quantile(waits, share):
    return waits[min(len(waits) - 1, int(len(waits) * share))]


def figures(waits):
    return {"probes": len(waits), "p50_s": quantile(waits, 0.5), "p90_s": quantile(waits, 0.9),
            "p99_s": quantile(waits, 0.99), "max_s": waits[-1]}


# --- trouble --------------------------------------------------------------------------------------


def in_turns(kinds, count):
    """So many events, from bodies that are sent again and again: without uuids, which capture gives
    them, and made once, so that the sender costs little beside what is measured."""
    sent = 0
    while sent < count:
        for events, body in kinds:
            yield events, body
            sent += events
            if sent >= count:
                return


def body(events, key=KEY, **more):
    return len(events), json.dumps({"api_key": key, **more, "batch": events})


def historical(count):
    """Events of a year ago, of 20,000 users, month by month, as a migration sends them."""
    for month in range(12):
        kinds = [body([{"event": "old", "distinct_id": f"h{(part * BATCH + n) % 20_000}",
                        "timestamp": f"2025-{month + 1:02}-{n % 28 + 1:02}T12:{n % 60:02}:00.000Z",
                        "properties": {"$current_url": f"https://example.com/{n}", "$set": {"seen": n % 9},
                                       "text": "x" * 200}} for n in range(BATCH)],
                      historical_migration=True) for part in range(40)]
        yield from in_turns(kinds, count // 12)


def hot(count):
    """Everything of one distinct id."""
    return in_turns([body([{"event": "hot", "distinct_id": "hot", "properties": {"n": n, "text": "x" * 200}}
                           for n in range(BATCH)])], count)


def poisoned(count, key):
    """What another project does to us: a key that nobody has, merges without end, huge events, events
    that are dropped, and requests that are refused."""
    def batch(event, each):
        return [{"event": event, **each(n)} for n in range(BATCH)]
    kinds = [
        body(batch("lost", lambda n: {"distinct_id": f"q{n}"}), "phc_nobodyhasthiskey0000000000000000000000000000"),
        body(batch("$identify", lambda n: {"distinct_id": f"p{n}", "properties": {
            "$anon_distinct_id": f"p{n - 1}", "$set": {"n": os.urandom(4).hex()}}}), key),
        (BATCH, body([{"event": "huge", "distinct_id": f"big{n}", "properties": {"text": "y" * 900_000}}
                      for n in range(8)], key)[1]),
        body(batch("$$client_ingestion_warning", lambda n: {"distinct_id": f"w{n}", "properties": {
            "$$client_ingestion_warning_message": "m"}}), key),
        (1, '{"api_key": "%s", "batch": [{"event": 1, "distinct_id": "x"}' % key)]
    return in_turns(kinds, count)


def sender(address, bodies, per_s, progress):
    """In a process of its own, so that its work does not hold up the probes."""
    connection = http.client.HTTPConnection(address, timeout=120)
    at = time.monotonic()
    for events, text in bodies:
        for _ in range(6000):
            try:
                status = post(connection, "/batch/", text)
            except (OSError, http.client.HTTPException):
                connection, status = http.client.HTTPConnection(address, timeout=120), 503
            if status != 503:
                break
            time.sleep(0.1)
        with progress.get_lock():
            progress.value += events
        if per_s:
            at += events / per_s
            time.sleep(max(0.0, at - time.monotonic()))


class Beside:
    """Sends these bodies from another process, at most `per_s` events a second."""

    def __init__(self, p, bodies, per_s=0):
        self.progress = multiprocessing.Value("L", 0)
        self.process = multiprocessing.get_context("fork").Process(
            target=sender, args=(p.capture[7:], bodies, per_s, self.progress), daemon=True)
        self.process.start()

    def alive(self):
        return self.process.is_alive()

    def end(self):
        if self.process.is_alive():
            self.process.terminate()
        self.process.join()


NEAR = ("--set", "apps.allow_private_hosts=127.0.0.1")
CALLS = "export async function onEvent(event, { config }) {\n" \
        "  const answer = await fetch(config.url, { method: 'POST', body: JSON.stringify(event) })\n" \
        "  if (!answer.ok) throw new RetryError('answered ' + answer.status)\n}\n"
HOOK = "export function composeWebhook(event, { config }) {\n" \
       "  return { url: config.url, body: JSON.stringify({ event: event.event, id: event.uuid }) }\n}\n"


def answer_nobody(silent, failing, taken, failed):
    """Accepts on both, never answers the one, answers 500 on the other as fast as it can."""
    wait = selectors.DefaultSelector()
    for s in (silent, failing):
        s.setblocking(False)
        wait.register(s, selectors.EVENT_READ)
    fails = set()
    while True:
        for key, _ in wait.select():
            s = key.fileobj
            if s in (silent, failing):
                c = s.accept()[0]
                c.setblocking(False)
                wait.register(c, selectors.EVENT_READ)
                if s is failing:
                    fails.add(c)
                else:
                    taken.value += 1
                continue
            try:
                got = s.recv(1 << 20)
            except OSError:
                got = b""
            if not got:
                wait.unregister(s)
                fails.discard(s)
                s.close()
            elif s in fails and got.endswith(b"}"):
                failed.value += 1
                s.send(b"HTTP/1.1 500 Down\r\nContent-Length: 0\r\n\r\n")


class DeadDestinations:
    """Two addresses in another process: one takes connections and says nothing, one answers 500. Three
    apps call them for every stored event, while they are on."""

    def __init__(self, p):
        self.p = p
        silent, failing = (socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(2))
        self.taken, self.failed = (multiprocessing.Value("L", 0) for _ in range(2))
        self.process = multiprocessing.get_context("fork").Process(
            target=answer_nobody, args=(silent, failing, self.taken, self.failed), daemon=True)
        self.process.start()
        urls = ["http://127.0.0.1:%d/x" % s.getsockname()[1] for s in (silent, failing)]
        silent.close()
        failing.close()
        self.configs = [self.install(*one) for one in (("Silent", CALLS, urls[0]), ("Silent hook", HOOK, urls[0]),
                                                       ("Failing", CALLS, urls[1]))]

    def ask(self, path, body=None, method=None):
        status, answer = self.p.api("/api/projects/1" + path, body, method or ("POST" if body else "GET"))
        assert status in (200, 201), (status, answer)
        return answer

    def install(self, name, code, url):
        manifest = {"name": name, "main": "index.js", "config": [{"key": "url", "type": "string"}]}
        app = self.ask("/apps", {"files": {"plugin.json": json.dumps(manifest), "index.js": code}})
        return self.ask("/app_configs", {"app": app["id"], "enabled": False, "config": {"url": url}})["id"]

    def switch(self, on):
        """Returns when both are called."""
        before = self.taken.value, self.failed.value
        for config in self.configs:
            self.ask(f"/app_configs/{config}", {"enabled": on}, "PATCH")
        if on:
            self.p.eventually(lambda: self.taken.value > before[0] and self.failed.value > before[1], 60)

    def end(self):
        self.process.terminate()
        self.process.join()


def lag(p):
    """Records that are not decided, and decided ones that are not stored."""
    s = p.api("/api/status")[1]
    return s["ingest"]["lag_records"], s["load"]["lag_records"]


def resident_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0
