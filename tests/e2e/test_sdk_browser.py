"""posthog-js, unmodified, in a real Chromium page."""
import datetime
import json
import os
import signal
import time

from fault_proxy import FaultProxy
from harness import KEY, Penstock
import sdk

# posthog-js keeps the events of automated browsers to itself unless told otherwise.
USER_AGENT = ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
              "Chrome/140.0.0.0 Safari/537.36")
EVENTS = ("/e/", "/i/v0/e/")
OPTIONS = {"opt_out_useragent_filter": True, "person_profiles": "always",
           "capture_pageview": True, "capture_pageleave": True,
           "autocapture": True, "disable_session_recording": True}


def visit(penstock, events, stay=False, **plan):
    """A visitor at work; with `stay` it leaves when `sdk.finish` ends its input."""
    options = {**OPTIONS, **plan.pop("options", {})}
    process = start_browser("drive.mjs", {
        "host": penstock.capture, "key": KEY, "user_agent": USER_AGENT, "options": options,
        "events": events, "settle_ms": 4000, **plan})
    if not stay:
        process.stdin.close()
        process.stdin = None
    return process


def start_browser(script, plan):
    process = sdk.run_driver(["node", sdk.HERE / "browser" / script])
    process.stdin.write(json.dumps(plan) + "\n")
    process.stdin.flush()
    return process


def version(name="posthog-js"):
    package = sdk.HERE / "browser/node_modules" / name / "package.json"
    return json.loads(package.read_text())["version"]


def by_name(rows):
    out = {}
    for row in rows.values():
        out.setdefault(row[1], []).append((row, json.loads(row[4])))
    return out


def test_a_visit():
    events = [sdk.make_event(n, name="item viewed", properties=sdk.ODD_PROPERTIES) for n in range(3)]
    with Penstock() as penstock:
        told = sdk.finish(visit(penstock, events, visit=True))
        # $pageview, 3 events, $autocapture, $identify, $set, $groupidentify, after identify,
        # $exception, $pageleave
        rows = sdk.rows_by_uuid(penstock, 11)
        names = by_name(rows)
        assert len(rows) == 11, sorted(names)
        for event in events:
            row = rows[event["uuid"]]
            sdk.compare({**event, "distinct_id": told["anonymous"]}, row, "web", version())
        for event_rows in names.values():
            for row, properties in event_rows:
                assert properties["$lib_version"] == version(), properties["$lib_version"]
                assert properties["distinct_id"] == row[2] and row[6] == "full", row
                assert properties["$session_id"] and properties["$window_id"], row[1]
                assert properties["token"] == KEY
        view = names["$pageview"][0][1]
        assert view["$current_url"] == told["url"] and view["utm_source"] == "test", view
        click = penstock.sql("SELECT elements_chain FROM events WHERE event = '$autocapture'")[0][0]
        assert click.startswith("button.buy.primary"), click
        for part in ('text="Buy now"', 'attr__data-attr="buy-now"', 'attr_id="buy"', ";main:"):
            assert part in click, (part, click)
        identify = names["$identify"][0]
        assert identify[0][2] == "eve@example.com"
        assert identify[1]["$anon_distinct_id"] == told["anonymous"]
        # Before and after identify it is one person, with what the page said about them.
        people = {row[2]: row[7] for event_rows in names.values() for row, _ in event_rows}
        assert set(people) == {told["anonymous"], "eve@example.com"}, people
        owners = penstock.eventually(lambda: penstock.sql(
            "SELECT uniq(person_id), count() FROM person_distinct_id2 FINAL WHERE is_deleted = 0 "
            f"AND distinct_id IN ('{told['anonymous']}', 'eve@example.com') HAVING count() = 2"))
        assert [str(n) for n in owners[0]] == ["1", "2"], owners
        person = json.loads(penstock.sql(
            "SELECT properties FROM person FINAL WHERE is_deleted = 0 "
            f"AND toString(id) = '{people['eve@example.com']}'")[0][0])
        assert person["plan"] == "pro" and person["first_seen"] == "shop", person
        assert person["$initial_utm_source"] == "test", person
        assert person["theme"] == "dark" and person["first_theme"] == "light", person
        row, error = names["$exception"][0]
        first = error["$exception_list"][0]
        assert (first["type"], first["value"]) == ("TypeError", "it broke ☂"), first
        assert error["place"] == "checkout" and first["stacktrace"]["frames"], error
        group = names["$groupidentify"][0][1]
        assert group["$group_type"] == "company" and group["$group_key"] == "acme"
        assert names["after identify"][0][1]["$groups"] == {"company": "acme"}
        leave = names["$pageleave"][0][1]
        assert leave["$prev_pageview_pathname"] == "/shop", leave
        # Every request was answered 200, all bodies were packed, and the last left by beacon.
        assert not [r for r in told["requests"] if r["status"] != 200], told["requests"]
        assert all(r["gzip"] for r in told["requests"] if r["method"] == "POST"), told["requests"]
        paths = {r["path"] for r in told["requests"]}
        assert paths == {f"/array/{KEY}/config", "/e/", "/i/v0/e/", "/flags/"}, paths
        assert told["beacons"] == ["/i/v0/e/"], told["beacons"]
        sdk.balanced(penstock, 11)


def check_cookieless(mode):
    # A visitor's id lasts a day: events of other days are dropped.
    now = datetime.datetime.now(datetime.timezone.utc)
    events = [sdk.make_event(n, name="item viewed", when=now) for n in range(3)]
    with Penstock() as penstock:
        status, body = penstock.api("/api/projects/1/settings/cookieless",
                                    {"cookieless_server_hash_mode": mode}, "PUT")[:2]
        assert status == 200, body
        sdk.finish(visit(penstock, events, options={"cookieless_mode": "always"}, settle_ms=1000))
        names = by_name(sdk.rows_by_uuid(penstock, len(events) + 2))
        assert {"$pageview", "item viewed", "$pageleave"} <= set(names), names
        found = [pair for pairs in names.values() for pair in pairs]
        ids = {row[2] for row, _ in found}
        assert len(ids) == 1 and ids.pop().startswith("cookieless_"), ids
        assert len({properties["$session_id"] for _, properties in found}) == 1
        for _, properties in found:
            assert properties["$device_id"].startswith("cookielessd_"), properties
            for gone in ("$ip", "$raw_user_agent", "$cookieless_extra"):
                assert gone not in properties, properties
        people = json.dumps(penstock.sql("SELECT * FROM person"))
        assert USER_AGENT not in people, people
        sdk.balanced(penstock)


def test_cookieless():
    sdk.side_by_side(check_cookieless, ["stateless", "stateful"])


def test_without_compression_and_without_batching():
    events = [sdk.make_event(n, name="plain", properties=sdk.ODD_PROPERTIES) for n in range(4)]
    quiet = {"disable_compression": True, "person_profiles": "identified_only",
             "request_batching": False,
             "capture_pageview": False, "capture_pageleave": False, "autocapture": False}
    with Penstock() as penstock:
        told = sdk.finish(visit(penstock, events, options=quiet, settle_ms=1000))
        rows = sdk.rows_by_uuid(penstock, len(events))
        for event in events:
            row = rows.get(event["uuid"])
            sdk.compare({**event, "distinct_id": told["anonymous"]}, row, "web", version())
            # Nobody was identified: no person is kept.
            assert row[6] == "propertyless" and row[8] == "{}", row
        sent = [r for r in told["requests"] if r["path"] in ("/e/", "/i/v0/e/")]
        assert len(sent) == len(events) and not any(r["gzip"] for r in sent), told["requests"]
        sdk.balanced(penstock, len(events))


OLD = ["posthog-js-1.20", "posthog-js-1.57", "posthog-js-1.130", "posthog-js-1.200"]


def check_old(name):
    """Releases of 2022 to 2024: forms of base64 and gzip, arrays with offsets, /decide, beacons."""
    events = [sdk.make_event(n, name="item viewed", properties=sdk.ODD_PROPERTIES) for n in range(6)]
    with Penstock() as penstock:
        begun = time.time() * 1000
        # Old ones ask /decide, some seconds late, before they click along.
        told = sdk.finish(visit(penstock, events, sdk=name, pace_ms=700, click="#buy"))
        names = by_name(sdk.rows_by_uuid(penstock, len(events) + 3))
        assert {k: len(v) for k, v in names.items()} == {
            "$pageview": 1, "item viewed": len(events), "$autocapture": 1, "$pageleave": 1}, names
        found = {properties["n"]: row for row, properties in names["item viewed"]}
        for event in events:
            # They take no uuid of the caller's, and the oldest no time.
            row = found[event["properties"]["n"]]
            own = {**event, "distinct_id": told["anonymous"], "uuid": row[0]}
            if name == OLD[0]:
                assert begun <= int(row[3]) <= time.time() * 1000, row
                own["timestamp"] = sdk.iso(int(row[3]))
            sdk.compare(own, row, "web", version(name))
        for event_rows in names.values():
            for row, properties in event_rows:
                assert properties["token"] == KEY and row[6] == "full", row
        click = penstock.sql("SELECT elements_chain FROM events WHERE event = '$autocapture'")[0][0]
        assert click.startswith("button.buy.primary") and 'text="Buy now"' in click, click
        wrong = [r for r in told["requests"] if r["status"] not in (200, 204)]
        assert not [r for r in wrong if not r["path"].startswith("/array/")], told["requests"]
        sdk.balanced(penstock, len(events) + 3)


def test_older_releases():
    sdk.side_by_side(check_old, OLD)


# What happens to requests with events, in this order; every later one goes through. posthog-js waits
# twice as long after every failure of the same request, so no two of them follow each other.
FAULTS = ["pass", "503", "pass", "lost", "pass", "cut", "pass", "torn", "slow"]


def check_trouble(trouble):
    """A signal: Penstock goes away and comes back. Else a list of faults."""
    faults = trouble if isinstance(trouble, list) else []
    events = [sdk.make_event(n, name="during the outage") for n in range(40)]
    # Enough requests for all faults: one per event.
    quiet = {"capture_pageview": False, "capture_pageleave": False, "autocapture": False,
             "request_batching": not faults}
    with Penstock() as penstock, FaultProxy(penstock, faults, paths=EVENTS) as proxy:
        visitor = visit(penstock, events, stay=True, options=quiet, pace_ms=150,
                        host=proxy.url if faults else penstock.capture, settle_ms=500)
        if not faults:
            penstock.eventually(lambda: int(penstock.ledger()["total"]["received"]) >= 5)
            penstock.stop(trouble)
            time.sleep(1.0)  # an outage the page must notice
            penstock.start()
        # posthog-js tries again 3 to 6 seconds after a failure, then later and later.
        penstock.eventually(lambda: int(penstock.sql(
            "SELECT uniq(uuid) FROM events")[0][0]) == len(events), 150)
        told = sdk.finish(visitor)
        rows = sdk.rows_by_uuid(penstock, len(events))
        for event in events:
            sdk.compare({**event, "distinct_id": told["anonymous"]}, rows.get(event["uuid"]), "web",
                        version())
        assert [r for r in told["requests"] if r["status"] != 200], "no request saw the trouble"
        sdk.balanced(penstock)
        assert set(faults) <= proxy.seen(), proxy.done


def test_browser_retries_across_a_restart_a_kill_9_and_faults():
    sdk.side_by_side(check_trouble, [signal.SIGTERM, signal.SIGKILL, FAULTS])


assert os.environ.get("PENSTOCK_CHROMIUM"), "run this as: tools/env tests/e2e/run"
