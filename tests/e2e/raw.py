"""Raw HTTP for tests that must decide every byte: one connection, requests as text, answers parsed."""
import base64
import json
import socket
import subprocess
import time
import uuid

from harness import KEY
import sdk

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OK = b'{"status":"Ok"}'
MARK = "payload-that-no-answer-may-repeat"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"{self.status} {self.body[:120]!r}"


class Wire:
    """One TCP connection."""

    def __init__(self, penstock, timeout=30):
        host, port = penstock.capture[7:].rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def fill(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("closed")
        self.buffer += data

    def answer(self, head_only=False):
        """The next answer; ConnectionError when the server closed instead."""
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, value = line.split(":", 1)
            assert name.lower() not in headers, f"{name} appears twice"
            headers[name.lower()] = value.strip()
        status = int(first.split(" ")[1])
        length = int(headers.get("content-length", 0))
        if status < 200 or status == 204 or head_only:
            length = 0
        while len(self.buffer) < length:
            self.fill()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(status, headers, body)

    def ask(self, body=b"", path="/e/", method="POST", headers=JSON):
        self.send(request(body, path, method, headers))
        return self.answer(method == "HEAD")

    def closed(self, seconds=10):
        """True when the server closes within the time, whatever it still says."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(1 << 16):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False


def request(body=b"", path="/e/", method="POST", headers=JSON):
    lines = [f"{method} {path} HTTP/1.1", "Host: events.example"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def event(name="e", **more):
    """An event without its token."""
    return {"event": name, "distinct_id": "u1", "uuid": str(uuid.uuid4()),
            "properties": {"mark": MARK}, **more}


def single(name="e", **more):
    return {"api_key": KEY, **event(name, **more)}


def batch(*events, **more):
    return {"api_key": KEY, "batch": list(events), **more}


def text(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def base64_text(data):
    return base64.b64encode(text(data))


def lz64(texts):
    """What the released lz-string makes of each text."""
    done = subprocess.run(["node", sdk.HERE / "node/lz64.mjs"], input=json.dumps(texts), text=True,
                          capture_output=True, check=True)
    return json.loads(done.stdout)


def uuids_in(value):
    """The uuids of a body's events."""
    if isinstance(value, list):
        return [u for item in value for u in uuids_in(item)]
    if "batch" in value:
        return uuids_in(value["batch"])
    return [value["uuid"]] if value.get("uuid") else []


class Table:
    """Sends one request after the other on a connection, and keeps what did not go as written.

    Every answer must be 200 with exactly PostHog's body, 204 without any, or a refusal in words that
    repeats nothing of the payload. `finish` compares the accepted uuids with SQL and the books.
    """

    def __init__(self, penstock):
        self.penstock = penstock
        self.wire = Wire(penstock)
        self.wrong = []
        self.rows = 0
        self.accepted = set()
        self.elsewhere = 0  # accepted, but for no known project
        self.unnamed = 0    # accepted without a uuid of their own

    def row(self, name, status, body=b"", path="/e/", method="POST", headers=JSON, stored=None,
            unnamed=0, elsewhere=0):
        """`stored`: what the body holds, when the body does not show it itself."""
        self.rows += 1
        try:
            answer = self.wire.ask(text(body), path, method, headers)
        except (OSError, ValueError) as error:
            self.wrong.append(f"{name}: {error!r} instead of {status}")
            self.wire = Wire(self.penstock)
            return None
        if answer.headers.get("connection") == "close":
            self.wire = Wire(self.penstock)
        problem = check(answer, status, method)
        if problem:
            self.wrong.append(f"{name} ({method} {path[:60]}): {problem}")
        if answer.status in (200, 204):
            uuids = uuids_in(stored if stored is not None else
                             [] if isinstance(body, bytes) else body)
            self.unnamed += unnamed
            self.elsewhere += elsewhere
            if not elsewhere:
                self.accepted.update(uuids)
        return answer

    def finish(self):
        assert not self.wrong, f"{len(self.wrong)} of {self.rows}:\n" + "\n".join(self.wrong[:40])
        wanted = len(self.accepted) + self.unnamed
        total = sdk.balanced(self.penstock)
        assert int(total["received"]) == wanted, (total, wanted)
        rows = self.penstock.sql("SELECT toString(uuid) FROM events")
        found = {r[0] for r in rows}
        assert len(rows) == len(found) == wanted, (len(rows), len(found), wanted)
        assert self.accepted <= found, f"not stored: {sorted(self.accepted - found)[:5]}"
        return total


def check(answer, status, method="POST"):
    """What is wrong with an answer, or None."""
    if answer.status != status:
        return f"{answer} instead of {status}"
    kind = answer.headers.get("content-type", "")
    if status == 200:
        if answer.body != OK or kind != "application/json":
            return f"{answer} {kind}"
    elif status == 204:
        if "content-length" in answer.headers or kind:
            return f"a 204 with {answer.headers}"
    elif method != "HEAD":
        said = answer.body.decode()
        if not kind.startswith("text/plain") or not 8 < len(said) < 200 or MARK in said or KEY in said:
            return f"{answer} {kind}"
    return None


def peak_memory(penstock):
    """The largest resident size of the process so far, in MiB."""
    with open(f"/proc/{penstock.process.pid}/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def now_ms():
    return time.time_ns() // 1_000_000
