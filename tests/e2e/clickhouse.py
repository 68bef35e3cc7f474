"""Today's ClickHouse engine behind its HTTP interface, for end-to-end tests (../clickhouse_front.py)."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

from harness import BIN, PATIENCE, free_port

PASSWORD = "a-secret-of-the-tests"
FRONT = pathlib.Path(__file__).resolve().parents[1] / "clickhouse_front.py"


class ClickHouse:
    def __init__(self, cluster="", user="default", tls=False, place=None):
        """With `tls` it has a port that speaks HTTPS, too. `place`: the folder its directory lies in, for a disk of
        its own."""
        self.user = user
        self.cluster = cluster  # the one node of it, as the front says
        self.directory = tempfile.mkdtemp(prefix="penstock-clickhouse-", dir=place)
        self.ports, self.process = [free_port(), free_port()], None
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self.tls_port = free_port() if tls else None
        self.data = os.path.join(self.directory, "data")
        self.ca = os.path.join(self.data, "ca.pem")
        # Of the engine behind; it may be another one at its next start (engines.py).
        self.library = pathlib.Path(BIN).resolve().parent / "libchdb.so"

    def start(self):
        log = open(os.path.join(self.directory, "log"), "ab")
        self.process = subprocess.Popen(
            ["/usr/bin/python3", FRONT, "--engine", BIN, "--lib", self.library, "--dir", self.data,
             "--password", PASSWORD,
             "--user", self.user, "--cluster", self.cluster,
             *(("--tls-port", str(self.tls_port)) if self.tls_port else ()), *(word for port in self.ports for word in ("--port", str(port)))],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60 * PATIENCE
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self.urls[1] + "/ping", timeout=5):
                    return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the front did not start: " +
                             pathlib.Path(self.directory, "log").read_text()[-500:])

    def flags(self, **more):
        named = {"engine": "clickhouse", "clickhouse_urls": self.urls[0], "clickhouse_password": PASSWORD, **more}
        return [word for name, value in named.items() for word in ("--set", f"store.{name}={value}")]

    def post(self, path, body):
        request = urllib.request.Request(self.urls[0] + path, data=body,
                                         headers={"X-ClickHouse-User": self.user, "X-ClickHouse-Key": PASSWORD})
        with urllib.request.urlopen(request, timeout=30 * PATIENCE) as answer:
            return answer.read().decode()

    def sql(self, query):
        """By a client that is not ours."""
        return self.post("/?default_format=TabSeparated", query.encode())

    def fault(self, kind, count=1, match=""):
        self.post("/_test/fault", json.dumps({"kind": kind, "count": count, "match": match}).encode())

    def faults_done(self):
        return json.loads(self.post("/_test/done", b""))

    def send(self, sig):
        self.process.send_signal(sig)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
