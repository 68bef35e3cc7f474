"""Released server SDKs in Capture V1 mode: what they were told to send is what SQL answers.

posthog-node and posthog for Python take the mode from POSTHOG_CAPTURE_MODE, posthog-rs from a feature of
the crate. The others have no such mode in the versions driven here.
"""
import json

from harness import KEY, Penstock
from fault_proxy import FaultProxy
import sdk
from test_sdk_servers import FAULTS, check_calls, check_large_batch, check_sdk, check_trouble

V1 = "/i/v1/analytics/events"
SDKS = ["node", "python", "rs"]


def test_v1_node():
    check_sdk("node", "v1")


def test_v1_python():
    check_sdk("python", "v1")


def test_v1_rs():
    check_sdk("rs", "v1")


def test_v1_set_alias_group_and_exception():
    sdk.side_by_side(lambda name: check_calls(name, "v1"), SDKS)


def test_v1_a_thousand_historical_events():
    sdk.side_by_side(lambda name: check_large_batch(name, "v1"), SDKS)


def test_v1_retries_across_faults_restart_and_kill_9():
    def check(name):
        # An answer that ends early is an error to them, and they do not ask again.
        faults = ["lost" if fault == "torn" else fault for fault in FAULTS]
        paths = check_trouble(name, faults, mode="v1", gzip=True)
        assert {path.rstrip("/") for path in paths} == {V1}, paths
    sdk.side_by_side(check, SDKS)


def test_v1_in_every_encoding():
    """Each is taken for what it is, and what it holds is the same."""
    def check(told):
        name, encoding = told
        events = [sdk.make_event(n, properties=sdk.odd_properties(name)) for n in range(20)]
        with Penstock() as penstock, FaultProxy(penstock) as proxy:
            sdk.send(name, sdk.make_plan(penstock, KEY, events, host=proxy.url, mode="v1",
                                         encoding=encoding))
            rows = sdk.rows_by_uuid(penstock, len(events))
            for event in events:
                sdk.compare(event, rows.get(event["uuid"]), sdk.SDKS[name].library)
            sdk.balanced(penstock, len(events))
            assert proxy.encodings == {encoding}, proxy.encodings
    sdk.side_by_side(check, [("rs", "gzip"), ("rs", "deflate"), ("rs", "br"), ("rs", "zstd"),
                             ("python", "deflate"), ("python", "gzip")])


def test_v1_leaves_ai_events_of_node_to_v0():
    """One client speaks both protocols at once."""
    events = [sdk.make_event(n, name="$ai_generation" if n % 2 else "order placed",
                             properties={"$ai_model": "m", "$ai_input": [{"role": "user", "n": n}]})
              for n in range(10)]
    with Penstock() as penstock, FaultProxy(penstock) as proxy:
        sdk.send("node", sdk.make_plan(penstock, KEY, events, host=proxy.url, mode="v1"))
        rows = sdk.rows_by_uuid(penstock, len(events))
        for event in events:
            sdk.compare(event, rows.get(event["uuid"]), sdk.SDKS["node"].library)
        assert {path.rstrip("/") for path in proxy.paths()} == {V1, "/batch"}, proxy.paths()
        assert {json.loads(row[4])["$lib"] for row in rows.values()} == {"posthog-node"}
        sdk.balanced(penstock, len(events))


def test_v1_ai_calls_go_to_the_path_for_ai():
    """The calls for AI events have a path of their own, in v0's form whatever the mode."""
    def check(told):
        name, mode = told
        events = [sdk.make_event(n, name="$ai_generation", properties=sdk.odd_properties(name))
                  for n in range(10)]
        faults = ["503", "lost", "cut"]
        with Penstock() as penstock, FaultProxy(penstock, faults) as proxy:
            sdk.send(name, sdk.make_plan(penstock, KEY, events, host=proxy.url, mode=mode, ai=True,
                                         retries=10))
            rows = sdk.rows_by_uuid(penstock, len(events))
            for event in events:
                sdk.compare(event, rows.get(event["uuid"]), sdk.SDKS[name].library)
            assert {path.rstrip("/") for path in proxy.paths()} == {"/i/v0/ai/batch"}, proxy.paths()
            sdk.balanced(penstock)
    sdk.side_by_side(check, [(name, mode) for name in ("node", "python") for mode in ("v0", "v1")])
