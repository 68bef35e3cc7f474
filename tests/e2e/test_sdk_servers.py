"""Released server SDKs, unmodified: what they were told to send is what SQL answers."""
import datetime
import json
import signal
import time

from harness import KEY, Penstock
import sdk


# JSON numbers that a double cannot hold, for the languages that have them.
WIDE_PROPERTIES = {"int64": 9223372036854775807, "below": -9223372036854775808,
                   "uint64": 18446744073709551615}
PERSON = {"$set": {"plan": "pro", "seats": 3, "nested": {"a": [1, None]}}, "$set_once": {"first": "now"}}


def check_sdk(name):
    library = sdk.LIBRARIES[name]
    odd = {**sdk.ODD_PROPERTIES, **({} if name == "node" else WIDE_PROPERTIES)}
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
            version = sdk.send(name, sdk.make_plan(penstock, KEY, events[start:stop], **options))
            sizes[start] = sdk.metric(penstock, "penstock_capture_body_bytes_total") - before
        assert sizes[3] > 5000 and (name == "go" or sizes[12] < sizes[3] / 3), sizes
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


def check_calls(name):
    """Identify or set, alias, group identify and exceptions, as far as the SDK has them."""
    calls = [c for c in CALLS if name != "go" or c["call"] != "exception"]
    with Penstock() as penstock:
        version = sdk.send(name, sdk.make_plan(penstock, KEY, [], calls=calls))
        wanted = {"node": 4, "python": 5, "go": 3}[name]
        rows = {}
        for row in sdk.rows_by_uuid(penstock, wanted).values():
            properties = json.loads(row[4])
            assert properties["$lib"] == sdk.LIBRARIES[name], properties
            assert properties["$lib_version"] == version, properties
            rows.setdefault(row[1], []).append((row, properties))
        told, aliased, grouped, broken = CALLS
        sets = rows["$set"] + rows["$set_once"] if name == "python" else rows["$identify"]
        assert all(row[2] == "eve" for row, _ in sets), sets
        assert any(told["set"].items() <= p.get("$set", {}).items() for _, p in sets), sets
        if name != "go":
            assert any(told["set_once"].items() <= p.get("$set_once", {}).items() for _, p in sets)
        alias = rows["$create_alias"][0][1]
        assert (alias["distinct_id"], alias["alias"]) == ("eve", aliased["alias"]), alias
        group = rows["$groupidentify"][0][1]
        assert (group["$group_type"], group["$group_key"]) == ("company", "acme"), group
        assert group["$group_set"] == grouped["set"], group
        if name != "go":
            row, error = rows["$exception"][0]
            first = error["$exception_list"][0]
            assert row[2] == "eve" and error["place"] == broken["place"], error
            assert (first["type"], first["value"]) == ("TypeError", broken["message"]), first
            assert first["stacktrace"]["frames"], first
        # One person under both names, with what was told.
        person = penstock.eventually(lambda: penstock.sql(
            "SELECT properties FROM person FINAL WHERE is_deleted = 0 AND id = (SELECT any(person_id) "
            "FROM person_distinct_id2 FINAL WHERE is_deleted = 0 AND distinct_id IN "
            f"('eve', '{aliased['alias']}') HAVING count() = 2 AND uniq(person_id) = 1)"))
        properties = json.loads(person[0][0])
        assert told["set"].items() <= properties.items(), properties
        assert name == "go" or told["set_once"].items() <= properties.items(), properties
        sdk.balanced(penstock, wanted)


def check_large_batch(name):
    old = datetime.datetime(2024, 2, 29, 23, 59, 59, 0, datetime.timezone.utc)
    events = [sdk.make_event(n, when=old) for n in range(1000)]
    with Penstock() as penstock:
        sdk.send(name, sdk.make_plan(penstock, KEY, events, batch=1000, gzip=True, historical=True))
        rows = sdk.rows_by_uuid(penstock, len(events))
        for event in events:
            sdk.compare(event, rows.get(event["uuid"]), sdk.LIBRARIES[name])
        sdk.balanced(penstock, len(events))
        # posthog for Python starts a new request at half a megabyte, the others send one.
        requests = sdk.metric(penstock, "penstock_capture_requests_total")
        assert requests == 1 or name == "python" and requests < 4, requests
        lanes = {row["lane"] for row in penstock.api("/api/projects/1/ledger?step=minute")[1]["rows"]}
        assert lanes == {"historical"}, lanes


def check_restart(name, how):
    """The SDK sends while Penstock goes away and comes back: its own retries bring everything."""
    events = [sdk.make_event(n) for n in range(150)]
    with Penstock() as penstock:
        driver = sdk.start(name, sdk.make_plan(penstock, KEY, events, batch=5, retries=60,
                                               gzip=True, pace_ms=20))
        penstock.eventually(lambda: int(penstock.ledger()["total"]["received"]) >= 20)
        penstock.stop(how)
        time.sleep(0.7)  # an outage the SDK must notice, not a wait for something to happen
        penstock.start()
        sdk.finish(driver)
        rows = sdk.rows_by_uuid(penstock, len(events))
        assert set(rows) == {e["uuid"] for e in events}
        for event in events:
            sdk.compare(event, rows[event["uuid"]], sdk.LIBRARIES[name])
        sdk.balanced(penstock)


def test_node_single_batch_and_gzip():
    check_sdk("node")


def test_python_single_batch_and_gzip():
    check_sdk("python")


def test_go_single_batch():
    check_sdk("go")


def test_set_alias_group_and_exception():
    sdk.side_by_side(check_calls, sdk.LIBRARIES)


def test_a_thousand_historical_events():
    sdk.side_by_side(check_large_batch, sdk.LIBRARIES)


def test_server_retries_across_a_restart():
    sdk.side_by_side(lambda name: check_restart(name, signal.SIGTERM), sdk.LIBRARIES)


def test_server_retries_across_kill_9():
    sdk.side_by_side(lambda name: check_restart(name, signal.SIGKILL), sdk.LIBRARIES)
