"""Apps: what is told when they are saved, what filters match, and dry runs that do nothing."""
import base64
import json

from harness import KEY, Penstock
from test_apps import ADDS, MARK, ask, config_of, event, install, row, send, settled

HOG = {"name": "Greets", "main": "index.hog",
       "config": [{"key": "word", "type": "string", "default": "hello"}, {"key": "db", "type": "attachment"}]}


def hog_files(code, manifest=None):
    return {"plugin.json": json.dumps(manifest or HOG), "index.hog": code}


def refused(p, path, body, method="POST"):
    status, answer = p.api(f"/api/projects/1{path}", body, method)
    assert status == 400, (status, answer)
    return answer["error"]


def test_mistakes_are_told_when_they_are_saved():
    with Penstock() as p:
        wrong = refused(p, "/apps", {"files": hog_files("let a := 1\nlet b := := 2\nreturn event")})
        assert (wrong["file"], wrong["line"]) == ("index.hog", 2), wrong
        app = ask(p, "/apps", {"files": hog_files("let made := event\nmade.properties.word := inputs.word\nreturn made")}, "POST")
        wrong = refused(p, f"/apps/{app['id']}/versions", {"files": hog_files("return sendMail(event)")})
        assert "sendMail" in wrong["message"] and wrong["column"] == 8, wrong

        wrong = refused(p, "/app_configs", {"app": app["id"], "enabled": True, "config": {"word": "one\ntwo {event. }"}})
        assert (wrong["input"], wrong["line"]) == ("word", 2), wrong
        config = ask(p, "/app_configs", {"app": app["id"], "enabled": True, "config": {"word": "from {event.event}"}}, "POST")
        path = f"/app_configs/{config['id']}"
        wrong = refused(p, path, {"config": {"word": "{fetch('https://example.com')}"}}, "PATCH")
        assert wrong["input"] == "word" and "fetch" in wrong["message"], wrong

        file = {"file_name": "a.bin", "content_type": "application/octet-stream", "contents": "no base64!"}
        assert "not Base64" in refused(p, path, {"config": {"db": file}}, "PATCH")["message"]
        file["contents"] = base64.b64encode(b"\x00\xff").decode()
        kept = ask(p, path, {"config": {"db": file}}, "PATCH")
        assert kept["config"]["db"] == {"file_name": "a.bin", "content_type": "application/octet-stream"}, kept
        # Sent back as it is shown, it stays.
        ask(p, path, {"config": kept["config"]}, "PATCH")
        wrong = refused(p, path, {"config": {"db": {"file_name": "b.bin", "contents": "x"}}}, "PATCH")
        assert "not Base64" in wrong["message"], wrong

        sent = event("order")
        send(p, sent)
        settled(p)
        assert row(p, sent)["word"] == "from order", row(p, sent)


def test_code_is_compiled_without_running_it():
    with Penstock() as p:
        def mistakes(files):
            return ask(p, "/apps/check", {"files": files}, "POST")["results"]
        good = {"plugin.json": '{"name":"x"}', "index.js": "throw new Error('it ran')\nexport const a = 1"}
        assert mistakes(good) == []
        found = mistakes({**good, "index.js": "const a = 1\nconst b = = 2\n", "lib.ts": "export const c: = 1"})
        assert [(m["file"], m["line"]) for m in found] == [("index.js", 2), ("lib.ts", 1)], found
        assert found[0]["column"] == 11, found
        found = mistakes(hog_files("return (1 +"))
        assert found[0]["file"] == "index.hog" and found[0]["line"] == 1, found
        assert mistakes({"index.js": "1"}) == []
        assert mistakes({"README.md": "1"})[0]["file"] == "plugin.json"


def test_filters_are_counted_before_they_are_saved_and_leave_test_accounts_out():
    with Penstock() as p:
        config = install(p, "Marker", ADDS, {"mark": "x"}, MARK)
        own = [{"key": "email", "type": "event", "operator": "not_icontains", "value": "@us.example"}]
        status, answer = p.api("/api/projects/1/settings/test_account_filters", {"filters": own}, "PUT")
        assert status == 200, answer
        status, answer = p.api("/api/projects/1/settings/test_account_filters",
                               {"filters": [{"key": "id", "type": "cohort", "value": 1}]}, "PUT")
        assert status == 400 and "cohort" in answer["error"]["message"], answer
        send(p, event("order", n=5, email="a@them.example"), event("order", n=5, email="me@US.example"),
             event("order", n=1), event("other", n=5))
        settled(p)

        def matches(filters):
            return ask(p, "/app_filters", {"app": config["app"], "filters": filters}, "POST")
        four = {"events": [{"id": "order", "properties": [{"key": "n", "operator": "between", "value": [2, 9]}]}]}
        found = matches(four)
        assert (found["events"], found["matched"], found["persons"]) == (4, 2, False), found
        assert {one["event"] for one in found["results"]} == {"order"}, found
        found = matches({**four, "filter_test_accounts": True})
        assert found["matched"] == 1, found
        assert matches({})["matched"] == 4
        broken = matches({"properties": [{"key": "n", "operator": "sounds_like", "value": 1}]})
        assert broken["matched"] == 0 and "sounds_like" in broken["error"], broken

        saved = ask(p, f"/app_configs/{config['id']}", {"filters": {**four, "filter_test_accounts": True}}, "PATCH")["filters"]
        assert saved["bytecode"][:2] == ["_H", 1] and "bytecode_error" not in saved, saved
        saved = ask(p, f"/app_configs/{config['id']}", {"filters": saved}, "PATCH")["filters"]
        assert saved["filter_test_accounts"] is True, saved

        def seen():
            real, ours = event("order", n=5, email="a@them.example"), event("order", n=5, email="me@us.example")
            send(p, real, ours)
            settled(p)
            return "seen_by" in row(p, real) and "seen_by" not in row(p, ours)
        p.eventually(seen)
        status = p.eventually(lambda: (s := config_of(p, config["id"])["status"]) and s["filtered"] and s)
        assert status["offered"] == status["events"] + status["filtered"], status
        assert status["changed"] == status["events"], status


def test_a_redrive_is_tried_with_its_apps_and_nothing_is_done():
    with Penstock() as p:
        install(p, "Marker", ADDS, {"mark": "x"}, MARK)
        install(p, "Other", ADDS, {"mark": "y"}, MARK, filters={"events": [{"id": "other"}]})
        install(p, "Fetches", "export async function processEvent(event) {\n"
                "  try { await fetch('http://127.0.0.1:1/') } catch (error) { event.properties.fetched = error.message }\n"
                "  await posthog.capture('made by an app', {})\n  return event\n}\n")
        lost = event("order")
        status, _, _ = p.post("/batch/", {"api_key": "phc_nobody_has_it", "batch": [lost]})
        assert status == 200, status
        entry = p.eventually(lambda: (p.api("/api/projects/1/quarantine?limit=10")[1]["entries"] or [None])[0])
        whole = p.api(f"/api/projects/1/quarantine/{entry['id']}")[1]
        edited = json.dumps({**json.loads(whole["data"]), "token": KEY})
        tried = ask(p, f"/quarantine/{entry['id']}/try", {"data": edited}, "POST")
        assert tried["outcome"] == "accepted" and tried["row"]["properties"]["seen_by"] == "x", tried
        steps = {one["name"]: one for one in tried["apps"]}
        assert steps["Marker"]["status"] == "succeeded" and steps["Marker"]["set"] == {"seen_by": "x"}, steps
        assert steps["Other"]["status"] == "skipped" and "filters" in steps["Other"]["why"], steps
        assert "dry run" in steps["Fetches"]["set"]["fetched"], steps
        total = p.ledger()["total"]
        assert (total["received"], total["stored"]) == (0, 0), total
        assert config_of(p, 1)["status"]["events"] == 0, config_of(p, 1)


def test_counts_outlive_a_restart():
    with Penstock() as p:
        config = install(p, "Counts", "export const metrics = { seen: 'sum' }\n"
                         "export async function processEvent(event, { metrics, jobs }) {\n"
                         "  await metrics.seen.increment(1)\n  await jobs.later({}).runNow()\n  return event\n}\n"
                         "export const jobs = { later: () => {} }\n", filters={"events": [{"id": "seen"}]})
        send(p, event(), event("other"), event("other"))
        settled(p)

        def counted():
            s = config_of(p, config["id"])["status"]
            done = s and s["metrics"].get("seen") == 1 and s["calls"].get("job", {}).get("successes") == 1
            return (s["events"], s["filtered"]) == (1, 2) if done else None
        p.eventually(counted)
        p.stop()
        p.start()
        p.eventually(counted)

