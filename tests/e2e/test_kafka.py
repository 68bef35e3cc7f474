"""The log on a real Kafka: what an independent client finds in the lanes, what it writes into them as
PostHog's capture would, and a broker that is killed, or stands still, under load."""
import base64
import datetime
import gzip
import json
import re
import threading
import time
import uuid

import brokers
import sdk
from harness import KEY, PATIENCE, Penstock

LANE, HISTORICAL = "events_plugin_ingestion", "events_plugin_ingestion_historical"
ALWAYS = ["token", "distinct_id", "session_id", "timestamp", "event", "uuid", "now",
          "force_disable_person_processing", "historical_migration"]
MEMBERS = ["uuid", "distinct_id", "ip", "data", "now", "sent_at", "token", "event", "timestamp",
           "is_cookieless_mode", "historical_migration"]
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
MASK = 0xFFFFFFFF
KNOWN = {200, 503, "URLError", "ConnectionResetError", "RemoteDisconnected"}


def murmur2(data):
    """Kafka's, from its description: 32 bits, little-endian words, seed 0x9747b28c."""
    m, h = 0x5BD1E995, 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & MASK
        h = (h * m & MASK) ^ ((k ^ k >> 24) * m & MASK)
    if len(data) > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & MASK
    h = (h ^ h >> 13) * m & MASK
    return h ^ h >> 15


def settled(p, stored):
    def is_settled():
        ledger = p.ledger()
        assert ledger["balance"]["balanced"], ledger
        assert ledger["total"]["in_flight"] == 0 and ledger["total"]["stored"] == stored, ledger["total"]
        return ledger["total"]
    return p.eventually(is_settled, 90)


def check_message(m, partitions=3):
    """Every field and header of the capture contract, section 5."""
    body, headers = json.loads(m["value"]), dict(m["headers"])
    assert list(body) == [name for name in MEMBERS if name in body], list(body)
    assert [name for name, _ in m["headers"]][:9] == ALWAYS, m["headers"]
    assert set(headers) - set(ALWAYS) <= {"skip_heatmap_processing", "penstock"}, headers
    assert m["key"] == f'{body["token"]}:{body["distinct_id"]}'
    assert m["partition"] == (murmur2(m["key"].encode()) & 0x7FFFFFFF) % partitions
    assert uuid.UUID(body["uuid"]) and headers["uuid"] == body["uuid"]
    assert headers["token"] == body["token"] == KEY
    assert headers["distinct_id"] == body["distinct_id"]
    assert headers["event"] == body["event"]
    assert headers["now"] == body["now"] and INSTANT.fullmatch(body["now"])
    assert INSTANT.fullmatch(body["timestamp"])
    assert int(headers["timestamp"]) == sdk.millis(body["timestamp"])
    if "sent_at" in body:
        assert INSTANT.fullmatch(body["sent_at"])
    assert body["ip"] == "127.0.0.1"
    data = json.loads(body["data"])
    assert data["event"] == body["event"]
    session = data.get("properties", {}).get("$session_id")
    assert headers["session_id"] == session, headers
    assert headers["force_disable_person_processing"] in (None, "true")
    assert headers["historical_migration"] == ("true" if body.get("historical_migration") else None)
    return body, data, headers


def test_an_independent_consumer_finds_the_contracts_messages():
    if not brokers.installed():
        return brokers.MISSING
    with brokers.Kafka() as kafka, Penstock(*kafka.flags("log.kafka_start_ms_max=90000")) as p:
        sent = {}
        for name in ("node", "python"):
            events = [sdk.make_event(n, properties={"n": n, "$session_id": f"s-{name}", "text": "caf\u00e9 \"\\"})
                      for n in range(20)]
            sent[name] = events
            sdk.send(name, sdk.make_plan(p, KEY, events))
        assert p.post("/batch/", {"api_key": KEY, "historical_migration": True, "batch": [
            {"event": "old", "distinct_id": "h", "timestamp": "2020-01-01T00:00:00Z"}]})[0] == 200
        settled(p, 41)
        messages = kafka.messages(LANE)
        assert len(messages) == 40
        seen = {}
        for m in messages:
            body, data, _ = check_message(m)
            seen[body["uuid"]] = data
        for row in p.sql("SELECT uuid, event, distinct_id, properties FROM events WHERE event != 'old'"):
            data = seen.pop(row[0])
            assert data["event"] == row[1]
            assert json.loads(row[3])["n"] == data["properties"]["n"]
        assert not seen
        old, = kafka.messages(HISTORICAL)
        body, _, headers = check_message(old)
        assert body["historical_migration"] is True and headers["historical_migration"] == "true"
        assert body["timestamp"] == "2020-01-01T00:00:00.000Z"


def from_posthog(n, **more):
    """As PostHog's capture puts it on Kafka."""
    distinct_id, id = f"user-{n % 5}", str(uuid.uuid4())
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.123456Z")
    data = {"uuid": id, "event": "theirs", "distinct_id": distinct_id,
            "properties": {"n": n, "$current_url": "https://example.com/", "u": "\u00fc\U0001F600"}}
    body = {"uuid": id, "distinct_id": distinct_id, "ip": "81.2.69.142", "data": json.dumps(data),
            "now": now, "sent_at": now, "token": KEY, "event": "theirs",
            "timestamp": "2026-11-01T09:59:59.500Z", **more.get("body", {})}
    headers = {"token": KEY, "distinct_id": distinct_id, "session_id": None,
               "timestamp": "1793527199500", "event": "theirs", "uuid": id, "now": now,
               "force_disable_person_processing": None, "historical_migration": None,
               **more.get("headers", {})}
    return {"topic": more.get("topic", LANE), "key": f"{KEY}:{distinct_id}", "value": json.dumps(body),
            "headers": list(headers.items())}, id


def test_messages_of_posthogs_capture_become_rows():
    if not brokers.installed():
        return brokers.MISSING
    with brokers.Kafka() as kafka, Penstock(*kafka.flags("log.kafka_start_ms_max=90000")) as p:
        written = dict(reversed(from_posthog(n)) for n in range(60))
        kafka.produce(list(written.values()))
        # Twice, as a producer that was cut off does; without persons; and what is no message.
        kafka.produce([next(iter(written.values()))])
        personless, id = from_posthog(77, headers={"force_disable_person_processing": "true"})
        personless["key"] = f"{KEY}:nobody"
        kafka.produce([personless, {"topic": LANE, "key": None, "value": "{not json",
                                    "headers": [["token", KEY]]}])
        # A large envelope travels compressed.
        packed, packed_id = from_posthog(78, headers={"content-encoding": "gzip"})
        packed["value"] = "base64:" + base64.b64encode(gzip.compress(packed["value"].encode())).decode()
        kafka.produce([packed])
        written[packed_id] = packed
        total = settled(p, 62)
        assert total["received"] == 64 and total["deduplicated"] == 1, total
        assert total["quarantined"] == 1, total
        rows = p.sql("SELECT uuid, event, distinct_id, JSONExtractInt(properties, 'n'), "
                     "JSONExtractString(properties, 'u'), toUnixTimestamp64Milli(timestamp), "
                     "JSONExtractString(properties, '$ip'), person_mode FROM events")
        assert len(rows) == 62
        for row in rows:
            assert row[1] == "theirs" and row[4] == "\u00fc\U0001F600" and row[6] == "81.2.69.142"
            assert int(row[5]) == 1793527199500
            assert row[7] == ("propertyless" if row[0] == id else "full")
        assert {row[0] for row in rows} == set(written) | {id}
        # The one that nobody can read is kept with its bytes.
        code, kept = p.api("/api/projects/1/quarantine")
        assert code == 200 and "unreadable_message" in json.dumps(kept), kept
        # Beside them our own capture writes into the same lane.
        assert p.post("/i/v0/e/", {"api_key": KEY, "event": "ours", "distinct_id": "user-1"})[0] == 200
        settled(p, 63)
        # How far every group is, by partition; where all is stored it is nothing.
        def caught_up():
            at = lag(p)
            assert {(g, t) for g, t, _ in at} >= {("ingest", LANE), ("load", "processed")}, at
            assert not any(n for (g, _, _), n in at.items() if g in ("ingest", "load")), at
            return True
        p.eventually(caught_up, 30)


def lag(p):
    lines = re.findall(r'^penstock_log_kafka_lag_records\{group="([^"]+)",topic="([^"]+)",'
                       r'partition="(\d+)"\} (\d+)$', p.get("/metrics")[1].decode(), re.MULTILINE)
    return {(group, topic, int(partition)): int(n) for group, topic, partition, n in lines}


class Load:
    """Clients that repeat what was not acknowledged under the same uuid, as SDKs do."""

    def __init__(self, p, clients=4):
        self.p, self.ending, self.paused, self.acknowledged, self.statuses = p, False, False, [], {}
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(clients)]
        for t in self.threads:
            t.start()

    def run(self, client):
        n = 0
        while not self.ending:
            if self.paused:
                time.sleep(0.05)
                continue
            batch = [self.event(f"c{client}-{i % 3}", n + i) for i in range(20)]
            while True:
                try:
                    status = self.p.post("/batch/", {"api_key": KEY, "batch": batch})[0]
                except OSError as error:
                    status = type(error).__name__
                self.statuses[status] = self.statuses.get(status, 0) + 1
                if status == 200:
                    self.acknowledged += [e["uuid"] for e in batch]
                    break
                if self.ending:
                    return
                time.sleep(0.05)
            n += 20
            time.sleep(0.02)

    def event(self, who, n):
        return {"event": "e", "distinct_id": who, "uuid": str(uuid.uuid4()), "properties": {"n": n}}

    def wait_for(self, more, seconds=90):
        until, deadline = len(self.acknowledged) + more, time.monotonic() + seconds * PATIENCE
        while len(self.acknowledged) < until:
            assert time.monotonic() < deadline, self.statuses
            time.sleep(0.05)

    def end(self):
        self.ending = True
        for t in self.threads:
            t.join()


def nothing_is_lost(p, load):
    """Each that was acknowledged is one row, and the books balance."""
    assert set(load.statuses) <= KNOWN, load.statuses

    def complete():
        ledger = p.ledger()
        assert ledger["balance"]["balanced"], ledger
        assert ledger["total"]["in_flight"] == 0, ledger["total"]
        return ledger["total"]
    total = p.eventually(complete, 90)
    rows = [row[0] for row in p.sql("SELECT uuid FROM events")]
    assert len(rows) == len(set(rows)) == total["stored"], (len(rows), len(set(rows)), total)
    missing = set(load.acknowledged) - set(rows)
    assert not missing, f"{len(missing)} acknowledged events are no rows"


def test_a_broker_killed_and_standing_still_under_load_loses_nothing():
    if not brokers.installed():
        return brokers.MISSING
    with brokers.Kafka() as kafka, Penstock(*kafka.flags(
            "log.kafka_start_ms_max=90000", "log.kafka_append_ms_max=1000")) as p:
        load = Load(p)
        load.wait_for(400)
        kafka.kill()
        # Whoever waits hears of it in about the time that was asked for.
        p.eventually(lambda: load.statuses.get(503), 5)
        kafka.start()
        load.wait_for(400)
        kafka.freeze()
        time.sleep(2.5)
        kafka.thaw()
        load.wait_for(400)
        # And the binary, while events are under way.
        p.kill()
        p.start(90)
        load.wait_for(200)
        load.end()
        nothing_is_lost(p, load)
