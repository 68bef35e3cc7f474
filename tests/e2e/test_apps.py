"""Apps through the real binary: an event is changed, dropped, passed by a broken app; order, versions, crashes."""
import base64
import hashlib
import http.server
import io
import json
import pathlib
import queue
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
import uuid

from harness import BIN, KEY, Penstock

ADDS = "export function processEvent(event, { config }) {\n" \
       "  event.properties.seen_by = (event.properties.seen_by || '') + config.mark\n  return event\n}\n"
THROWS = "export function processEvent() { throw new Error('nothing works today') }\n"
LOOPS = "export function processEvent(event) { while (event) {} }\n"
DROPS = "export function processEvent(event) { return event.event === 'noise' ? null : event }\n"


def event(name="seen", **properties):
    return {"event": name, "distinct_id": "d", "uuid": str(uuid.uuid4()), "properties": properties}


def send(p, *events):
    status, body, _ = p.post("/batch/", {"api_key": KEY, "batch": list(events)})
    assert status == 200, (status, body)


def goes_round(p, project=1):
    """Whether an event let others wait for its app and is on its way round them: in quarantine for a moment."""
    return bool(p.api(f"/api/projects/{project}/quarantine?reason=app_waits&limit=1")[1]["entries"])


def settled(p):
    def done():
        if goes_round(p):
            return None
        ledger = p.ledger()
        total = ledger["total"]
        at_rest = ledger["balance"]["balanced"] and total["in_flight"] == 0
        at_rest = at_rest and ledger["balance"]["stored"] == ledger["balance"]["accepted"]
        return total if at_rest and not goes_round(p) else None
    return p.eventually(done)


def ask(p, path, body=None, method=None):
    status, answer = p.api(f"/api/projects/1{path}", body, method) if method else p.api(f"/api/projects/1{path}", body)
    assert status in (200, 201), (status, answer)
    return answer


def install(p, name, code, config=None, schema=None, enabled=True, filters=None):
    manifest = {"name": name, "main": "index.js", "config": schema or []}
    app = ask(p, "/apps", {"files": {"plugin.json": json.dumps(manifest), "index.js": code}}, "POST")
    made = ask(p, "/app_configs", {"app": app["id"], "enabled": enabled, "config": config or {},
                                  "filters": filters or {}}, "POST")
    if enabled:
        p.eventually(lambda: status_of(p, made["id"]).get("health") == "healthy")
    return made


def config_of(p, config):
    return ask(p, f"/app_configs/{config}")


def status_of(p, config):
    """Empty where the process that runs the apps does not know it yet."""
    return config_of(p, config)["status"] or {}


def row(p, sent):
    rows = p.sql(f"SELECT properties FROM events WHERE uuid = '{sent['uuid']}'")
    return json.loads(rows[0][0]) if rows else None


MARK = [{"key": "mark", "type": "string", "default": "a"}]


def test_an_app_changes_an_event_and_trace_tells_how():
    with Penstock() as p:
        config = install(p, "Marker", ADDS, {"mark": "x"}, MARK)
        sent = event(kept=1)
        send(p, sent)
        settled(p)
        found = row(p, sent)
        assert found["seen_by"] == "x" and found["kept"] == 1, found
        assert found["$plugins_succeeded"] == [f"Marker ({config['id']})"], found
        hops = ask(p, f"/trace/{sent['uuid']}")["entries"][0]["hops"]
        apps = next(h for h in hops if h["name"] == "apps")["apps"]
        assert apps[0]["name"] == "Marker" and apps[0]["status"] == "succeeded", apps
        assert apps[0]["set"] == {"seen_by": "x"}, apps
        said = subprocess.run([BIN, "trace", "--data", p.data, sent["uuid"]], capture_output=True, text=True, timeout=30)
        assert 'Marker (1) succeeded, seen_by="x"' in said.stdout, said.stdout


def test_order_disabling_and_dropping():
    with Penstock() as p:
        first = install(p, "First", ADDS, {"mark": "1"}, MARK)
        second = install(p, "Second", ADDS, {"mark": "2"}, MARK)
        install(p, "Quiet", DROPS)
        a = event()
        send(p, a, event("noise"))
        total = settled(p)
        assert row(p, a)["seen_by"] == "12", row(p, a)
        assert total["dropped"] == {"dropped_by_app": 1}, total
        ask(p, "/app_configs/order", {"ids": [second["id"], first["id"]]}, "PUT")
        p.eventually(lambda: marked(p) == "21")
        ask(p, f"/app_configs/{second['id']}", {"enabled": False}, "PATCH")
        p.eventually(lambda: marked(p) == "1")


def test_filters_keep_events_from_an_app_before_it_has_any_work():
    with Penstock() as p:
        by_name = install(p, "By name", ADDS, {"mark": "n"}, MARK, filters={"events": [{"id": "order"}]})
        by_property = install(p, "By property", ADDS, {"mark": "p"}, MARK,
                              filters={"properties": [{"key": "plan", "value": ["pro"], "operator": "exact"}]})
        install(p, "Everything", ADDS, {"mark": "e"}, MARK)
        wrong = install(p, "Wrong", ADDS, {"mark": "w"}, MARK,
                        filters={"properties": [{"key": "plan", "value": "x", "operator": "sounds_like"}]})
        forever = "arrayCount(x -> arrayCount(y -> true, range(100000)) > 0, range(100000)) = 1"
        endless = install(p, "Endless", ADDS, {"mark": "z"}, MARK,
                          filters={"properties": [{"key": forever, "type": "hogql"}]})
        order, pro, neither = event("order"), event(plan="pro"), event(plan="free")
        begun = time.monotonic()
        send(p, order, pro, neither)
        settled(p)
        assert time.monotonic() - begun < 10
        assert [row(p, sent)["seen_by"] for sent in (order, pro, neither)] == ["ne", "pe", "e"]
        seen = {c["id"]: p.eventually(lambda c=c: counted(p, c)) for c in (by_name, by_property, wrong, endless)}
        assert (seen[by_name["id"]]["filtered"], seen[by_name["id"]]["events"]) == (2, 1), seen
        assert (seen[by_property["id"]]["filtered"], seen[by_property["id"]]["events"]) == (2, 1), seen
        assert (seen[wrong["id"]]["filtering_failed"], seen[wrong["id"]]["events"]) == (3, 0), seen
        assert "sounds_like" in seen[wrong["id"]]["filters_error"], seen
        assert (seen[endless["id"]]["filtering_failed"], seen[endless["id"]]["events"]) == (3, 0), seen
        ask(p, f"/app_configs/{wrong['id']}", {"filters": {}}, "PATCH")
        p.eventually(lambda: marked(p) == "ew")


def test_a_hog_app_logs_and_shows_its_health():
    with Penstock() as p:
        code = "print('saw', event.event)\nif (event.event == 'bad') { throw Error('not today') }\n" \
               "let made := event\nmade.properties.greeting := inputs.word\nreturn made"
        manifest = {"name": "Greets", "main": "index.hog",
                    "config": [{"key": "word", "type": "string", "default": "hello {event.event}"}]}
        files = {"plugin.json": json.dumps(manifest), "index.hog": code}
        tried = ask(p, "/apps/test", {"files": files, "event": {"event": "x"}}, "POST")
        assert tried["logs"][0]["message"] == "saw x" and tried["fate"] == "changed", tried
        app = ask(p, "/apps", {"files": files}, "POST")
        config = ask(p, "/app_configs", {"app": app["id"], "enabled": True}, "POST")
        good, bad = event("order"), event("bad")
        send(p, good, bad)
        settled(p)
        assert row(p, good)["greeting"] == "hello order", row(p, good)
        status = p.eventually(lambda: (s := config_of(p, config["id"])["status"]) and s["failed"] and s)
        assert (status["health"], status["events"], status["succeeded"]) == ("healthy", 2, 1), status
        assert "not today" in status["last_error"]["message"], status
        said = [line["message"] for line in ask(p, f"/app_logs?app_config={config['id']}")["results"]]
        assert "saw order" in said and any("not today" in line for line in said), said


def counted(p, config):
    """An app's status once its filters have looked at three events."""
    status = config_of(p, config["id"])["status"]
    return status if status["filtered"] + status["filtering_failed"] + status["events"] >= 3 else None


def marked(p):
    """Who has seen an event that is sent now."""
    sent = event()
    send(p, sent)
    settled(p)
    return row(p, sent)["seen_by"]


def test_a_broken_app_costs_its_own_result_only():
    with Penstock() as p:
        broken = install(p, "Broken", THROWS)
        install(p, "Marker", ADDS, {"mark": "m"}, MARK)
        sent = event(kept=1)
        send(p, sent)
        settled(p)
        found = row(p, sent)
        assert found["seen_by"] == "m" and found["$plugins_failed"] == [f"Broken ({broken['id']})"], found
        lines = p.eventually(lambda: ask(p, f"/app_logs?app_config={broken['id']}")["results"])
        assert any("nothing works today" in line["message"] for line in lines), lines
        p.eventually(lambda: "nothing works today" in json.dumps(config_of(p, broken["id"])["error"]))


def test_a_looping_app_ends_and_the_event_goes_on():
    with Penstock() as p:
        install(p, "Endless", LOOPS)
        sent = event(kept=1)
        begun = time.monotonic()
        send(p, sent)
        settled(p)
        assert time.monotonic() - begun < 15
        assert row(p, sent)["kept"] == 1
        others = [event() for _ in range(50)]
        send(p, *others)
        settled(p)
        assert p.sql("SELECT toUInt32(count()) FROM events") == [[51]]


def test_secrets_are_taken_and_never_shown():
    with Penstock() as p:
        schema = [{"key": "apiKey", "type": "string", "secret": True, "required": True}]
        code = "export function processEvent(event, { config }) { console.log('key', config.apiKey); " \
               "event.properties.length = config.apiKey.length; return event }"
        config = install(p, "Keeper", code, {"apiKey": "hush-hush-4711"}, schema)
        assert config["config"] == {"apiKey": {"secret": True}}, config
        sent = event()
        send(p, sent)
        settled(p)
        assert row(p, sent)["length"] == 14
        lines = p.eventually(lambda: ask(p, "/app_logs")["results"])
        seen = json.dumps([lines, ask(p, "/app_configs"), ask(p, f"/apps/{config['app']}")])
        assert "hush-hush" not in seen and "hush-hush" not in p.output(), seen
        kept = b"".join(path.read_bytes() for path in pathlib.Path(p.data).glob("catalog.db*"))
        assert b"hush-hush" not in kept and b"sealed1:" in kept
        assert pathlib.Path(p.data, "catalog.key").stat().st_mode & 0o777 == 0o600
        p.kill()
        p.start()
        p.eventually(lambda: status_of(p, config["id"]).get("health") == "healthy")
        send(p, again := event())
        settled(p)
        assert row(p, again)["length"] == 14
        status, answer = p.api(f"/api/projects/1/app_configs/{config['id']}", {"config": {"apiKey": ""}}, "PATCH")
        assert status == 400 and "apiKey" in answer["error"]["message"], answer


def test_an_app_may_capture_and_a_test_stores_nothing():
    with Penstock() as p:
        code = "export function processEvent(event) { if (event.event === 'order') " \
               "posthog.capture('order seen', { of: event.uuid }); return event }"
        app = install(p, "Echo", code)
        tried = ask(p, f"/apps/{app['app']}/test", {"event": {"event": "other", "properties": {"a": 1}}}, "POST")
        assert tried["fate"] in ("unchanged", "changed"), tried
        assert p.sql("SELECT toUInt32(count()) FROM events") == [[0]]
        sent = event("order")
        send(p, sent)
        p.eventually(lambda: p.sql("SELECT JSONExtractString(properties, 'of') FROM events WHERE event = 'order seen'")
                     == [[sent["uuid"]]])


def test_a_crash_leaves_each_event_once():
    with Penstock() as p:
        install(p, "Marker", ADDS, {"mark": "x"}, MARK)
        sent = []
        for _ in range(4):
            batch = [event() for _ in range(300)]
            send(p, *batch)
            sent += batch
            p.kill()
            p.start()
        total = settled(p)
        assert p.ledger()["balance"]["accepted"] == len(sent) and total["dropped"] == {}, total
        assert p.sql("SELECT toUInt32(count()), toUInt32(uniqExact(uuid)), "
                     "toUInt32(countIf(JSONExtractString(properties, 'seen_by') = 'x')) FROM events") == [[1200] * 3]


def run(p, folder, *args):
    out = subprocess.run([BIN, *args], capture_output=True, text=True, timeout=60, cwd=folder,
                         env={"PENSTOCK_DATA": p.data, "PATH": ""})
    assert out.returncode == 0, (args, out.returncode, out.stdout, out.stderr)
    return out.stdout


def test_the_command_line_from_new_to_rollback():
    with Penstock() as p, tempfile.TemporaryDirectory() as folder:
        for lang in ("js", "ts", "hog"):
            run(p, folder, "app", "new", f"greet-{lang}", "--lang", lang)
            assert "2 passed, 0 failed" in run(p, folder, "app", "test", f"greet-{lang}")
        run(p, folder, "app", "deploy", "greet-js", "--config", '{"greeting":"ahoy"}')
        assert "greet-js" in run(p, folder, "app", "list")
        p.eventually(lambda: status_of(p, 1).get("health") == "healthy")
        sent = event("$pageview")
        send(p, sent)
        settled(p)
        assert row(p, sent)["greeting"] == "ahoy"
        unchanged = run(p, folder, "app", "replay", "greet-js", "--since", "1h", "--config", '{"greeting":"ahoy"}')
        assert "1 events: 1 come out the same, 0 differ" in unchanged, unchanged
        code = pathlib.Path(folder, "greet-js", "index.js")
        code.write_text(code.read_text().replace("config.greeting", "config.greeting + '!'"))
        replayed = run(p, folder, "app", "replay", "greet-js", "--since", "1h", "--config", '{"greeting":"ahoy"}')
        assert "ahoy!" in replayed and "1 differ" in replayed, replayed
        run(p, folder, "app", "deploy", "greet-js")
        assert ask(p, "/apps/1")["app"]["version"] == 2
        assert "version 1" in run(p, folder, "app", "rollback", "greet-js")
        assert ask(p, "/apps/1")["app"]["version"] == 1
        run(p, folder, "app", "disable", "greet-js")
        assert config_of(p, 1)["enabled"] is False


def test_the_development_loop_shows_saves_and_new_events_side_by_side():
    with Penstock() as p, tempfile.TemporaryDirectory() as folder:
        run(p, folder, "app", "new", "greet")
        send(p, event("$pageview"), event("other"))
        settled(p)
        lines = queue.Queue()
        dev = subprocess.Popen([BIN, "app", "dev", "greet", "--config", '{"greeting":"hi"}'], cwd=folder, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"PENSTOCK_DATA": p.data, "PATH": ""})
        threading.Thread(target=lambda: [lines.put(line) for line in dev.stdout], daemon=True).start()

        def until(words):
            told = []
            while not told or words not in told[-1]:
                told.append(" ".join(lines.get(timeout=30).split()))
            return told

        try:
            told = until("Waiting for a save")
            assert "2 passed, 0 failed, at most" in " ".join(told), told
            assert 'properties.greeting – "hi"' in told and "2 events: 1 come out the same, 1 differ" in told, told
            code = pathlib.Path(folder, "greet", "index.js")
            good = code.read_text()
            code.write_text("export function processEvent( {")
            until("SyntaxError")
            code.write_text(good.replace("config.greeting", "config.greeting + '!'"))
            assert 'properties.greeting – "hi!"' in until("differ")
            # What runs already is shown beside it, and an event that comes now is shown when it is stored.
            code.write_text(good)
            until("differ")
            run(p, folder, "app", "deploy", "greet", "--config", '{"greeting":"ahoy"}')
            p.eventually(lambda: status_of(p, 1).get("health") == "healthy")
            later = event("$pageview")
            send(p, later)
            assert until(later["uuid"])[-1] == f"{later['uuid']} $pageview now: changed this folder: changed"
            assert until("properties.greeting")[-1] == 'properties.greeting – "ahoy" "hi"'
        finally:
            dev.kill()
            dev.wait()


def test_an_archive_is_installed_and_the_next_one_is_its_next_version():
    with Penstock() as p, tempfile.TemporaryDirectory() as folder:
        run(p, folder, "app", "new", "packed")
        for version, name in enumerate(("packed.tgz", "packed.tar.gz", "packed.zip"), 1):
            if name.endswith(".zip"):
                shutil.make_archive(f"{folder}/packed", "zip", folder, "packed")
            else:
                with tarfile.open(f"{folder}/{name}", "w:gz") as tar:
                    tar.add(f"{folder}/packed", "package")
            assert "packed is enabled" in run(p, folder, "app", "deploy", name)
            assert ask(p, "/apps/1")["app"]["version"] == version
        run(p, folder, "app", "deploy", "template:url-parser")
        run(p, folder, "app", "deploy", "template:url-parser")
        assert [c["name"] for c in ask(p, "/app_configs")["results"]] == ["packed", "URL Parser"]
        pathlib.Path(folder, "torn.tgz").write_bytes(pathlib.Path(folder, "packed.tgz").read_bytes()[:200])
        for name in ("torn.tgz", "absent.zip"):
            out = subprocess.run([BIN, "app", "deploy", name], capture_output=True, text=True, timeout=60, cwd=folder,
                                 env={"PENSTOCK_DATA": p.data, "PATH": ""})
            assert out.returncode != 0 and out.stderr.startswith("penstock: "), (name, out)


class Registry:
    """An npm registry with one package; `lies` about its sum."""

    def __init__(self, files, lies=False):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name, text in files.items():
                entry = tarfile.TarInfo("package/" + name)
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text.encode()))
        archive = packed.getvalue()
        told = archive + b"x" if lies else archive
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/@acme%2Fmarker/1.2.3":
                    body = json.dumps({"dist": {"tarball": registry.url + "/marker.tgz", "integrity": "sha512-" +
                                                base64.b64encode(hashlib.sha512(told).digest()).decode()}}).encode()
                elif self.path == "/marker.tgz":
                    body = archive
                else:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_a_package_comes_from_a_registry_or_not_at_all():
    files = {"plugin.json": json.dumps({"name": "Marker", "main": "index.js", "config": MARK}), "index.js": ADDS,
             "package.json": "{}"}
    with Registry(files) as registry, Registry(files, lies=True) as liar:
        with Penstock("--set", f"apps.npm_registry={registry.url}") as p:
            app = ask(p, "/apps", {"npm": "@acme/marker@1.2.3"}, "POST")
            shown = ask(p, f"/apps/{app['id']}")
            assert shown["versions"][0]["source"] == "npm @acme/marker@1.2.3", shown["versions"]
            assert shown["files"]["index.js"] == ADDS
            for package, code in (("@acme/marker@9.9.9", 404), ("marker", 400), ("../x@1", 400), ("@a/../b@1", 400)):
                status, answer = p.api("/api/projects/1/apps", {"npm": package}, "POST")
                assert status == code, (package, status, answer)
        with Penstock("--set", f"apps.npm_registry={liar.url}") as p:
            status, answer = p.api("/api/projects/1/apps", {"npm": "@acme/marker@1.2.3"}, "POST")
            assert status == 400 and "not what the registry" in answer["error"]["message"], answer


def test_the_templates_pass_their_own_tests():
    with Penstock() as p, tempfile.TemporaryDirectory() as folder:
        listed = ask(p, "/app_templates")["results"]
        assert len(listed) >= 19 and sum(t["language"] == "hog" for t in listed) == 10, [t["id"] for t in listed]
        for template in listed:
            app = ask(p, "/apps", {"template": template["id"]}, "POST")
            for path, text in ask(p, f"/apps/{app['id']}")["files"].items():
                file = pathlib.Path(folder, template["id"], path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            assert "0 failed" in run(p, folder, "app", "test", template["id"]), template


def test_the_tutorial_works_as_written():
    page = pathlib.Path(__file__).resolve().parents[2] / "docs/apps/TUTORIAL.md"
    commands = []
    for block in page.read_text().split("```sh\n")[1:]:
        commands += block.split("```")[0].strip().splitlines()
    assert len(commands) > 10, commands
    with Penstock() as p, tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "bin").mkdir()
        pathlib.Path(folder, "bin", "penstock").symlink_to(BIN)
        for command in commands:
            out = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, cwd=folder,
                                 env={"PENSTOCK_DATA": p.data, "PATH": f"{folder}/bin:/usr/bin:/bin"})
            assert out.returncode == 0, (command, out.stdout, out.stderr)
            if "app deploy" in command:
                p.eventually(lambda: status_of(p, 1).get("health") == "healthy")
            if "penstock send" in command:
                settled(p)
            if "penstock query" in command:
                assert "ahoy" in out.stdout, out.stdout
