"""Released server SDKs, unmodified: what they were told to send is what SQL answers."""
import datetime
import json
import signal
import time

from harness import KEY, Penstock
import sdk
from fault_proxy import FaultProxy


PERSON = {"$set": {"plan": "pro", "seats": 3, "nested": {"a": [1, "two"]}}, "$set_once": {"first": "now"}}


def check_sdk(name, mode="v0"):
    library, gzip = sdk.SDKS[name].library, sdk.SDKS[name].gzip
    odd = sdk.odd_properties(name)
    events = [sdk.make_event(0)]
    events += [sdk.make_event(n, properties=odd) for n in range(1, 12)]
    events += [sdk.make_event(n, groups={"company": "acme", "project": "42"}) for n in range(12, 16)]
    events += [sdk.make_event(16, name="Ünïcode ☂ name"),
               sdk.make_event(17, properties={"$process_person_profile": False}),
               sdk.make_event(18, properties=PERSON)]
    events += [sdk.make_event(n, properties=odd) for n in range(19, 25)]
    with Penstock() as penstock:
        # single: one request per event; batch: many; then the same through gzip; one by one, waiting
        sizes = {}
        for start, stop, options in ((0, 3, {"batch": 1}), (3, 12, {}), (12, 22, {"gzip": True}),
                                     (22, 25, {"immediate": True, "gzip": True})):
            before = sdk.metric(penstock, "penstock_capture_body_bytes_total")
            version = sdk.send(name, sdk.make_plan(penstock, KEY, events[start:stop],
                                                       mode=mode, **options))
            sizes[start] = sdk.metric(penstock, "penstock_capture_body_bytes_total") - before
        assert gzip == "always" and sizes[3] < 3000 or sizes[3] > 5000, sizes
        assert gzip != "asked" or sizes[12] < sizes[3] / 3, sizes
        rows = sdk.rows_by_uuid(penstock, len(events))
        for event in events:
            sdk.compare(event, rows.get(event["uuid"]), library, version)
        modes = {rows[e["uuid"]][6] for e in events if e is not events[17]}
        assert modes == {"full"}, modes
        personless = rows[events[17]["uuid"]]
        assert personless[6] == "propertyless" and personless[8] == "{}", personless
        person = json.loads(rows[events[18]["uuid"]][8])
        assert person.items() >= {**PERSON["$set"], **PERSON["$set_once"]}.items(), person
        named = {row[2] for row in rows.values() if row is not personless}
        people = penstock.eventually(lambda: named <= (found := dict(penstock.sql(
            "SELECT distinct_id, toString(person_id) FROM person_distinct_id2 FINAL "
            "WHERE is_deleted = 0"))).keys() and found)
        for row in rows.values():
            assert row[7] == people[row[2]] or row is personless, row
        sdk.balanced(penstock, len(events))


CALLS = [
    {"call": "set", "distinct_id": "eve", "set": {"email": "eve@example.com", "seats": 3},
     "set_once": {"first_seen": "2026"}},
    {"call": "alias", "distinct_id": "eve", "alias": "eve-on-her-phone"},
    {"call": "group", "type": "company", "key": "acme", "set": {"seats": 5, "name": "Ünï"}},
    {"call": "exception", "distinct_id": "eve", "message": "it broke ☂", "place": "checkout"},
]


def check_calls(name, mode="v0"):
    """Identify or set, alias, group identify and exceptions, as far as the SDK has them."""
    known = sdk.SDKS[name]
    told, aliased, grouped, broken = CALLS
    calls = CALLS if known.calls > 3 else CALLS[:3]
    with Penstock() as penstock:
        version = sdk.send(name, sdk.make_plan(penstock, KEY, [], calls=calls, mode=mode))
        rows = {}
        for row in sdk.rows_by_uuid(penstock, known.calls).values():
            properties = json.loads(row[4])
            assert properties["$lib"] == known.library, properties
            assert properties["$lib_version"] == version, properties
            rows.setdefault(row[1], []).append((row, properties))
        sets = [row for event in known.set_as for row in rows[event]]
        assert all(row[2] == "eve" for row, _ in sets), sets
        assert any(told["set"].items() <= p.get("$set", {}).items() for _, p in sets), sets
        if known.set_once:
            assert any(told["set_once"].items() <= p.get("$set_once", {}).items() for _, p in sets)
        row, alias = rows["$create_alias"][0]
        assert (row[2], alias["alias"]) == ("eve", aliased["alias"]), (row, alias)
        group = rows["$groupidentify"][0][1]
        assert (group["$group_type"], group["$group_key"]) == ("company", "acme"), group
        assert group["$group_set"] == grouped["set"], group
        if broken in calls:
            row, error = rows["$exception"][0]
            first = error["$exception_list"][0]
            assert row[2] == "eve" and error["place"] == broken["place"], error
            assert first["type"].endswith("TypeError"), first
            assert first["value"] == broken["message"] and first["stacktrace"]["frames"], first
        # One person under both names, with what was told.
        person = penstock.eventually(lambda: penstock.sql(
            "SELECT properties FROM person FINAL WHERE is_deleted = 0 AND id = (SELECT any(person_id) "
            "FROM person_distinct_id2 FINAL WHERE is_deleted = 0 AND distinct_id IN "
            f"('eve', '{aliased['alias']}') HAVING count() = 2 AND uniq(person_id) = 1)"))
        properties = json.loads(person[0][0])
        assert told["set"].items() <= properties.items(), properties
        assert not known.set_once or told["set_once"].items() <= properties.items(), properties
        sdk.balanced(penstock, known.calls)


def check_large_batch(name, mode="v0"):
    old = datetime.datetime(2024, 2, 29, 23, 59, 59, 0, datetime.timezone.utc)
    events = [sdk.make_event(n, when=old) for n in range(1000)]
    with Penstock() as penstock:
        sdk.send(name, sdk.make_plan(penstock, KEY, events, batch=1000, gzip=True, historical=True,
                                      mode=mode))
        rows = sdk.rows_by_uuid(penstock, len(events))
        for event in events:
            sdk.compare(event, rows.get(event["uuid"]), sdk.SDKS[name].library)
        sdk.balanced(penstock, len(events))
        # posthog for Python starts a new request at half a megabyte, the others send one.
        requests = sdk.metric(penstock, "penstock_capture_requests_total")
        assert requests == 1 or name == "python" and requests <= 50, requests
        lanes = {row["lane"] for row in penstock.api("/api/projects/1/ledger?step=minute")[1]["rows"]}
        assert lanes == {"historical"}, lanes


# What happens to the first requests, in this order; every later one goes through.
FAULTS = ["pass", "503", "503", "pass", "lost", "pass", "cut", "torn", "pass", "half", "503", "pass",
          "slow", "pass", "lost", "503"]
# For an SDK that bears answers only: the same, as a load balancer would tell it.
AS_ANSWERS = {"cut": "503", "half": "503", "lost": "504", "torn": "504"}


def check_trouble(name, faults=FAULTS, **options):
    """Requests are refused, cut and lost, and Penstock goes away and comes back, once after it was
    asked to and once after it was killed: the SDK's own retries bring everything, each once.
    Returns the paths that the SDK sent to. Without faults it speaks to Penstock itself."""
    events = [sdk.make_event(n, properties={"nested": {"a": [n, {"b": "ü"}]}}) for n in range(200)]
    bears = sdk.SDKS[name].reconnects
    faults = faults if bears else [AS_ANSWERS.get(fault, fault) for fault in faults]
    with Penstock() as penstock, FaultProxy(penstock, faults, balancer=not bears) as proxy:
        host = proxy.url if faults else penstock.capture
        driver = sdk.start(name, sdk.make_plan(penstock, KEY, events, host=host, batch=5,
                                               retries=60, pace_ms=20, **options))
        for received, how in ((30, signal.SIGTERM), (110, signal.SIGKILL)):
            penstock.eventually(lambda: int(penstock.ledger()["total"]["received"]) >= received, 90)
            before = proxy.turned_away
            penstock.stop(how)
            if faults:
                penstock.eventually(lambda: proxy.turned_away > before or driver.poll() is not None)
            else:
                time.sleep(0.5)  # an outage the SDK may notice, not a wait for something to happen
            penstock.start()
        sdk.finish(driver)
        rows = sdk.rows_by_uuid(penstock, len(events))
        assert set(rows) == {e["uuid"] for e in events}
        for event in events:
            sdk.compare(event, rows[event["uuid"]], sdk.SDKS[name].library)
        total = sdk.balanced(penstock)
        if faults:
            # Those whose answer was lost came a second time, and the second time was for nothing.
            assert int(total["deduplicated"]) >= 5, total
            assert proxy.seen() == set(faults), proxy.seen()
        assert int(total["quarantined"]) == 0, "a retry was taken for another event"
        return proxy.paths()


def test_node_single_batch_and_gzip():
    check_sdk("node")


def test_python_single_batch_and_gzip():
    check_sdk("python")


def test_go_single_batch():
    check_sdk("go")


def test_rs_single_batch_and_gzip():
    check_sdk("rs")


def test_java_single_batch():
    check_sdk("java")


def test_java_of_the_first_generation():
    """posthog-java 1: it names its events and their time itself, and gives up after seconds."""
    plain = sdk.without_nulls(sdk.ODD_PROPERTIES)
    events = [sdk.make_event(n, properties=plain) for n in range(7)]
    with Penstock() as penstock:
        begun = time.time() * 1000
        sdk.send("java-legacy", sdk.make_plan(penstock, KEY, events))
        rows = sdk.rows_by_uuid(penstock, len(events)).values()
        found = {json.loads(row[4])["n"]: row for row in rows}
        for event in events:
            row = found[event["properties"]["n"]]
            assert (row[1], row[2]) == (event["event"], event["distinct_id"]), row
            assert begun <= int(row[3]) <= time.time() * 1000, row
            # Its $lib stands beside the properties, where nobody reads it.
            assert json.loads(row[4]) == {**event["properties"], "$ip": "127.0.0.1"}, row[4]
        sdk.balanced(penstock, len(events))


def test_set_alias_group_and_exception():
    sdk.side_by_side(check_calls, sdk.SDKS)


def test_a_thousand_historical_events():
    sdk.side_by_side(check_large_batch, [name for name in sdk.SDKS if sdk.SDKS[name].historical])


def test_server_retries_across_faults_restart_and_kill_9():
    sdk.side_by_side(lambda name: check_trouble(name, gzip=True), sdk.SDKS)


def test_server_retries_across_restart_and_kill_9():
    sdk.side_by_side(lambda name: check_trouble(name, faults=()),
                     [name for name in sdk.SDKS if sdk.SDKS[name].reconnects])
