"""Stages as processes of their own over one Kafka: several captures, ingest and load, each killed and
stopped under load; and the topics that ClickHouse reads."""
import json
import re
import signal
import subprocess
import time
import uuid

import brokers
import clickhouse
import postgres
import test_app_calls
import test_apps
from harness import BIN, KEY, PATIENCE, Penstock, free_port
from test_kafka import Load, murmur2, settled


class Stages(Penstock):
    """A process that runs some stages, in a directory of its own. `alone`: of those with ingest it is the one that
    decides, so it is up when it does; another one is also up when it stands by."""

    alone = True

    def __init__(self, kafka, stages, *flags):
        self.stages = stages.split(",")
        self.health = f"127.0.0.1:{free_port()}"
        super().__init__(*kafka.flags("log.kafka_start_ms_max=90000", "log.kafka_append_ms_max=2000",
                                      f"process.health_listen={self.health}"),
                         "--stages", stages, *flags)

    def start_once(self, wait):
        self.process = subprocess.Popen(
            [BIN, "run", "--data", self.data, "--listen", self.capture[7:], "--admin", self.admin[7:],
             "--project-key", KEY, *self.flags],
            stdout=open(self.log, "ab"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.asked = False
        self.eventually(self.is_up, wait)
        return self

    def is_up(self):
        assert self.died() is None, self.died()
        return self.is_ready() and not (self.alone and stands_by(self))

    def ask_health(self, path):
        status, body, _ = self.request(f"http://{self.health}{path}")
        return status, body.decode()

    def is_ready(self):
        return self.ask_health("/_readiness")[0] == 200


SESSION_S = 6  # a member of a group that says nothing for longer is gone


def each_is_one_row(load, rows):
    assert len(rows) == len(set(rows)), "a row is there twice"
    missing = set(load.acknowledged) - set(rows)
    assert not missing, f"{len(missing)} acknowledged events are no rows"


def test_captures_ingest_and_load_as_processes_lose_and_double_nothing():
    if not brokers.installed():
        return brokers.MISSING
    with brokers.Kafka() as kafka:
        one, two = Stages(kafka, "capture"), Stages(kafka, "capture")
        ingest = Stages(kafka, "ingest,replay,admin")
        load = Stages(kafka, "load,definitions,admin")
        everyone = (one, two, ingest, load)
        clients = []
        try:
            for p in everyone:
                p.start(90)
            assert two.ask_health("/_readiness") == (200, "capture: ready\n")
            assert ingest.ask_health("/_readiness")[1] == "ingest: ready\nreplay: ready\nadmin: ready\n"
            assert load.ask_health("/_liveness")[0] == 200
            assert "penstock_load_rows_total" in load.ask_health("/metrics")[1]
            clients = [Load(one, 2), Load(two, 2)]
            for c in clients:
                c.wait_for(300)
            # A capture that dies is nothing to the other one.
            two.kill()
            clients[0].wait_for(200)
            two.start(90)
            clients[1].wait_for(100)
            # Neither capture notices who reads what they take.
            ingest.kill()
            for c in clients:
                c.wait_for(200)
            ingest.start(90)
            load.kill()
            for c in clients:
                c.wait_for(200)
            load.start(90)
            # A restart in order, one after the other, as an upgrade does it.
            for p in everyone:
                p.stop()
                p.start(90)
                for c in clients:
                    c.wait_for(60)
            for c in clients:
                c.end()
            assert one.post("/batch/", {"api_key": "phc_nobodys", "batch": []})[0] >= 400
            sent = set(clients[0].acknowledged) | set(clients[1].acknowledged)
            totals = [load.eventually(lambda p=p: all_stored(p, sent), 60) for p in (load, ingest)]
            assert totals[0] == totals[1], totals
            rows = [row[0] for row in all_rows(load, "uuid")]
            assert len(rows) == totals[0]["stored"]
            for c in clients:
                each_is_one_row(c, rows)
            # Whoever knows the story tells it, the rows are asked for where they are.
            for p in (load, ingest):
                status, story = p.api(f"/api/projects/1/trace/{rows[0]}")
                assert status == 200 and "stored" in str(story), (status, story)
            status, answer = ingest.api("/api/projects/1/query", {"query": "SELECT 1"})
            assert status == 503 and "runs load" in str(answer), (status, answer)
            assert all("another process writes" not in p.output() for p in everyone)
        finally:
            for c in clients:
                c.ending = True
            for p in everyone:
                p.close()


def all_stored(p, sent):
    """The totals of a ledger that balances and has nothing under way."""
    ledger = p.ledger()
    assert ledger["balance"]["balanced"], ledger
    total = ledger["total"]
    assert total["in_flight"] == 0 and total["stored"] >= len(sent), total
    return total


def all_rows(p, columns):
    """In pieces: an answer has up to 100,000 rows, and a quick machine sends more."""
    pieces = 16
    return [row for piece in range(pieces) for row in
            p.sql(f"SELECT {columns} FROM events WHERE cityHash64(toString(uuid)) % {pieces} = {piece}")]


def test_of_several_ingests_one_decides_through_kills_freezes_and_removals():
    if not brokers.installed() or not postgres.installed():
        return brokers.MISSING if not brokers.installed() else postgres.MISSING
    with brokers.Kafka() as kafka, postgres.Postgres() as pg:
        persons = ("--set", "persons.engine=postgres", "--set", f"persons.postgres_url={pg.url}")
        captures = [Stages(kafka, "capture") for _ in range(2)]
        ingests = [Stages(kafka, "ingest,replay,admin", *persons) for _ in range(3)]
        load = Stages(kafka, "load,definitions,admin", *persons)
        clients = []
        try:
            for p in (*captures, load, ingests[0]):
                p.start(90)
            ingests[0].alone = ingests[1].alone = ingests[2].alone = False
            ingests[1].start(90)
            assert decides(ingests[0]) and stands_by(ingests[1])
            clients = [Load(p, 2) for p in captures]
            decided(ingests[0], 60)
            # Killed for good: the next one goes on.
            ingests[0].kill()
            decided(ingests[1], 60)
            # Back, it stands by; and so does a third.
            for p in (ingests[0], ingests[2]):
                p.start(90)
                assert stands_by(p)
            # A restart in order is no handover, if it is over within a session.
            ingests[1].stop()
            stopped = time.monotonic()
            ingests[1].start(90)
            quick = time.monotonic() - stopped < SESSION_S - 1
            frozen = ingests[1].eventually(lambda: next((p for p in ingests if decides(p)), None), 60)
            assert frozen is ingests[1] or not quick
            decided(frozen, 60)
            # Frozen for longer than a session, it wakes up and has nothing to say.
            others = [p for p in ingests if p is not frozen]
            frozen.process.send_signal(signal.SIGSTOP)
            load.eventually(lambda: any(decides(p) for p in others), 60)
            heir = next(p for p in others if decides(p))
            decided(heir, 60)
            frozen.asked = True
            frozen.process.send_signal(signal.SIGCONT)
            assert frozen.process.wait(60 * PATIENCE) == 75, frozen.output()[-500:]
            assert "another process decides now" in frozen.output()
            decided(heir, 60)
            # Removed in order: the one that stood by decides.
            heir.stop()
            last = next(p for p in others if p is not heir)
            decided(last, 60)
            for c in clients:
                c.end()
            sent = set(clients[0].acknowledged) | set(clients[1].acknowledged)
            totals = [load.eventually(lambda p=p: all_stored(p, sent), 60) for p in (load, last)]
            assert totals[0] == totals[1], totals
            assert totals[0]["quarantined"] == 0 and not totals[0]["dropped"], totals
            rows = all_rows(load, "uuid, distinct_id, toString(person_id)")
            assert len(rows) == totals[0]["stored"]
            for c in clients:
                each_is_one_row(c, [row[0] for row in rows])
            # One person for each id, the one that PostgreSQL has.
            assert {(row[1], row[2]) for row in rows} == {tuple(row) for row in pg.sql(
                "SELECT d.distinct_id, p.uuid FROM posthog_persondistinctid d "
                "JOIN posthog_person p ON p.id = d.person_id")}
        finally:
            for c in clients:
                c.ending = True
            for p in (*captures, *ingests, load):
                if p.process and p.process.poll() is None:
                    p.process.send_signal(signal.SIGCONT)
                p.close()


def decides(p):
    return p.ask_health("/_readiness")[1].startswith("ingest: ready")


def stands_by(p):
    return p.ask_health("/_readiness") == (200, "standing by: another process decides\n")


def decided(p, more):
    """Until it decides, and so many more events were decided by it."""
    def events():
        found = re.search(r"^penstock_ingest_events_total (\d+)", p.ask_health("/metrics")[1], re.M)
        return int(found[1])
    p.eventually(lambda: decides(p), 60)
    before = events()
    p.eventually(lambda: events() >= before + more, 60)


def test_apps_are_called_in_a_process_of_its_own_for_every_stored_event():
    if not brokers.installed() or not postgres.installed():
        return brokers.MISSING if not brokers.installed() else postgres.MISSING
    with brokers.Kafka() as kafka, postgres.Postgres() as pg, test_app_calls.Destination() as there:
        key = pg.directory / "catalog.key"  # of what apps are configured with, the same everywhere
        key.write_text("ab" * 32)
        key.chmod(0o600)
        shared = ("--set", "catalog.engine=postgres", "--set", f"catalog.postgres_url={pg.url}", "--set",
                  f"catalog.key_file={key}", "--set", "catalog.look_ms=200", *test_app_calls.NEAR)
        capture = Stages(kafka, "capture", *shared)
        decides = Stages(kafka, "ingest,replay,load,definitions,admin", *shared)
        delivers = Stages(kafka, "deliver,admin", *shared)
        try:
            for p in (capture, decides, delivers):
                p.start(90)
            made = test_apps.install(decides, "On", test_app_calls.POSTS, {"url": there.url}, test_app_calls.URL)
            delivers.eventually(lambda: test_apps.status_of(delivers, made["id"]).get("health") == "healthy")
            sent = {e["uuid"] for n in range(10) for e in send_some(capture, 20)}
            # Once each while nobody dies.
            delivers.eventually(lambda: called(there) >= sent, 60)
            assert len(there.at("/on")) == 200, len(there.at("/on"))
            decides.eventually(lambda: all_stored(decides, sent)["stored"] == 200, 60)
            # Dead, it misses none; alive again, it goes on where it was.
            delivers.kill()
            late = {e["uuid"] for n in range(5) for e in send_some(capture, 20)}
            decides.eventually(lambda: all_stored(decides, sent | late), 60)
            assert not called(there) & late
            delivers.start(90)
            delivers.eventually(lambda: called(there) >= late, 60)
            # Whoever kept the calls tells them.
            one = next(iter(late))
            calls = delivers.eventually(lambda: test_app_calls.calls_of(delivers, {"uuid": one}), 30)
            assert calls[0]["status"] == "succeeded", calls
        finally:
            for p in (capture, decides, delivers):
                p.close()


def send_some(p, n):
    batch = [{"event": "e", "distinct_id": f"d{i % 7}", "uuid": str(uuid.uuid4())} for i in range(n)]
    status, body, _ = p.post("/batch/", {"api_key": KEY, "batch": batch})
    assert status == 200, (status, body)
    return batch


def called(there):
    return {event["uuid"] for event in there.at("/on")}


TOPICS = {"clickhouse_events_json": ["events_json"], "clickhouse_person": ["person"],
          "clickhouse_person_distinct_id": ["person_distinct_id2", "person_distinct_id_overrides"],
          "clickhouse_groups": ["groups"], "clickhouse_ingestion_warnings": ["ingestion_warnings"],
          "clickhouse_heatmap_events": ["heatmaps"]}
EVENT_MEMBERS = ["uuid", "event", "properties", "timestamp", "team_id", "project_id", "distinct_id",
                 "elements_chain", "created_at", "captured_at", "person_id", "person_properties",
                 "person_created_at", "person_mode", "historical_migration"]
# Asked of Penstock's own store and of the tables that the topics fill.
SAME = {
    "events": "SELECT toString(uuid), event, properties, toString(timestamp), distinct_id, elements_chain, "
              "toString(created_at), toString(person_id), person_properties, toString(toDateTime(person_created_at)), "  # in seconds there
              "toString(person_mode) FROM events ORDER BY uuid",
    "persons": "SELECT toString(id), properties, is_identified, is_deleted, toString(version), "
               "toString(toDateTime(created_at)) FROM person FINAL ORDER BY id",
    "distinct ids": "SELECT distinct_id, toString(person_id), is_deleted, toString(version) "
                    "FROM person_distinct_id2 FINAL ORDER BY distinct_id",
    "groups": "SELECT group_type_index, group_key, group_properties FROM groups FINAL ORDER BY group_key",
    "warnings": "SELECT type, source, details FROM ingestion_warnings ORDER BY type, details",
    "heatmaps": "SELECT session_id, x, y, type, current_url, viewport_width FROM heatmaps ORDER BY x, y",
}


def mixed_events(n):
    """Of every kind that becomes a message."""
    user, anon = f"user-{n % 7}", f"anon-{n % 7}"
    yield {"event": "$pageview", "distinct_id": anon, "properties": {
        "n": n, "$current_url": "https://example.com/", "text": "\u00fc \"quoted\" \\ \U0001F600",
        "$groups": {"company": f"acme-{n % 3}"}, "$session_id": f"s-{n}"}}
    yield {"event": "$identify", "distinct_id": user, "properties": {
        "$anon_distinct_id": anon, "$set": {"plan": "pro", "n": n}}}
    yield {"event": "$groupidentify", "distinct_id": user, "properties": {
        "$group_type": "company", "$group_key": f"acme-{n % 3}", "$group_set": {"size": n}}}
    yield {"event": "$ai_generation", "distinct_id": user, "properties": {"$ai_model": "m"}}
    yield {"event": "bare", "distinct_id": f"bare-{n}", "properties": {"$process_person_profile": False}}
    yield {"event": "$create_alias", "distinct_id": user, "properties": {"alias": "null"}}
    yield {"event": "$autocapture", "distinct_id": user, "properties": {
        "$elements": [{"tag_name": "a", "$el_text": "x"}], "$viewport_width": 1000, "$viewport_height": 800,
        "$session_id": f"s-{n}",
        "$heatmap_data": {"https://example.com/": [{"x": 16 * n, "y": 32, "target_fixed": False, "type": "click"}]}}}


def test_the_topics_that_clickhouse_reads_hold_what_the_store_holds():
    if not brokers.installed():
        return brokers.MISSING
    everything = "capture,ingest,replay,load,publish,definitions,admin"
    with brokers.Kafka() as kafka, clickhouse.ClickHouse() as ch, Stages(kafka, everything) as p:
        for statement in ddl():
            ch.sql(statement)
        sent = 0
        for first in range(0, 60, 20):
            batch = [e for n in range(first, first + 20) for e in mixed_events(n)]
            assert p.post("/batch/", {"api_key": KEY, "batch": batch})[0] == 200
            sent += len(batch)
            if first == 20:  # what was written and not noted is written again
                p.kill()
                p.start(90)
        assert p.post("/batch/", {"api_key": KEY, "historical_migration": True, "batch": [
            {"event": "old", "distinct_id": "h", "timestamp": "2020-01-01T00:00:00Z"}]})[0] == 200
        settled(p, sent + 1 + 60)  # what has a heatmap is two for the ledger, and one row
        found = p.eventually(lambda: all_published(kafka, sent + 1), 30)
        check_events(found["clickhouse_events_json"])
        for topic, tables in TOPICS.items():
            lines = "\n".join(m["value"] for m in found[topic])
            for table in tables:
                ch.post("/?input_format_skip_unknown_fields=1",
                        f"INSERT INTO kafka_{table} FORMAT JSONEachRow\n{lines}\n".encode())
        ch.sql("OPTIMIZE TABLE sharded_events FINAL")
        for what, query in SAME.items():
            ours = p.sql(query)
            theirs = json.loads(ch.post("/?default_format=JSONCompact", query.encode()))["data"]
            if what in ("warnings", "heatmaps"):  # these tables keep what is written twice
                ours, theirs = ({json.dumps(row) for row in rows} for rows in (ours, theirs))
            assert ours and ours == theirs, (what, len(ours), len(theirs), [
                (a, b) for a, b in zip(ours, theirs) if a != b][:1])
        overrides = int(ch.sql("SELECT count() FROM person_distinct_id_overrides WHERE version = 0"))
        assert overrides == 0


def ddl():
    """Penstock's statements for a server that reads Kafka, whose Kafka tables are written to here."""
    out = subprocess.run([BIN, "store", "ddl", "--data", "/tmp/penstock-never", "--kafka", "k:9092"],
                         capture_output=True, text=True, check=True, timeout=30 * PATIENCE).stdout
    assert all(f"'{topic}', 'group1" in out for topic in TOPICS), out
    out = re.sub(r"ENGINE = Kafka\([^)]*\)\nSETTINGS kafka_skip_broken_messages = 100", "ENGINE = Null", out)
    out = re.sub(r"  _timestamp, _offset(, _partition)?\nFROM (\S*kafka_)",
                 r"  now() AS _timestamp, 0 AS _offset\nFROM \2", out)
    return [s.strip() for s in out.split(";\n") if s.strip() and "CREATE DATABASE" not in s]


def all_published(kafka, events):
    found = {topic: [] for topic in TOPICS}
    for m in kafka.messages(*TOPICS):
        found[m["topic"]].append(m)
    uuids = {m["key"] for m in found["clickhouse_events_json"]}
    return found if len(uuids) == events and all(found.values()) else None


def check_events(messages):
    for m in messages:
        body = json.loads(m["value"])
        assert list(body) == [name for name in EVENT_MEMBERS if name in body], list(body)
        assert len(body) >= len(EVENT_MEMBERS) - 1, list(body)
        assert m["key"] == body["uuid"]
        assert m["partition"] == (murmur2(m["key"].encode()) & 0x7FFFFFFF) % 3
        product = "llma" if body["event"].startswith("$ai_") else "general"
        assert m["headers"] == [["productTrack", product]], m["headers"]
        assert isinstance(json.loads(body["properties"]), dict)
        assert body.get("historical_migration") is (True if body["event"] == "old" else None)
        for name in ("timestamp", "created_at", "captured_at"):
            assert body[name] is None or re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", body[name]), body
