"""Apps are called for stored events: onEvent, webhooks, exports; dead destinations, crashes, jobs and the clock."""
import collections
import http.server
import json
import subprocess
import threading
import time
import uuid

import postgres
from harness import BIN, Penstock
from test_apps import ask, event, install, run, send, settled, status_of

NEAR = ("--set", "apps.allow_private_hosts=127.0.0.1", "--set", "deliver.attempt_ms=300",
        "--set", "deliver.export_attempt_ms=150")
URL = [{"key": "url", "type": "string"}]


class Destination:
    """A destination that remembers what it got; `status` is what it answers."""

    def __init__(self):
        self.got, self.status, self.lock = [], 200, threading.Lock()
        there = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with there.lock:
                    there.got.append((self.path, there.status, json.loads(body or b"null")))
                self.send_response(there.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def at(self, path, status=200):
        with self.lock:
            return [body for where, answered, body in self.got if where == path and answered == status]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


POSTS = "export async function onEvent(event, { config }) {\n" \
        "  const answer = await fetch(config.url + '/on', { method: 'POST', body: JSON.stringify(event) })\n" \
        "  if (!answer.ok) throw new RetryError('answered ' + answer.status)\n}\n"
WEBHOOK = "export function composeWebhook(event, { config }) {\n" \
          "  if (event.event === 'quiet') return null\n" \
          "  return { url: config.url + '/hook', body: JSON.stringify({ event: event.event, at: event.timestamp instanceof Date," \
          " chain: event.properties.$elements_chain, person: event.person.properties.plan }) }\n}\n"
EXPORTS = "export async function exportEvents(events, { config }) {\n" \
          "  const answer = await fetch(config.url + '/export', { method: 'POST'," \
          " body: JSON.stringify(events.map((e) => e.uuid)) })\n" \
          "  if (answer.status === 400) throw new Error('refused')\n" \
          "  if (!answer.ok) throw new RetryError('answered ' + answer.status)\n}\n"


def calls_of(p, sent):
    entries = ask(p, f"/trace/{sent['uuid']}")["entries"]
    hops = entries[0]["hops"] if entries else []
    return next((hop["calls"] for hop in hops if hop["name"] == "delivered"), [])


def counts(p, config, method):
    status = status_of(p, config["id"])
    return (status or {"calls": {}})["calls"].get(method)


def test_stored_events_reach_on_event_webhook_and_export():
    with Destination() as there, Penstock(*NEAR) as p:
        config = {"url": there.url, "exportEventsBufferSeconds": "1", "exportEventsToIgnore": "quiet"}
        schema = URL + [{"key": key, "type": "string"} for key in ("exportEventsBufferSeconds", "exportEventsToIgnore")]
        on = install(p, "On", POSTS, config, schema, filters={"events": [{"id": "order"}]})
        tried = {name: ask(p, f"/apps/{on['app']}/test", {"app_config": on["id"], "event": {"event": name}},
                           "POST")["fate"] for name in ("order", "other")}
        assert tried == {"order": "unchanged", "other": "skipped"}, tried
        install(p, "Hook", WEBHOOK, config, schema)
        exporting = install(p, "Exporting", EXPORTS, config, schema)
        order = event("order", **{"$set": {"plan": "pro"}, "$elements_chain": 'a.big:href="/x"'})
        quiet = event("quiet")
        send(p, order, quiet)
        p.eventually(lambda: there.at("/export"))
        p.eventually(lambda: there.at("/on") and there.at("/hook"))
        seen = there.at("/on")
        assert len(seen) == 1 and seen[0]["uuid"] == order["uuid"] and seen[0]["team_id"] == 1, seen
        assert seen[0]["elements"][0]["tag_name"] == "a" and seen[0]["person"]["properties"]["plan"] == "pro", seen
        assert there.at("/hook") == [{"event": "order", "at": True, "chain": 'a.big:href="/x"', "person": "pro"}]
        assert there.at("/export") == [[order["uuid"]]], there.at("/export")
        # An app that was still loading when the event came is also asked what it turns out not to have.
        wanted = {("On", "onEvent"), ("Hook", "composeWebhook"), ("Exporting", "exportEvents")}
        told = p.eventually(lambda: (calls := calls_of(p, order)) and
                            {(call["name"], call["method"]) for call in calls} >= wanted and calls)
        assert all(call["status"] == "succeeded" and call["attempt"] == 1 for call in told), told
        assert p.eventually(lambda: (c := counts(p, on, "onEvent")) and c["successes"]) == 1
        metrics = p.eventually(lambda: status_of(p, exporting["id"]).get("metrics"))
        assert metrics["events_delivered_successfully"] == 1, metrics
        said = subprocess.run([BIN, "trace", "--data", p.data, order["uuid"]], capture_output=True, text=True, timeout=30)
        assert "On (1) onEvent succeeded" in said.stdout, said.stdout


def test_a_dead_destination_is_tried_again_then_given_up_and_holds_nobody():
    with Destination() as dead, Destination() as there, Penstock(*NEAR) as p:
        dead.status = 503
        broken = install(p, "Dead", POSTS, {"url": dead.url}, URL)
        hook = install(p, "Dead hook", WEBHOOK, {"url": dead.url}, URL)
        install(p, "Fine", POSTS, {"url": there.url}, URL)
        first = event("first")
        send(p, first)
        p.eventually(lambda: len(there.at("/on")) == 1)
        p.eventually(lambda: len([c for c in calls_of(p, first) if c["name"] == "Dead"]) >= 2)
        dead.status = 200  # the fourth or so attempt finds it there
        p.eventually(lambda: dead.at("/on") and dead.at("/hook"))
        assert p.eventually(lambda: counts(p, broken, "onEvent")["successes_on_retry"]) == 1
        dead.status = 500
        second = event("second")
        send(p, second)
        p.eventually(lambda: counts(p, broken, "onEvent")["failures"] and counts(p, hook, "composeWebhook")["failures"])
        told = [c for c in calls_of(p, second) if c["name"] == "Dead"]
        assert [c["attempt"] for c in told] == [1, 2, 3, 4, 5] and told[-1]["status"] == "given_up", told
        assert "answered 500" in told[-1]["error"], told
        lines = [line["message"] for line in ask(p, f"/app_logs?app_config={broken['id']}")["results"]]
        assert any("given up after 5 attempts" in line for line in lines), lines
        assert len(there.at("/on")) == 2
        dead.status = 404  # wrong, and stays wrong: a webhook is not sent again
        third = event("third")
        send(p, third)
        told = p.eventually(lambda: [c for c in calls_of(p, third) if c["name"] == "Dead hook"])
        assert [c["status"] for c in told] == ["given_up"], told


def test_kill_9_loses_no_call():
    with Destination() as there, Penstock(*NEAR, "--set", "apps.cpu_ms_max=2000") as p:
        config = {"url": there.url, "exportEventsBufferSeconds": "1"}
        schema = URL + [{"key": "exportEventsBufferSeconds", "type": "string"}]
        install(p, "On", POSTS, config, schema)
        install(p, "Exporting", EXPORTS, config, schema)
        sent = set()
        for _ in range(4):
            batch = [event() for _ in range(200)]
            send(p, *batch)
            sent |= {one["uuid"] for one in batch}
            time.sleep(0.15)
            p.kill()
            p.start()
        settled(p)

        def all_there():
            on = {body["uuid"] for body in there.at("/on")}
            exported = {one for body in there.at("/export") for one in body}
            return on == sent and exported == sent
        p.eventually(all_there)
        twice = collections.Counter(body["uuid"] for body in there.at("/on"))
        assert max(twice.values()) <= 5, twice.most_common(3)


def test_an_export_is_tried_again_as_a_whole_and_outlives_a_restart():
    with Destination() as there, Penstock("--set", "apps.allow_private_hosts=127.0.0.1", "--set",
                                          "deliver.export_attempt_ms=1500") as p:
        there.status = 503
        schema = URL + [{"key": "exportEventsBufferSeconds", "type": "string"}]
        exporting = install(p, "Exporting", EXPORTS, {"url": there.url, "exportEventsBufferSeconds": "1"}, schema)
        sent = [event() for _ in range(20)]
        send(p, *sent)
        p.eventually(lambda: there.at("/export", 503))
        p.eventually(lambda: len(calls_of(p, sent[0])) >= 1)
        there.status = 200
        p.kill()
        p.start()
        wanted = sorted(one["uuid"] for one in sent)
        p.eventually(lambda: sorted({one for body in there.at("/export") for one in body}) == wanted)
        assert p.eventually(lambda: counts(p, exporting, "exportEvents")["successes_on_retry"]) == 20
        there.status = 400
        send(p, wrong := event())
        p.eventually(lambda: there.at("/export", 400))
        told = p.eventually(lambda: calls_of(p, wrong))
        assert [c["status"] for c in told] == ["given_up"] and "refused" in told[0]["error"], told


def test_logs_and_counts_outlive_a_crash():
    code = "export function processEvent(event) { console.log('saw ' + event.event); return event }\n"
    with Penstock() as p:
        config = install(p, "Talks", code)
        send(p, event("one"), event("two"))
        settled(p)
        p.eventually(lambda: "saw two" in run(p, p.home, "app", "logs", "Talks"))
        time.sleep(2.5)  # counts are kept every two seconds
        p.kill()
        p.start()
        assert "saw one" in run(p, p.home, "app", "logs", "Talks")
        p.eventually(lambda: status_of(p, config["id"]).get("health") == "healthy")
        following = subprocess.Popen([BIN, "app", "logs", "-f", "Talks"], stdout=subprocess.PIPE, text=True,
                                     env={"PENSTOCK_DATA": p.data, "PATH": ""})
        try:
            assert "saw one" in "".join(following.stdout.readline() for _ in range(3))
            send(p, event("three"))
            settled(p)
            found = []
            p.eventually(lambda: found.append(following.stdout.readline()) or "saw three" in found[-1])
        finally:
            following.kill()
        assert p.eventually(lambda: status_of(p, config["id"]).get("events", 0) >= 3 and
                            status_of(p, config["id"])["events"]) == 3


def test_jobs_run_at_their_time_and_outlive_a_crash():
    code = "export const jobs = { later: async (payload, { config }) => {\n" \
           "  await fetch(config.url + '/job', { method: 'POST', body: JSON.stringify(payload) }) } }\n" \
           "export async function onEvent(event, { jobs }) {\n" \
           "  await jobs.later({ of: event.event }).runIn(3, 'seconds') }\n"
    with Destination() as there, Penstock(*NEAR) as p:
        config = install(p, "Later", code, {"url": there.url}, URL)
        begun = time.monotonic()
        send(p, event("one"))
        p.eventually(lambda: counts(p, config, "onEvent")["successes"])
        p.kill()
        p.start()
        assert p.eventually(lambda: there.at("/job")) == [{"of": "one"}]
        assert time.monotonic() - begun >= 2.9
        assert p.eventually(lambda: counts(p, config, "job"))["successes"] == 1


def test_the_clock_calls_an_app_every_minute():
    code = "export async function runEveryMinute({ config }) {\n" \
           "  await fetch(config.url + '/minute', { method: 'POST', body: '1' }) }\n"
    with Destination() as there, Penstock(*NEAR) as p:
        config = install(p, "Clock", code, {"url": there.url}, URL)
        p.eventually(lambda: there.at("/minute"), 75)
        assert p.eventually(lambda: counts(p, config, "scheduledTask"))["successes"] == 1


PRO = {"properties": [{"key": "plan", "type": "group", "group_type_index": 0, "value": "pro"}]}


def group_filters(p, there):
    """Only events of a group of the plan are called for; filters that are being written count the same."""
    plans = [event("$groupidentify", **{"$group_type": "company", "$group_key": key, "$group_set": {"plan": plan}})
             for key, plan in (("acme", "pro"), ("tiny", "free"))]
    send(p, *plans)
    settled(p)
    on = install(p, "On", POSTS, {"url": there.url}, URL, filters=PRO)
    bought = {key: event("bought", **{"$groups": {"company": key}}) for key in ("tiny", "nobody", "acme")}
    send(p, *bought.values())
    settled(p)
    p.eventually(lambda: there.at("/on"))
    assert [one["uuid"] for one in there.at("/on")] == [bought["acme"]["uuid"]]

    def counted():
        found = ask(p, "/app_filters", {"app": on["app"], "filters": PRO}, "POST")["results"]
        names = {one["uuid"] for one in found}
        return bought["acme"]["uuid"] in names and not names & {bought["tiny"]["uuid"], bought["nobody"]["uuid"]}
    p.eventually(counted)
    return bought


def test_filters_see_the_properties_of_groups():
    with Destination() as there, Penstock(*NEAR) as p:
        group_filters(p, there)


def test_filters_see_the_properties_of_groups_on_postgres():
    if not postgres.installed():
        return postgres.MISSING
    with postgres.Postgres() as db, Destination() as there, \
            Penstock(*NEAR, "--set", "persons.engine=postgres", "--set", f"persons.postgres_url={db.url}") as p:
        bought = group_filters(p, there)
        # Past events are asked for the same.
        past = install(p, "Past", PAST, {"url": there.url}, URL, filters=PRO)
        ask(p, f"/app_configs/{past['id']}/export", {"from": "2020-01-01"}, "POST")
        p.eventually(lambda: (status_of(p, past["id"]).get("export") or {}).get("state") == "done", 60)
        got = [uuid for page in there.at("/past") for uuid, _, _ in page]
        assert got == [bought["acme"]["uuid"]], got
        # Test accounts of a group are kept out, too.
        own = [{"key": "plan", "type": "group", "group_type_index": 0, "value": "pro", "operator": "is_not"}]
        ask(p, "/settings/test_account_filters", {"filters": own}, "PUT")
        install(p, "Real", POSTS.replace("/on", "/real"), {"url": there.url}, URL,
                filters={"filter_test_accounts": True, "events": [{"id": "tested"}]})
        tested = {key: event("tested", **{"$groups": {"company": key}}) for key in ("acme", "tiny")}
        send(p, *tested.values())
        p.eventually(lambda: there.at("/real"))
        settled(p)
        assert [one["uuid"] for one in there.at("/real")] == [tested["tiny"]["uuid"]]


JOBS = """export const jobs = {
  'Import contacts': async (payload, { config, storage }) => {
    await storage.set('imports', (await storage.get('imports', 0)) + 1)
    await fetch(config.url + '/import', { method: 'POST', body: JSON.stringify({ ...payload, imports: await storage.get('imports') }) })
  },
  Forget: async (payload, { storage }) => { await storage.del('imports'); console.log('forgot', payload); throw new Error('half of it') },
}
export async function exportEvents(events, { config }) {
  await fetch(config.url + '/past', { method: 'POST', body: JSON.stringify(events.map((e) => e.event)) })
}
export async function onEvent(event, { jobs }) {
  if (event.event === 'again') await jobs['Export historical events']({ dateFrom: '2020-01-01', dateTo: new Date().toISOString() }).runNow()
}
"""
PUBLIC = {"Import contacts": {"payload": {"since": {"title": "First day", "type": "date", "required": True},
                                          "pages": {"type": "number", "default": 3}}},
          "Forget": {}, "Not there": {}}


def test_public_jobs_are_started_by_people():
    with Destination() as there, Penstock(*NEAR) as p:
        manifest = {"name": "CRM", "main": "index.js", "config": URL, "publicJobs": PUBLIC}
        app = ask(p, "/apps", {"files": {"plugin.json": json.dumps(manifest), "index.js": JOBS}}, "POST")
        config = ask(p, "/app_configs", {"app": app["id"], "enabled": True, "config": {"url": there.url}}, "POST")
        p.eventually(lambda: status_of(p, config["id"]).get("health") == "healthy")
        p.eventually(lambda: "Forget" in ask(p, f"/apps/{app['id']}")["app"]["capabilities"].get("jobs", []))
        path = f"/api/projects/1/app_configs/{config['id']}/job"

        def refused(job, payload=None):
            status, answer = p.api(path, {"job": job, "payload": payload or {}}, "POST")
            assert status in (400, 404), (status, answer)
            return answer["error"]["message"]
        assert refused("Import contacts") == "'since' needs a value"
        assert refused("Import contacts", {"since": "soon"}) == "'since' is a day or a time: 2024-01-31"
        assert refused("Import") == "the app has no public job 'Import', but: Import contacts, Forget, Not there"
        assert "no function jobs['Not there']" in refused("Not there")
        # As PostHog's API is asked.
        status, answer = p.api(path, {"job": {"type": "Import contacts", "payload": {"since": "2024-01-31"}}}, "POST")
        assert status == 201, answer
        assert p.eventually(lambda: there.at("/import")) == [{"since": "2024-01-31", "pages": 3, "imports": 1}]
        out = run(p, p.home, "app", "job", "CRM", "Import contacts", "--payload", '{"since":"2024-02-01","pages":1}')
        assert "is started" in out, out
        p.eventually(lambda: {"since": "2024-02-01", "pages": 1, "imports": 2} in there.at("/import"))
        listed = run(p, p.home, "app", "job", "CRM")
        assert "First day" in listed and "Import contacts" in listed, listed
        run(p, p.home, "app", "job", "CRM", "Forget", "--payload", '{"why":"asked"}')

        def ended():
            calls = counts(p, config, "job")
            return calls and (calls["successes"], calls["failures"]) == (2, 1)
        p.eventually(ended)
        lines = [line["message"] for line in ask(p, f"/app_logs?app_config={config['id']}")["results"]]
        assert any('forgot {"why":"asked"}' in line for line in lines), lines
        assert any("half of it" in line for line in lines), lines

        # The job that PostHog adds to whatever exports events, from outside and from the app itself.
        send(p, event("old"))
        settled(p)
        status, answer = p.api(path, {"job": {"type": "Export historical events", "payload": {"dateFrom": "2020-01-01"}}}, "POST")
        assert status == 201, answer
        p.eventually(lambda: (status_of(p, config["id"]).get("export") or {}).get("state") == "done")
        assert there.at("/past") and "old" in there.at("/past")[-1]
        send(p, event("again"))
        p.eventually(lambda: (status_of(p, config["id"]).get("export") or {}).get("state") == "done"
                     and "again" in there.at("/past")[-1])
        ask(p, f"/app_configs/{config['id']}", {"enabled": False}, "PATCH")
        assert refused("Forget") == "this app is not enabled"


PAST = "export async function exportEvents(events, { config }) {\n" \
       "  const answer = await fetch(config.url + '/past', { method: 'POST', body: JSON.stringify(events.map((e) =>" \
       " [e.uuid, e.timestamp, e.event])) })\n  if (!answer.ok) throw new RetryError('answered ' + answer.status)\n}\n"


def test_past_events_are_exported_over_a_crash():
    start = 1_700_000_000
    with Destination() as there, Penstock(*NEAR) as p:
        times = [start + 60 * i for i in range(250)] + [start + 86_400 * 20 + i for i in range(30)]
        past = [{**event("old"), "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))} for at in times]
        other = {**event("other"), "timestamp": past[0]["timestamp"]}
        send(p, *past, other, event("old"))
        settled(p)
        made = install(p, "Past", PAST, {"url": there.url}, URL, filters={"events": [{"id": "old"}]})
        path = f"/app_configs/{made['id']}/export"

        def state():
            return status_of(p, made["id"]).get("export") or {}
        p.eventually(lambda: "exportEvents" in json.dumps(ask(p, f"/apps/{made['app']}")["app"]["capabilities"]))
        assert p.api("/api/projects/1" + path, {"from": "no day"}, "POST")[0] == 400
        there.status = 500
        told = run(p, p.home, "app", "export", "Past", "--from", "2023-11-01", "--to", "2024-01-01")
        assert "goes on by itself" in told, told
        p.eventually(lambda: state().get("repeated"))
        assert p.api("/api/projects/1" + path, {"from": "2023-11-01"}, "POST")[0] == 409
        p.kill()
        there.status = 200
        p.start()
        done = p.eventually(lambda: state().get("state") == "done" and state())
        assert (done["exported"], done["failed"], done["passed_over"], done["share"]) == (280, 0, 1, 1), done
        got = [tuple(one) for page in there.at("/past") for one in page]
        assert {uuid for uuid, _, _ in got} == {one["uuid"] for one in past}, len(got)
        assert [at for _, at, _ in got] == sorted(at for _, at, _ in got), "in the order of their time"
        assert all(len(page) <= 100 for page in there.at("/past"))
        assert p.eventually(lambda: status_of(p, made["id"]).get("metrics", {}).get("events_exported")) == 280
        assert "The export is done." in run(p, p.home, "app", "export", "Past")
