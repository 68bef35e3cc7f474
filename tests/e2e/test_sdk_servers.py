"""Released server SDKs, unmodified: what they were told to send is what SQL answers."""
import datetime
import json
import signal
import threading
import time

from harness import KEY, Penstock
import sdk


def check_sdk(name):
    library = sdk.LIBRARIES[name]
    events = [sdk.make_event(0)]
    events += [sdk.make_event(n, properties=sdk.ODD_PROPERTIES) for n in range(1, 12)]
    events += [sdk.make_event(n, groups={"company": "acme", "project": "42"}) for n in range(12, 16)]
    events += [sdk.make_event(16, name="Ünïcode ☂ name"),
               sdk.make_event(17, properties={"$process_person_profile": False})]
    with Penstock() as penstock:
        # single: one request per event; batch: many; then the same through gzip
        for start, stop, options in ((0, 3, {"batch": 1}), (3, 10, {}), (10, 18, {"gzip": True})):
            sdk.send(name, sdk.make_plan(penstock, KEY, events[start:stop], **options))
        rows = sdk.rows_by_uuid(penstock, len(events))
        for event in events:
            sdk.compare(event, rows.get(event["uuid"]), library)
        modes = {rows[e["uuid"]][6] for e in events[:17]}
        assert modes == {"full"}, modes
        assert rows[events[17]["uuid"]][6] == "propertyless", rows[events[17]["uuid"]]
        people = {}
        for row in rows.values():
            people.setdefault(row[2], set()).add(row[7])
        assert all(len(ids) == 1 for key, ids in people.items() if key != "user-3"), people
        sdk.balanced(penstock, len(events))


def check_identify(name):
    with Penstock() as penstock:
        event = sdk.make_event(1)
        told = [{"distinct_id": "user-1", "set": {"email": "eve@example.com", "seats": 3}}]
        sdk.send(name, sdk.make_plan(penstock, KEY, [event], identifies=told))
        sdk.rows_by_uuid(penstock, 2)
        people = penstock.eventually(lambda: penstock.sql(
            "SELECT properties FROM person FINAL WHERE properties LIKE '%eve@example.com%'"))
        properties = json.loads(people[0][0])
        assert properties["email"] == "eve@example.com" and properties["seats"] == 3, properties


def check_large_batch(name):
    old = datetime.datetime(2024, 2, 29, 23, 59, 59, 0, datetime.timezone.utc)
    events = [sdk.make_event(n, when=old) for n in range(1000)]
    with Penstock() as penstock:
        sdk.send(name, sdk.make_plan(penstock, KEY, events, batch=100, gzip=True, historical=True))
        rows = sdk.rows_by_uuid(penstock, len(events))
        for event in events:
            sdk.compare(event, rows.get(event["uuid"]), sdk.LIBRARIES[name])
        sdk.balanced(penstock, len(events))
        lanes = {row["lane"] for row in penstock.api("/api/projects/1/ledger?step=minute")[1]["rows"]}
        assert lanes == {"historical"}, lanes


def check_restart(name, how):
    """The SDK sends while Penstock goes away and comes back: its own retries bring everything."""
    events = [sdk.make_event(n) for n in range(150)]
    with Penstock() as penstock:
        driver = sdk.start(name, sdk.make_plan(penstock, KEY, events, batch=5, retries=10,
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


def all_at_once(check, *arguments):
    """The same check for every SDK, side by side: most of it is waiting."""
    failures = []

    def one(name):
        try:
            check(name, *arguments)
        except Exception as error:  # told below, with the SDK's name
            failures.append(f"{name}: {error!r}")
    threads = [threading.Thread(target=one, args=(name,)) for name in sdk.LIBRARIES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, "\n".join(failures)


def test_node_single_batch_and_gzip():
    check_sdk("node")


def test_python_single_batch_and_gzip():
    check_sdk("python")


def test_go_single_batch():
    check_sdk("go")


def test_identify_sets_person_properties():
    all_at_once(check_identify)


def test_a_thousand_historical_events():
    all_at_once(check_large_batch)


def test_retries_across_a_restart():
    all_at_once(check_restart, signal.SIGTERM)


def test_retries_across_kill_9():
    all_at_once(check_restart, signal.SIGKILL)
