"""Apps as people write them for PostHog: the folders of tests/e2e/plugins, each in a style of its own, all in one project.

`case.json` of a folder says its configuration, the events it gets, and what must come of them: rows, requests to a
server that stands for everybody's, log lines, metrics, events that it captures.
"""
import base64
import gzip
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import urllib.parse
import uuid

import s3
from harness import KEY, Penstock
from test_apps import ask, run, settled, status_of

HERE = pathlib.Path(__file__).resolve().parent
PLUGINS = HERE / "plugins"
NEAR = ("--set", "apps.allow_private_hosts=127.0.0.1", "--set", "deliver.attempt_ms=300", "--set", "deliver.export_attempt_ms=150")


class World:
    """Stands for every server that apps talk to: answers what a case says, and remembers what it was asked."""

    def __init__(self):
        self.asked, self.answers, self.lock = [], {}, threading.Lock()
        world = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with world.lock:
                    world.asked.append((self.command, self.path, headers, body))
                    status, told, more = world.next_answer(f"{self.command} {self.path}")
                self.send_response(status)
                for name, value in {"X-Request-Id": "r1", "Content-Length": str(len(told)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(told)

            do_GET = do_POST = do_PUT = do_PATCH = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next_answer(self, asked):
        """(status, body, headers): a list is answered one by one, its last one for ever."""
        key = next((k for k in self.answers if asked == k or (k.endswith("/") and asked.startswith(k))), None)
        answer = self.answers.get(key, {})
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, int):
            return answer, b"", {}
        if isinstance(answer, dict) and "gzip" in answer:
            return 200, gzip.compress(json.dumps(answer["gzip"]).encode()), {}
        if isinstance(answer, dict) and "json" in answer:
            return answer.get("status", 200), json.dumps(answer["json"]).encode(), answer.get("headers", {})
        return 200, json.dumps(answer).encode(), {}

    def of(self, method, path):
        with self.lock:
            return [one for one in self.asked if one[0] == method and (one[1] == path or (path.endswith("/") and one[1].startswith(path)))]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Robot:
    """A Google service account, with a key made for this run."""

    def __init__(self, url):
        with tempfile.TemporaryDirectory() as folder:
            key = os.path.join(folder, "key.pem")
            subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key],
                           check=True, capture_output=True)
            pem = pathlib.Path(key).read_text()
            shown = subprocess.run(["openssl", "rsa", "-in", key, "-noout", "-modulus"], check=True, capture_output=True, text=True)
        self.modulus = int(shown.stdout.strip().split("=")[1], 16)
        self.account = {"type": "service_account", "project_id": "p", "client_email": "robot@p.example", "private_key": pem}
        self.url = url

    def key_of(self, app):
        return json.dumps({**self.account, "token_uri": f"{self.url}/token/{app}"})

    def claims_of(self, token):
        """What a token says, if this account signed it (RS256)."""
        head, body, signature = token.split(".")
        plain = pow(int.from_bytes(raw(signature), "big"), 65537, self.modulus).to_bytes(256, "big")
        assert plain.endswith(hashlib.sha256(f"{head}.{body}".encode()).digest()) and plain.startswith(b"\0\1\xff"), token
        return json.loads(raw(body))


def raw(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sigv4_of(headers, method, path, body, key_id, secret, region, service):
    """What the request's Authorization has to say."""
    names = re.search(r"SignedHeaders=([^,]+)", headers["authorization"]).group(1)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names.split(";"))
    canonical = "\n".join([method, path, "", lines, names, hashlib.sha256(body).hexdigest()])
    scope = f"{headers['x-amz-date'][:8]}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"


def within(wanted, found):
    """Everything that is wanted is there; null wants it away."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(within(value, found.get(key)) for key, value in wanted.items())
    return wanted == found


def deploy(p, name, case, world, robot):
    def fill(text):
        return text.replace("{url}", world.url).replace("{service_account}", robot.key_of(name))

    folder = PLUGINS / name
    files = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*")
             if path.is_file() and path.name != "case.json"}
    app = ask(p, "/apps", {"files": files}, "POST")
    config = {key: fill(value) for key, value in case["config"].items()}
    for key, file in case.get("attachments", {}).items():
        config[key] = {**file, "contents": base64.b64encode(fill(file["contents"]).encode()).decode()}
    only = {"properties": [{"key": "for", "value": [name], "operator": "exact"}]}
    return ask(p, "/app_configs", {"app": app["id"], "enabled": True, "config": config, "filters": only}, "POST")


def send(p, events):
    """The events of all cases, by name; each case's next one when those before are stored. Answers what was sent."""
    sent = {name: [] for name in events}
    for turn in range(max(map(len, events.values()))):
        batch = []
        for name, own in events.items():
            if turn < len(own):
                event = {"distinct_id": f"of {name}", "uuid": str(uuid.uuid4()), **own[turn]["in"]}
                event["properties"] = {"for": name, **event.get("properties", {})}
                batch.append(event)
                sent[name].append((event, own[turn].get("out", ...)))
        status, body, _ = p.post("/batch/", {"api_key": KEY, "batch": batch})
        assert status == 200, (status, body)
        settled(p)
    return sent


def sampled(distinct_id):
    """The sampler's hash, which the bundled app brings along."""
    at = 5381
    for c in distinct_id:
        at = ((at << 5) + at + ord(c)) & 0xffffffff
    return at % 100 < 50


def wanted_of(out):
    """Special expectations, in words."""
    if isinstance(out, str) and out.startswith("SAMPLE "):
        return {} if sampled(out.split()[1]) else None
    return out


def check_rows(p, name, sent):
    for event, out in sent:
        wanted = wanted_of(out)
        if wanted is ...:
            continue
        rows = p.sql(f"SELECT event, distinct_id, properties FROM events WHERE uuid = '{event['uuid']}'")
        if wanted is None:
            assert rows == [], (name, event, rows)
            continue
        assert len(rows) == 1, (name, event, rows)
        found = {"event": rows[0][0], "distinct_id": rows[0][1], "properties": json.loads(rows[0][2])}
        failed = found["properties"].get("$plugins_failed")
        assert failed is None and within(wanted, found), (name, wanted, found)


def check_requests(world, robot, name, wanted):
    found = world.of(wanted["method"], wanted["path"])
    assert len(found) == wanted["times"], (name, wanted, found)
    method, path, headers, body = found[0]
    assert within(wanted.get("headers", {}), headers), (name, wanted, headers)
    if "json" in wanted:
        assert within(wanted["json"], json.loads(body)), (name, wanted, body)
    if "body" in wanted:
        assert body.decode() == wanted["body"], (name, body)
    for text in wanted.get("contains", []):
        assert text in body.decode(), (name, text, body)
    if "gunzip" in wanted:
        assert within(wanted["gunzip"], json.loads(gzip.decompress(body).splitlines()[0])), (name, body)
    if "signed" in wanted:
        assert headers["authorization"] == sigv4_of(headers, method, path, body, *wanted["signed"]), (name, headers)
    if "hmac" in wanted:
        signature = hmac.new(wanted["hmac"].encode(), body, "sha256").hexdigest()
        assert headers["x-signature"] == "sha256=" + signature, (name, headers)
    if "assertion" in wanted:
        token = re.search(rb"assertion=([^&]+)", body).group(1).decode()
        assert within(wanted["assertion"], robot.claims_of(token)), (name, body)


def check_effects(p, world, robot, name, case, config):
    for wanted in case.get("requests", []):
        p.eventually(lambda: len(world.of(wanted["method"], wanted["path"])) >= wanted["times"])
        check_requests(world, robot, name, wanted)
    for event, distinct_id, at in case.get("captured", []):
        rows = p.eventually(lambda: p.sql(
            f"SELECT toString(timestamp), JSONExtractString(properties, '$lib') FROM events WHERE event = '{event}' "
            f"AND distinct_id = '{distinct_id}'"))
        assert len(rows) == 1 and rows[0][1] == "posthog-plugin-server" and rows[0][0].startswith(at or ""), (name, rows)

    def lines():
        return [line["message"] for line in ask(p, f"/app_logs?app_config={config['id']}&limit=1000")["results"]]
    for words in case.get("logs", []):
        assert p.eventually(lambda: any(words in line for line in lines())), (name, words, lines())
    if "metrics" in case:
        assert p.eventually(lambda: within(case["metrics"], status_of(p, config["id"]).get("metrics", {}))), name


WORKS = "function processEvent(event) { for (let i = 0; i < 5000000; i++) event.properties.i = i; return event }\n"


def set_apart(p):
    """The project has a worker of its own: events there are asked once, whatever an app costs (docs/apps/ENGINE.md)."""
    files = {"plugin.json": json.dumps({"name": "Works", "main": "index.js"}), "index.js": WORKS}
    app = ask(p, "/apps", {"files": files}, "POST")
    made = ask(p, "/app_configs", {"app": app["id"], "enabled": True, "config": {}}, "POST")
    p.eventually(lambda: status_of(p, made["id"]).get("health") == "healthy")
    send(p, {"works": [{"in": {"event": "work"}}]})
    p.eventually(lambda: any("worker apart" in line["message"] for line in ask(p, f"/app_logs?app_config={made['id']}")["results"]))
    ask(p, f"/app_configs/{made['id']}", {"enabled": False}, "PATCH")


def test_apps_in_the_styles_of_the_community():
    cases = {path.parent.name: json.loads(path.read_text()) for path in sorted(PLUGINS.glob("*/case.json"))}
    assert len(cases) == 31, len(cases)
    with World() as world, Penstock(*NEAR) as p:
        robot = Robot(world.url)

        for case in cases.values():
            world.answers.update(case.get("answers", {}))
        set_apart(p)
        configs = {name: deploy(p, name, case, world, robot) for name, case in cases.items()}
        for name, config in configs.items():
            def healthy():
                status = status_of(p, config["id"])
                assert status.get("attempts", 0) < 2, (name, status)
                return status.get("health") == "healthy"
            p.eventually(healthy)
        sent = send(p, {name: case["events"] for name, case in cases.items()})
        for name in cases:
            check_rows(p, name, sent[name])
        later = {name: case for name, case in cases.items() if "later" in case}
        for name, case in later.items():
            p.eventually(lambda: status_of(p, configs[name]["id"]).get("calls", {}).get("onEvent", {}).get("successes", 0) >= len(case["events"]))
        send(p, {name: case["later"] for name, case in later.items()})
        for name, case in cases.items():
            check_effects(p, world, robot, name, case, configs[name])
        for name, config in configs.items():
            status = status_of(p, config["id"])
            assert status["failed"] == 0 and status["health"] == "healthy", (name, status)


def fetched(name):
    """The folder of a package that tools/setup fetches by its version."""
    versions = dict(line.split("=", 1) for line in (HERE.parents[1] / "tools/versions.env").read_text().splitlines() if "=" in line)
    cache = os.environ.get("PENSTOCK_CACHE") or os.path.expanduser("~/.cache/penstock")
    return pathlib.Path(cache, f"{name}-{versions[name.upper().replace('-', '_') + '_VERSION']}")


def test_posthogs_geoip_plugin_from_npm_runs_unchanged():
    package = fetched("geoip-plugin")
    with Penstock("--set", f"apps.geoip_file={package}/GeoLite2-City-Test.mmdb") as p:
        run(p, p.home, "app", "deploy", str(package))
        config = ask(p, "/app_configs")["results"][0]
        p.eventually(lambda: status_of(p, config["id"]).get("health") == "healthy")
        sent = send(p, {"GeoIP": [
            {"in": {"event": "known", "distinct_id": "s", "properties": {"$ip": "89.160.20.129"}},
             "out": {"properties": {"$geoip_city_name": "Linköping", "$geoip_country_code": "SE", "$geoip_time_zone": "Europe/Stockholm",
                                    "$set": {"$geoip_city_name": "Linköping"}, "$plugins_succeeded": ["GeoIP (1)"]}}},
            {"in": {"event": "unknown", "distinct_id": "u", "properties": {"$ip": "127.0.0.1"}},
             "out": {"properties": {"$geoip_city_name": None, "$plugins_succeeded": ["GeoIP (1)"]}}},
            {"in": {"event": "disabled", "distinct_id": "d", "properties": {"$ip": "89.160.20.129", "$geoip_disable": True}},
             "out": {"properties": {"$geoip_city_name": None}}}]})
        check_rows(p, "GeoIP", sent["GeoIP"])
        assert "GeoIP" in run(p, p.home, "app", "list")


def test_an_export_by_the_aws_sdk_reaches_an_s3_server():
    if not s3.installed():
        return s3.MISSING
    case = json.loads((PLUGINS / "bucket-export/case.json").read_text())
    with s3.S3() as there, World() as world, Penstock(*NEAR) as p:
        assert there.curl("PUT", "/exports")[0] == 0
        case["config"].update(key=s3.ACCESS, secret=s3.SECRET, region="us-east-1", bucket="exports", endpoint=there.url)
        config = deploy(p, "bucket-export", case, world, Robot(world.url))
        p.eventually(lambda: status_of(p, config["id"]).get("health") == "healthy")
        send(p, {"bucket-export": case["events"]})

        def stored():
            listing = there.curl("GET", "/exports?list-type=2")[1].decode()
            return re.search(r"<Key>(from here/[^<]+[.]gz)</Key>", listing)
        key = p.eventually(stored).group(1)
        status, body = there.curl("GET", "/exports/" + urllib.parse.quote(key, safe="/"))
        assert status == 0 and json.loads(gzip.decompress(body))["event"] == "a", (status, key, body)
