"""What SDKs ask for beside sending events: bundles, remote config, feature flags, local evaluation."""
import gzip
import json
import re
import subprocess

from harness import KEY, Penstock
import sdk
from test_sdk_browser import OPTIONS, USER_AGENT, version

ROLLOUT = {"id": 1, "key": "rollout", "filters": {"groups": [{"properties": [], "rollout_percentage": 40}]}}
VARIANTS = {"id": 2, "key": "variants", "filters": {
    "groups": [{"properties": [], "rollout_percentage": 90}],
    "multivariate": {"variants": [{"key": "red", "rollout_percentage": 33.3},
                                  {"key": "blue", "rollout_percentage": 66.7}]},
    "payloads": {"red": "{\"hue\": 0}", "blue": "{\"hue\": 240}"}}}
PAYLOAD = {"id": 3, "key": "payload", "filters": {"groups": [{"rollout_percentage": 100}],
                                                  "payloads": {"true": "[1, {\"a\": null}]"}}}
OFF = {"id": 4, "key": "off", "active": False, "filters": {"groups": [{"rollout_percentage": 100}]}}
ASKS = {"id": 5, "key": "asks", "filters": {"groups": [{"rollout_percentage": 100, "properties": [
    {"key": "plan", "type": "person", "operator": "exact", "value": ["pro"]}]}]}}
HELD = {"id": 6, "key": "held", "filters": {"groups": [{"rollout_percentage": 50}],
                                            "holdout": {"id": 9, "exclusion_percentage": 20}}}
FLAGS = [ROLLOUT, VARIANTS, PAYLOAD, OFF, ASKS, HELD]


def put(penstock, name, setting):
    status, answer = penstock.api(f"/api/projects/1/settings/{name}", setting, "PUT")
    assert status == 200, answer


def secret_of(penstock, project=0):
    status, answer = penstock.api("/api/keys", {"label": "sdk", "project_id": project})
    assert status == 201, answer
    return answer["key"]


def run(command, plan):
    done = subprocess.run(command, input=json.dumps(plan), text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr[-1500:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def drive(language, penstock, secret):
    command = (["node", sdk.HERE / "node/flags.mjs"] if language == "node" else
               [sdk.command("python")[0], sdk.HERE / "python/flags.py"])
    ids = [f"person-{n}" for n in range(60)] + ["naïve ☂", "a b"]
    return run(command, {"host": penstock.capture, "key": KEY, "secret": secret, "ids": ids,
                         "properties": {"plan": "pro"}, "payload_of": "payload"})


def check_flags(language):
    with Penstock() as penstock:
        put(penstock, "feature_flags", {"flags": FLAGS})
        told = drive(language, penstock, secret_of(penstock, 1))
        assert not told["errors"], told["errors"]
        values = {name: set() for name in ("rollout", "variants", "held")}
        for person, local in told["local"].items():
            remote = told["remote"][person]
            # Two implementations, one answer: the SDK's own from the definitions, and Penstock's.
            for flag in ("rollout", "variants", "payload", "off", "held"):
                assert local[flag] == remote[flag], (person, flag, local, remote)
            assert local["asks"] is True, local
            # What Penstock cannot decide is told as failed, never as an answer.
            assert not remote.get("asks"), remote
            assert remote["payload"] is True and remote["off"] is False, remote
            for name, seen in values.items():
                seen.add(remote[name])
            assert told["payloads"][person]["payload"] == [1, {"a": None}] or \
                json.loads(told["payloads"][person]["payload"]) == [1, {"a": None}], told["payloads"][person]
        assert values == {"rollout": {True, False}, "variants": {"red", "blue", False},
                          "held": {True, False, "holdout-9"}}, values
        payload = told["payload"]
        assert (json.loads(payload) if isinstance(payload, str) else payload) == [1, {"a": None}], payload


def test_flags_decided_here_and_by_sdks_are_the_same():
    sdk.side_by_side(check_flags, ["node", "python"])


def test_definitions_need_a_key_of_the_project_and_are_cached():
    with Penstock() as penstock:
        put(penstock, "feature_flags", {"flags": FLAGS})
        secret = secret_of(penstock, 1)
        url = f"{penstock.capture}/flags/definitions?token={KEY}&send_cohorts"
        bearer = {"Authorization": f"Bearer {secret}"}
        status, body, headers = penstock.request(url, headers=bearer)
        answer = json.loads(body)
        assert status == 200 and [f["key"] for f in answer["flags"]] == [f["key"] for f in FLAGS]
        assert answer["group_type_mapping"] == {} and answer["cohorts"] == {}, answer
        assert headers["Cache-Control"] == "private, must-revalidate", headers
        again = penstock.request(url, headers={**bearer, "If-None-Match": headers["ETag"]})
        assert (again[0], again[1]) == (304, b""), again
        put(penstock, "feature_flags", {"flags": FLAGS[:1]})
        assert penstock.request(url, headers={**bearer, "If-None-Match": headers["ETag"]})[0] == 200
        assert penstock.request(url)[0] == 401
        assert penstock.request(url, headers={"Authorization": f"Bearer {KEY}"})[0] == 401
        other = penstock.api("/api/projects", {"name": "other"})[1]["id"]
        foreign = {"Authorization": f"Bearer {secret_of(penstock, other)}"}
        assert penstock.request(url, headers=foreign)[0] == 403
        keys = penstock.api("/api/keys")[1]["keys"]
        mine = next(k["id"] for k in keys if secret.startswith(k["prefix"]))
        assert penstock.api(f"/api/keys/{mine}", method="DELETE")[0] == 200
        assert penstock.request(url, headers=bearer)[0] == 401, "a revoked key still reads"


def test_flags_are_made_and_changed_one_by_one():
    with Penstock() as penstock:
        base = "/api/projects/1/feature_flags"

        def told():
            body = {"token": KEY, "distinct_id": "eve"}
            return json.loads(penstock.post("/flags/?v=2", body)[1])["flags"]
        status, made = penstock.api(base, {"key": "new", "filters": {"groups": [{}]}})
        assert status == 201 and made["id"] == 1 and made["version"] == 1, made
        assert penstock.api(base, {"key": "new"})[0] == 409
        status, wrong = penstock.api(base, {"key": "x", "filters": {"groups": [{"rollout_percentage": 200}]}})
        assert status == 400 and "rollout_percentage" in wrong["error"]["message"], wrong
        penstock.eventually(lambda: told().get("new", {}).get("enabled") is True)
        status, changed = penstock.api(f"{base}/1", {"active": False}, "PATCH")
        assert status == 200 and changed["version"] == 2 and changed["key"] == "new", changed
        penstock.eventually(lambda: told()["new"]["reason"]["code"] == "flag_disabled")
        listed = penstock.api(base)[1]
        assert listed["count"] == 1 and listed["results"][0]["id"] == 1, listed
        assert penstock.api(f"{base}/1", method="DELETE")[0] == 204
        assert penstock.api(f"{base}/1")[0] == 404
        penstock.eventually(lambda: told() == {})
        # A key of the project may change its flags and config, and not its quotas.
        bound = {"Authorization": f"Bearer {secret_of(penstock, 1)}", "Content-Type": "application/json"}
        settings = f"{penstock.admin}/api/projects/1/settings/"
        assert penstock.request(settings + "remote_config", b'{"heatmaps":true}', bound, "PUT")[0] == 200
        assert penstock.request(settings + "admission", b'{"weight":2}', bound, "PUT")[0] == 401


def test_bundles_are_the_released_ones():
    folder = sdk.HERE / "browser/node_modules/posthog-js/dist"
    pinned = re.search(r"^POSTHOG_JS_VERSION=(.*)$",
                       (sdk.HERE.parents[1] / "tools/versions.env").read_text(), re.M).group(1)
    assert pinned == version(), "tests/e2e/browser drives another posthog-js than the binary carries"
    with Penstock() as penstock:
        for kind in ("array", "lazy-recorder", "posthog-recorder", "recorder", "surveys",
                     "web-vitals", "exception-autocapture", "dead-clicks-autocapture"):
            plain = (folder / f"{kind}.js").read_bytes()
            for path in (f"/static/{kind}.js", f"/static/{pinned}/{kind}.js"):
                url = penstock.capture + path
                status, body, headers = penstock.request(url, headers={"Accept-Encoding": "gzip"})
                assert status == 200 and headers["Content-Encoding"] == "gzip", (path, status)
                assert gzip.decompress(body) == plain, path
                assert penstock.request(url, headers={"Accept-Encoding": "identity"})[1] == plain
                assert penstock.request(url, headers={"If-None-Match": headers["ETag"]})[0] == 304
        script = penstock.get(f"/array/{KEY}/config.js")[1]
        status, body, headers = penstock.request(f"{penstock.capture}/array/{KEY}/array.js",
                                                 headers={"Accept-Encoding": "gzip"})
        assert gzip.decompress(body) == script + (folder / "array.js").read_bytes()
        for path in ("/static/toolbar.js", "/static/../catalog.db", "/static/%2e%2e/catalog.db",
                     "/static/0.0.1/array.js", "/array/phc_unknown/array.js"):
            assert penstock.get(path)[0] == 404, path


def visit(penstock, script, **plan):
    return run(["node", sdk.HERE / "browser/snippet.mjs"],
               {"host": penstock.capture, "key": KEY, "script": script, "user_agent": USER_AGENT,
                "options": {**OPTIONS, "disable_session_recording": False}, **plan})


def test_a_page_that_loads_posthog_js_from_here():
    with Penstock() as penstock:
        put(penstock, "feature_flags", {"flags": FLAGS})
        put(penstock, "remote_config", {
            "heatmaps": True, "captureDeadClicks": True, "sessionRecording": True,
            "capturePerformance": {"web_vitals": True, "network_timing": True},
            "autocaptureExceptions": True, "errorTracking": {"autocaptureExceptions": True}})
        put(penstock, "surveys", {"surveys": [{"id": "s-1", "name": "NPS", "type": "api",
                                               "questions": [], "start_date": "2026-01-01T00:00:00Z"}]})
        put(penstock, "early_access_features", {"earlyAccessFeatures": [
            {"id": "e-1", "name": "Beta", "stage": "beta", "flagKey": "rollout"}]})
        # posthog-js asks for its parts by its own version.
        parts = [f"/static/{version()}/{kind}.js" for kind in
                 ("exception-autocapture", "dead-clicks-autocapture", "surveys", "lazy-recorder",
                  "web-vitals-with-attribution")]
        told = visit(penstock, "/static/array.js", wait_for=[*parts, "/s/", "/api/surveys/"])
        paths = {r["path"] for r in told["requests"]}
        bad = [r for r in told["requests"] if r["status"] != 200]
        assert not bad, bad
        thrown = [e for e in told["errors"] if "thrown in the shop" not in e]
        assert not thrown, thrown
        assert told["version"] == version(), told["version"]
        for path in ("/static/array.js", f"/array/{KEY}/config.js", "/flags/", "/api/surveys/",
                     "/api/early_access_features/", "/i/v0/e/", "/s/", *parts):
            assert path in paths, (path, sorted(paths))
        assert f"/array/{KEY}/config" not in paths, "the script was not enough"
        # Pages hear of enabled flags only.
        assert told["flags"]["payload"] is True, told["flags"]
        assert "off" not in told["flags"] and "asks" not in told["flags"], told["flags"]
        assert [s["id"] for s in told["surveys"]] == ["s-1"], told["surveys"]
        assert [f["flagKey"] for f in told["features"]] == ["rollout"], told["features"]
        if told["flags"].get("variants"):
            assert told["payload"]["hue"] in (0, 240), told["payload"]
        # What was captured before the SDK was there is stored as well, and what it caught by itself.
        names = penstock.eventually(lambda: {
            row[0] for row in penstock.sql("SELECT DISTINCT event FROM events")}
            >= {"before it was loaded", "$pageview", "$autocapture", "$exception"})
        assert names


def test_a_page_that_loads_its_own_bundle_needs_no_config_request():
    with Penstock() as penstock:
        put(penstock, "remote_config", {"autocapture_opt_out": True})
        put(penstock, "feature_flags", {"flags": [PAYLOAD]})
        told = visit(penstock, f"/array/{KEY}/array.js", wait_for=["/flags/"])
        paths = {r["path"] for r in told["requests"]}
        assert not [r for r in told["requests"] if r["status"] != 200], told["requests"]
        assert f"/array/{KEY}/array.js" in paths, paths
        assert not paths & {f"/array/{KEY}/config.js", f"/array/{KEY}/config"}, paths
        penstock.eventually(lambda: penstock.sql(
            "SELECT count() FROM events WHERE event = 'before it was loaded'")[0][0] == "1")
        names = {row[0] for row in penstock.sql("SELECT DISTINCT event FROM events")}
        assert "$autocapture" not in names, "the config was not heard"


def test_a_page_below_a_path_prefix_asks_for_nothing_on_plain_paths():
    with Penstock("--set", "capture.path_prefix=/ingest-x1", "--set",
                  "capture.path_prefix_only=true") as penstock:
        put(penstock, "feature_flags", {"flags": [PAYLOAD]})
        put(penstock, "remote_config", {"sessionRecording": True})
        told = visit(penstock, "/static/array.js", host=penstock.capture + "/ingest-x1",
                     wait_for=[f"/ingest-x1{path}" for path in
                               ("/i/v0/e/", "/s/", f"/static/{version()}/lazy-recorder.js")])
        assert not [r for r in told["requests"] if r["status"] != 200], told["requests"]
        paths = {r["path"] for r in told["requests"]}
        assert all(path.startswith("/ingest-x1/") for path in paths), paths
        names = penstock.eventually(lambda: {
            row[0] for row in penstock.sql("SELECT DISTINCT event FROM events")}
            >= {"before it was loaded", "$pageview", "$autocapture"})
        assert names
