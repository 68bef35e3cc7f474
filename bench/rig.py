"""What the bench runs: processes pinned to cores, their CPU by thread, and questions to them."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/release"
KEY = "phc_BenchBenchBenchBenchBenchBenchBenchBenchBen"
TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    pass


def pinned(cores):
    """Gives a child process these cores; None leaves it all of them."""
    return None if cores is None else lambda: os.sched_setaffinity(0, cores)


def pin(pid, cores):
    """All threads a running process has now, and those that they start."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), cores)
        except OSError:
            pass  # it has ended


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Limit:
    """The floor: bench_limit, or another server with the same manners (--reference)."""

    def __init__(self, directory, cores, reference=None):
        file = pathlib.Path(directory, "limit.log")
        if reference:
            self.port = 20000 + os.getpid() % 20000
            command = [reference, "--stage", "durable", "--port", str(self.port), "--file", file]
        else:
            command = [BUILD / "bench/bench_limit", "--file", file]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=pinned(cores))
        if reference:
            time.sleep(2)  # it writes its file first and says nothing when it is done
        else:
            line = self.process.stdout.readline()
            if not line:
                raise BenchError("bench_limit did not start")
            self.port = int(line)
        self.pids = [self.process.pid]

    def close(self):
        end(self.process)


class Penstock:
    """A fresh data directory and a running binary on ports of its own."""

    def __init__(self, directory, cores, *flags):
        self.data = tempfile.mkdtemp(prefix="data-", dir=directory)
        self.started_at = time.monotonic()
        self.log = open(os.path.join(self.data, "output.txt"), "wb")
        self.process = subprocess.Popen(
            [BUILD / "penstock", "up", "--data", self.data, "--listen", "127.0.0.1:0", "--admin",
             "127.0.0.1:0", "--project-key", KEY, *flags],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, preexec_fn=pinned(cores))
        self.instance = self.when_ready()
        self.ready_s = time.monotonic() - self.started_at
        self.port = int(self.instance["capture_url"].rsplit(":", 1)[1])
        self.pids = [self.process.pid]

    def when_ready(self):
        file = pathlib.Path(self.data, "run/instance.json")
        while time.monotonic() - self.started_at < 60:
            if self.process.poll() is not None:
                raise BenchError("penstock ended: " + self.output())
            try:
                instance = json.loads(file.read_text())
                url = instance["capture_url"] + "/_readiness"
                if urllib.request.urlopen(url, timeout=5).status == 200:
                    return instance
            except (OSError, ValueError, KeyError):
                time.sleep(0.005)
        raise BenchError("penstock was not ready after a minute: " + self.output())

    def output(self):
        return pathlib.Path(self.data, "output.txt").read_text(errors="replace")[-600:]

    def api(self, path, body=None):
        key = pathlib.Path(self.data, "run/cli.key").read_text()
        request = urllib.request.Request(
            self.instance["admin_url"] + path, headers={"Authorization": "Bearer " + key},
            data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def status(self):
        return self.api("/api/status")

    def sql(self, query):
        return self.api("/api/projects/1/query", {"query": query})["results"]

    def when_engine_ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if self.sql("SELECT 1"):
                    return
            except urllib.error.HTTPError:
                time.sleep(0.05)
        raise BenchError("the engine was not ready after a minute: " + self.output())

    def engine_pids(self):
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], text=True,
                             capture_output=True).stdout
        return [int(pid) for pid in out.split()]

    def close(self):
        end(self.process)
        self.log.close()
        shutil.rmtree(self.data, ignore_errors=True)


def thread_cpu_s(pid):
    """CPU seconds by thread name, user and system."""
    out = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "stat").read_text()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        out[name] = out.get(name, 0) + (int(rest[11]) + int(rest[12])) / TICKS
    return out


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def load(port, request_set, cores, pids=(), connections=64, seconds=4.0, warm=1.5, rate=0.0):
    """Runs the load generator to its end and returns what it measured."""
    done = subprocess.run(
        [BUILD / "bench/bench_loadgen", "--port", str(port), "--set", request_set, "--connections",
         str(connections), "--seconds", str(seconds), "--warm", str(warm), "--rate", str(rate),
         "--pids", ",".join(map(str, pids))],
        capture_output=True, text=True, preexec_fn=pinned(cores))
    if done.returncode != 0:
        raise BenchError(done.stderr.strip() or "bench_loadgen failed")
    result = json.loads(done.stdout)
    if result["bad"]:
        raise BenchError(f"{result['bad']} bad answers {result['statuses']}: {done.stderr.strip()}")
    return result
