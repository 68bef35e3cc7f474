"""An app that never answers, and one in Hog that computes long, seen by their neighbours: their events do not wait for
it, its own events go on, it turns disabled by the health rule, and comes back by itself once it answers.
tools/isolation --cases apps measures by how much neighbours' p99 moves.
"""
import http.server
import json
import threading

from harness import KEY, Penstock

EVENTS = 24
# Its events are still waiting when all others are stored, on however slow a machine, and are not waited for much longer.
DEADLINE_MS = 30_000
# By the clock, so that it takes as long on every machine.
LONG_HOG = """let until := toUnixTimestampMilli(now()) + 60
while (toUnixTimestampMilli(now()) < until) {}
return event
"""
WAITS = "export async function processEvent(event, { config }) { await fetch(config.url); return event }\n"


class Switched(http.server.BaseHTTPRequestHandler):
    """Answers nobody until it is told to."""
    answers = threading.Event()

    def do_GET(self):
        self.answers.wait(120)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_an_app_that_never_answers():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Switched)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with Penstock("--set", "apps.allow_private_hosts=127.0.0.1", "--set", f"apps.deadline_ms={DEADLINE_MS}") as p:
            waits_and_comes_back(p, f"http://127.0.0.1:{server.server_address[1]}/")
    finally:
        Switched.answers.set()
        server.shutdown()


def send(p, key, **event):
    status, body, _ = p.post("/batch/", {"api_key": key, "batch": [event]})
    assert status == 200, (status, body)


def waits_and_comes_back(p, url):
    p.sql("SELECT 1")
    project = p.api("/api/projects", {"name": "bad app"})[1]
    number, key = project["id"], project["token"]
    manifest = {"name": "waits", "main": "index.js", "config": [{"key": "url", "type": "string", "default": ""}]}
    _, app = p.api(f"/api/projects/{number}/apps",
                   {"files": {"plugin.json": json.dumps(manifest), "index.js": WAITS}}, "POST")
    _, made = p.api(f"/api/projects/{number}/app_configs",
                    {"app": app["id"], "enabled": True, "config": {"url": url}}, "POST")

    def health():
        return (p.api(f"/api/projects/{number}/app_configs/{made['id']}")[1]["status"] or {}).get("health")
    p.eventually(lambda: health() == "healthy")

    # In turns, of as many distinct ids as there are partitions and more: in every one they stand behind each other.
    for n in range(EVENTS):
        send(p, key, event="bad", distinct_id=f"u{n % 12}", properties={"$set": {"last": n}})
        send(p, KEY, event="good", distinct_id=f"u{n % 12}", properties={})
    good = p.eventually(lambda: int(p.sql("SELECT count() FROM events WHERE event = 'good'")[0][0]) == EVENTS and
                        p.ledger(number))
    assert good["total"]["in_flight"] + good["total"]["quarantined"] > 0, f"they waited for the app: {good}"

    def all_there():
        books = p.ledger(number)
        total = books["total"]
        return total if total["in_flight"] == 0 and total["stored"] == EVENTS and total["quarantined"] == 0 else None
    total = p.eventually(all_there, 150)
    assert total["redriven"] > 0, total
    failed = p.sql("SELECT countIf(properties LIKE '%$plugins_failed%') FROM events WHERE event = 'bad'",
                   project=number)[0][0]
    assert int(failed) >= 3, "the first ones were asked, and it has failed for them"
    # Those that were under way when the project got a worker apart are nobody's fault; the next ones are its own.
    more = iter(range(10_000))

    def goes_on():
        send(p, key, event="bad", distinct_id=f"x{next(more)}", properties={"$process_person_profile": False})
        return health() == "disabled"
    p.eventually(goes_on, 120)

    # Each person's last event decided: none overtook it.
    def lasts():
        rows = p.sql("SELECT JSONExtractInt(properties, 'last') FROM persons", project=number)
        return sorted(int(row[0]) for row in rows)
    p.eventually(lambda: lasts() == list(range(EVENTS - 12, EVENTS)), 60)

    # Half-open: after its rest one event at a time is let through, and three that go well bring it back.
    Switched.answers.set()
    probes = iter(range(10_000))

    def probe():
        send(p, key, event="probe", distinct_id=f"p{next(probes)}", properties={})
        return health() == "healthy"
    p.eventually(probe, 180)
    p.eventually(lambda: p.ledger(number)["total"]["in_flight"] == 0, 60)
    assert p.ledger(number)["balance"]["balanced"], p.ledger(number)


def test_a_hog_app_that_computes_long():
    with Penstock() as p:
        p.sql("SELECT 1")
        project = p.api("/api/projects", {"name": "long"})[1]
        number, key = project["id"], project["token"]
        _, app = p.api(f"/api/projects/{number}/apps", {"files": {
            "plugin.json": json.dumps({"name": "long"}), "index.hog": LONG_HOG}}, "POST")
        _, made = p.api(f"/api/projects/{number}/app_configs", {"app": app["id"], "enabled": True}, "POST")
        sent = 0
        for n in range(3):
            bad = [{"event": "bad", "distinct_id": f"u{i % 12}", "properties": {"$set": {"last": sent + i}}} for i in range(24)]
            status, body, _ = p.post("/batch/", {"api_key": key, "batch": bad})
            assert status == 200, (status, body)
            sent += len(bad)
            for i in range(12):
                send(p, KEY, event="good", distinct_id=f"u{i}", properties={"n": n})
        p.eventually(lambda: int(p.sql("SELECT count() FROM events WHERE event = 'good'")[0][0]) == 36)

        def all_there():
            total = p.ledger(number)["total"]
            return total if total["in_flight"] == 0 and total["stored"] == sent and total["quarantined"] == 0 else None
        total = p.eventually(all_there, 120)
        assert total["redriven"] > 0, total
        rows = p.sql("SELECT JSONExtractInt(properties, 'last') FROM persons", project=number)
        assert sorted(int(row[0]) for row in rows) == list(range(sent - 12, sent)), rows
        assert p.ledger(number)["balance"]["balanced"], p.ledger(number)
        said = p.api(f"/api/projects/{number}/app_configs/{made['id']}")[1]["status"]
        assert int(said["succeeded"]) > 0 or said["health"] == "disabled", said
