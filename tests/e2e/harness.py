"""A running Penstock for end-to-end tests: start, stop, kill, ask. Standard library only."""
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

BIN = os.environ.get("PENSTOCK_BIN") or str(
    pathlib.Path(__file__).resolve().parents[2] / "build/release/penstock")
KEY = "phc_e2e0000000000000000000000000000000000000000"


# How many times longer than on a quiet machine of today's speed something may take before it counts as not
# happening. Waiting is for conditions, so this costs nothing where they come; a slow disk, a JVM on half
# a core and a neighbour that compiles need it.
PATIENCE = 4


# Below the ports that outgoing connections get, and each of the test processes that run side by
# side has its own: a port is still free when its server starts again.
PORTS_FROM, PORTS_EACH = 10000, 2000
next_port = iter(())


def free_port():
    global next_port
    first = PORTS_FROM + PORTS_EACH * (int(os.environ.get("PENSTOCK_TEST_PLACE", 0)) % 4)
    for _ in range(2 * PORTS_EACH):
        port = next(next_port, None)
        if port is None:
            start = random.randrange(PORTS_EACH)
            next_port = iter([first + (start + i) % PORTS_EACH for i in range(PORTS_EACH)])
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")


def flip(path, at, bits=0x55):
    """A byte on the disk is another one."""
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ bits]))
        os.fsync(file.fileno())


made = []  # by the tests of this process


def end_all():
    """Ends what a failed test left running: one that dies under it fails its close, and those behind it stay."""
    for p in made:
        if p.process is not None and p.process.poll() is None:
            p.process.kill()
            p.process.wait()
        shutil.rmtree(p.home, ignore_errors=True)
    made.clear()


class Penstock:
    """One data directory; may be started many times on the same ports."""

    def __init__(self, *flags):
        self.home = tempfile.mkdtemp(prefix="penstock-e2e-")
        self.data = os.path.join(self.home, "data")
        os.mkdir(self.data)
        # Beside the data: what it says of a full disk must have a place.
        self.log = os.path.join(self.home, "output.txt")
        self.capture = f"http://127.0.0.1:{free_port()}"
        self.admin = f"http://127.0.0.1:{free_port()}"
        self.flags = flags
        self.process = None
        self.asked = False  # to end
        made.append(self)

    def start(self, wait=30):
        """Starts it and waits until it is ready. A port that went to somebody else meanwhile is
        replaced, unless clients may know it already."""
        fresh = self.process is None
        for _ in range(3):
            try:
                return self.start_once(wait)
            except AssertionError:
                if not fresh or "in use" not in self.output():
                    raise
            self.capture = f"http://127.0.0.1:{free_port()}"
            self.admin = f"http://127.0.0.1:{free_port()}"
        return self.start_once(wait)

    def start_once(self, wait):
        log = open(self.log, "ab")
        self.process = subprocess.Popen(
            [BIN, "up", "--data", self.data, "--listen", self.capture[7:], "--admin",
             self.admin[7:], "--project-key", KEY, *self.flags],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.asked = False
        deadline = time.monotonic() + wait * PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError("penstock ended: " + self.output()[-500:])
            try:
                if self.get("/_readiness")[0] == 200 and self.api("/api/me")[0] == 200:
                    return self
            except (OSError, FileNotFoundError):
                pass
            time.sleep(0.02)
        raise AssertionError("penstock did not become ready: " + self.output()[-500:])

    def refused_start(self):
        """What a start that has to fail says."""
        try:
            self.start()
        except AssertionError as error:
            self.asked = True  # it ended, as it should
            return str(error)
        raise AssertionError("it started")

    def output(self):
        return pathlib.Path(self.log).read_text(errors="replace")

    def died(self):
        """How it ended although nobody asked it to, or None."""
        code = None if self.process is None else self.process.poll()
        return None if code is None or self.asked else f"penstock died ({code}): {self.output()[-2000:]}"

    def stop(self, sig=signal.SIGTERM):
        if self.process is None or self.process.poll() is not None:
            return
        self.asked = True
        self.process.send_signal(sig)
        self.process.wait(40 * PATIENCE)

    def kill(self):
        self.stop(signal.SIGKILL)

    def close(self):
        death = self.died()
        self.kill()
        for folder in (self.data, self.home):
            shutil.rmtree(folder, ignore_errors=True)
        assert death is None, death

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # --- asking -------------------------------------------------------------------------------

    def request(self, url, body=None, headers=None, method=None):
        """(status, body, headers); a body without a Content-Type goes as text/plain."""
        headers = headers or {}
        if body is not None and "Content-Type" not in headers:
            headers = {"Content-Type": "text/plain", **headers}
        request = urllib.request.Request(url, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60 * PATIENCE) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers
        except http.client.IncompleteRead as error:  # it ended in the middle of an answer
            raise ConnectionResetError(str(error)) from error

    def get(self, path):
        return self.request(self.capture + path)

    def post(self, path, body, headers=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request(self.capture + path, data,
                            {"Content-Type": "application/json", **(headers or {})})

    def api(self, path, body=None, method=None):
        key = pathlib.Path(self.data, "run/cli.key").read_text()
        data = None if body is None else json.dumps(body).encode()
        status, text, _ = self.request(self.admin + path, data,
                                       {"Authorization": "Bearer " + key,
                                        "Content-Type": "application/json"}, method)
        return status, json.loads(text) if text.startswith(b"{") else text

    def sql(self, query, project=1):
        deadline = time.monotonic() + 30 * PATIENCE
        while True:
            status, answer = self.api(f"/api/projects/{project}/query", {"query": query})
            if status == 200:
                return answer["results"]
            if status != 503 or time.monotonic() > deadline:
                raise AssertionError(f"query: {status} {answer}")
            time.sleep(0.1)

    def cli(self, *words):
        done = subprocess.run([BIN, words[0], *(["--data", self.data] if words[0] != "version" else []),
                               *words[1:]], capture_output=True, text=True, timeout=60 * PATIENCE)
        return done.returncode, done.stdout, done.stderr

    def ledger(self, project=1):
        return self.api(f"/api/projects/{project}/ledger?step=total")[1]

    def eventually(self, check, seconds=40):
        """Waits until `check()` is true; its last value is the message otherwise."""
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            try:
                value = check()
            except (AssertionError, OSError) as error:
                value = None
                last = error
            else:
                last = value
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"did not happen: {last}; {self.output()[-400:]}")
            time.sleep(0.1)

    def engine_pid(self):
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
                                  capture_output=True, text=True).stdout.split()
        return int(children[0]) if children else 0
