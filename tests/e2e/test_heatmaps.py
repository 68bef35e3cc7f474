"""Heatmaps from the request to the rows: split off in v0, taken from V1 events and from pages that were
left, once however often they are sent, and in the books; and from posthog-js in a real page."""
import datetime
import json
import signal
import uuid

from harness import KEY, Penstock
from test_sdk_browser import by_name, visit
import sdk

NOW = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
URL = "https://shop.example/cart?step=1"
POINTS = ("SELECT type, x, y, scale_factor, viewport_width, viewport_height, pointer_target_fixed, "
          "current_url, session_id, distinct_id FROM heatmaps ORDER BY current_url, type, y")


def event(name, heatmap=None, **properties):
    carried = {"$viewport_width": 1280, "$viewport_height": 720, "$session_id": "s-1", **properties}
    if heatmap:
        carried["$heatmap_data"] = heatmap
    return {"event": name, "distinct_id": "d1", "uuid": str(uuid.uuid4()), "timestamp": NOW,
            "properties": carried}


def point(x, y, kind="click", fixed=False):
    return {"x": x, "y": y, "target_fixed": fixed, "type": kind}


def row(kind, x, y, url, fixed="false"):
    return [kind, x, y, 16, 80, 45, fixed, url, "s-1", "d1"]


def points(p):
    return [[r[0], *map(int, r[1:6]), str(r[6]).lower(), *r[7:]] for r in p.sql(POINTS)]


def v1(p, events, path="/i/v1/analytics/events"):
    body = json.dumps({"created_at": NOW, "batch": events}).encode()
    return p.request(p.capture + path, body, {
        "Authorization": "Bearer " + KEY, "Content-Type": "application/json",
        "PostHog-Sdk-Info": "posthog-node/5.0", "PostHog-Attempt": "1", "User-Agent": "test",
        "PostHog-Request-Id": str(uuid.uuid4()), "PostHog-Request-Timestamp": NOW})


def settled(p, received):
    def done():
        ledger = p.ledger()
        total = ledger["total"]
        return total if (int(total["received"]) == received and total["in_flight"] == 0
                         and ledger["balance"]["balanced"]) else None
    return p.eventually(done)


def test_heatmaps_of_every_way_in():
    with Penstock() as p:
        viewed = event("$pageview", {URL: [point(100, 200, fixed=True), point(8, 7, "mousemove")]})
        own = event("$$heatmap", {URL: [point(0, 800)], "": [point(1, 1)]})
        left = event("$pageleave", **{"$current_url": "https://shop.example/thanks?a=1",
                                      "$prev_pageview_pathname": "/cart",
                                      "$prev_pageview_max_scroll": 1600})
        bad = event("$$heatmap", {URL: "nothing"})
        sent = {"api_key": KEY, "batch": [viewed, own, left, bad]}
        # Twice: the second copies are duplicates, heatmaps and all.
        for _ in range(2):
            assert p.post("/batch/", sent)[:2] == (200, b'{"status":"Ok"}')
        want = sorted([row("scrolldepth", 0, 100, "https://shop.example/cart?a=1"),
                       row("click", 0, 50, URL), row("click", 6, 13, URL, "true"),
                       row("mousemove", 1, 0, URL)], key=lambda r: (r[7], r[0], r[2]))
        # Five records: the page's view became two.
        total = settled(p, 10)
        assert p.eventually(lambda: len(points(p)) >= 4)
        assert points(p) == want, points(p)
        assert (int(total["stored"]), int(total["deduplicated"])) == (4, 4), total
        assert total["dropped"] == {"invalid_heatmap_data": 2}, total
        stored = p.sql("SELECT event, properties FROM events ORDER BY event")
        assert [r[0] for r in stored] == ["$pageleave", "$pageview"], stored
        assert not [r for r in stored if "heatmap_data" in r[1]], stored
        assert json.loads(stored[0][1])["$prev_pageview_max_scroll"] == 1600
        entries = p.api(f"/api/projects/1/trace/{own['uuid']}")[1]["entries"]
        assert [e["state"] for e in entries] == ["stored"], entries
        entries = p.api(f"/api/projects/1/trace/{bad['uuid']}")[1]["entries"]
        assert entries[0]["reason"] == "invalid_heatmap_data", entries
        warned = {r[0] for r in p.sql("SELECT DISTINCT type FROM ingestion_warnings")}
        assert warned == {"rejecting_heatmap_data_with_invalid_url",
                          "rejecting_heatmap_data_with_invalid_items",
                          "invalid_event_session_id"}, warned  # "s-1" is no UUID
        # A kill later nothing has been added.
        p.stop(signal.SIGKILL)
        p.start()
        assert p.post("/batch/", sent)[0] == 200
        settled(p, 15)
        assert points(p) == want, points(p)


def test_heatmaps_of_capture_v1():
    with Penstock() as p:
        viewed = event("$pageview", {URL: [point(16, 32)]}, **{
            "$current_url": URL, "$prev_pageview_pathname": "/list", "$prev_pageview_max_scroll": 160})
        status, body, _ = v1(p, [viewed])
        assert status == 200 and json.loads(body)["results"][viewed["uuid"]] == {"result": "ok"}, body
        total = settled(p, 1)
        assert int(total["stored"]) == 1, total
        p.eventually(lambda: len(points(p)) == 2)
        assert points(p) == [row("click", 1, 2, URL),
                             row("scrolldepth", 0, 10, "https://shop.example/list?step=1")], points(p)
        assert "heatmap_data" not in p.sql("SELECT properties FROM events")[0][0]


def test_heatmaps_that_a_project_does_not_want():
    with Penstock() as p:
        assert p.api("/api/projects/1/settings/remote_config", {"heatmaps": False}, "PUT")[0] == 200
        viewed = event("$pageview", {URL: [point(1, 1)]})
        assert p.post("/batch/", {"api_key": KEY, "batch": [viewed]})[0] == 200
        total = settled(p, 2)
        assert (int(total["stored"]), total["dropped"]) == (1, {"heatmaps_disabled": 1}), total
        assert p.sql("SELECT count() FROM heatmaps") == [["0"]]


def test_heatmaps_from_posthog_js():
    with Penstock() as p:
        assert p.api("/api/projects/1/settings/remote_config", {"heatmaps": True}, "PUT")[0] == 200
        told = sdk.finish(visit(p, [], click="#buy", options={"enable_heatmaps": True}, settle_ms=7000))
        assert not [r for r in told["requests"] if r["status"] != 200], told["requests"]
        def clicks():
            return p.sql("SELECT x, y, viewport_width, current_url, session_id, distinct_id FROM heatmaps "
                         "WHERE type = 'click'")
        found = p.eventually(clicks)
        assert len(found) == 1, found
        x, y, width, url, session, distinct_id = found[0]
        assert 0 < int(x) < int(width) and int(y) > 0, found
        assert url == told["url"] and distinct_id == told["anonymous"], found
        names = by_name(sdk.rows_by_uuid(p, 3))
        assert set(names) == {"$pageview", "$autocapture", "$pageleave"}, set(names)
        assert session == names["$pageview"][0][1]["$session_id"], found
        # Leaving tells how far the page had been seen.
        p.eventually(lambda: p.sql("SELECT count() FROM heatmaps WHERE type = 'scrolldepth'") != [["0"]])
        ledger = p.ledger()
        assert ledger["balance"]["balanced"] and ledger["total"]["dropped"] == {}, ledger["total"]
