"""A neighbour's bad apps beside live traffic: what each does, and how live events fare meanwhile.

Project 1, whose live events are timed (isolation.Live), has a well-behaved app; another project, a new
one each time, has one that is bad in one way. Both begin in the same worker. Used by test_app_isolation.py in small
and by tools/isolation, case `apps`, in full size.
"""
import http.server
import json
import os
import pathlib
import signal
import threading
import time

import isolation

GOOD = "function processEvent(event) { event.properties.seen_by_app = 1; return event }"
BAD = {
    "throws": "throw new Error('nothing works today')",
    "loops": "for (;;) {}",
    "takes 2 GB": "const all = []; for (;;) all.push(new Array(1e5).fill(all.length))",
    "recurses": "const deeper = (n) => deeper(n + 1) + 1; deeper(0)",
    "floods logs": "for (let n = 0; n < 2000; n++) console.log('line ' + n); return event",
    "blocks in fetch": "await fetch(config.url); return event",
    "answers garbage": "return [17, 'not an event', undefined]",
    "stands still": "Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)",
    "crashes its worker": "Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)",  # see Crashes
}
# By the clock: as long on every machine, and within the 100 ms that one run of a Hog app may take.
HOG = {"computes long in Hog": "let until := toUnixTimestampMilli(now()) + 80\n"
                               "while (toUnixTimestampMilli(now()) < until) {}\nreturn event\n"}
ALL = [*BAD, *HOG]


class Silent(http.server.BaseHTTPRequestHandler):
    """Answers after longer than anybody waits."""
    def do_GET(self):
        time.sleep(60)
    def log_message(self, *_):
        pass


def children(pid):
    out = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            out += [int(word) for word in (task / "children").read_text().split()]
        except OSError:
            continue
    return out


def app_workers(pid):
    out = []
    for child in children(pid):
        try:
            if b"app-worker" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes():
                out.append(child)
        except OSError:
            continue
    return out


class Crashes:
    """A worker whose app stands still gets a segmentation fault, as a fault in the script engine would
    end it: busy for 150 ms within 600 is what neither loading nor an honest app is."""
    LOOK_S, LOOKS, BUSY_TICKS = 0.1, 6, 15

    def __init__(self, p):
        self.over, self.pid, self.count = threading.Event(), p.process.pid, 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        seen = {}
        while not self.over.wait(self.LOOK_S):
            for worker in app_workers(self.pid):
                try:
                    used = sum(map(int, pathlib.Path(f"/proc/{worker}/stat").read_text().split()[13:15]))
                    looks = seen.setdefault(worker, [])
                    looks.append(used)
                    if used - looks[-self.LOOKS:][0] >= self.BUSY_TICKS:
                        os.kill(worker, signal.SIGSEGV)
                        self.count += 1
                        looks.clear()
                except OSError:
                    pass

    def end(self):
        self.over.set()
        self.thread.join()


class Neighbour:
    """Other projects, each with one bad app for a while: none begins with what is known of those before it."""

    def __init__(self, p, live_project=1):
        self.p = p
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.install(live_project, "good", GOOD)

    def install(self, project, name, code, main="index.js"):
        manifest = {"name": name, "main": main, "config": [{"key": "url", "type": "string", "default": ""}]}
        url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        status, app = self.p.api(f"/api/projects/{project}/apps",
                                 {"files": {"plugin.json": json.dumps(manifest), main: code}}, "POST")
        assert status in (200, 201), (status, app)
        status, made = self.p.api(f"/api/projects/{project}/app_configs",
                                  {"app": app["id"], "enabled": True, "config": {"url": url}}, "POST")
        assert status in (200, 201), (status, made)
        at = f"/api/projects/{project}/app_configs/{made['id']}"
        self.p.eventually(lambda: (self.p.api(at)[1]["status"] or {}).get("health") == "healthy")
        return at

    def install_bad(self, project, kind):
        if kind in HOG:
            return self.install(project, kind, HOG[kind], "index.hog")
        code = f"async function processEvent(event, {{ config }}) {{ {BAD[kind]} }}"
        return self.install(project, kind, code if "await" in code else code.replace("async ", ""))

    def events(self, key, count):
        """Its events, a few in each request as they come from clients."""
        batch = [{"event": "bad", "distinct_id": f"n{n}", "properties": {"n": n}} for n in range(5)]
        return isolation.in_turns([isolation.body(batch, key)], count)

    def beside(self, live, kind, seconds, per_s):
        """Waits of the live events while the bad app has events; the app is disabled afterwards."""
        project = self.p.api("/api/projects", {"name": kind})[1]
        at = self.install_bad(project["id"], kind)
        crashes = Crashes(self.p) if kind == "crashes its worker" else None
        before = self.p.ledger()["total"]["redriven"]
        begun = time.monotonic()
        side = isolation.Beside(self.p, self.events(project["token"], int(seconds * per_s)), per_s)
        try:
            while side.alive():
                time.sleep(0.1)
            ended = time.monotonic()
        finally:
            side.end()
            if crashes:
                crashes.end()
        waits = live.window(begun, ended)
        status = self.p.api(at)[1]["status"]
        self.p.api(at, {"enabled": False}, "PATCH")
        return waits, {"health": status["health"], "failed": status.get("failed", 0),
                       "crashes": crashes.count if crashes else 0,
                       "went_round": self.p.ledger()["total"]["redriven"] - before}

    def end(self):
        self.server.shutdown()
