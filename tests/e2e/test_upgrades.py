"""Engines upgraded underneath, under load: Kafka 3.9 to 4.1 on the same disk, PostgreSQL 15 to 18 by
pg_upgrade, restarts with other settings, locks as migrations hold them, a standby that takes over;
SeaweedFS by an older and a newer version on the same data; ClickHouse 26.5 to 26.7 to 26.9, behind the tests' HTTP
front. Capture acknowledges or refuses, nothing is lost,
doubled or out of order, and nobody touches Penstock."""
import json
import os
import pathlib
import signal
import subprocess
import uuid

import brokers
import engines
import postgres
import s3
import sdk
from clickhouse import ClickHouse
from harness import KEY, PATIENCE, Penstock
from test_engine_trouble import Visitors, goes_on
from test_kafka import LANE, Load
from test_kafka_failures import in_order_by_client
from test_objects_s3 import flags as s3_flags
from test_person_merges import finished
from test_replay import lines, now_ms, rrweb, settled, snapshot
from test_replay import send as send_recording
from test_stages import Stages, all_stored, decides, each_is_one_row, stands_by


def missing(*versions):
    """Why there is nothing to upgrade from, or to; where servers have to be, that is an error."""
    if all(path and pathlib.Path(path).exists() for path in versions):
        return None
    assert not os.environ.get("CI") and not os.environ.get("PENSTOCK_REQUIRE_SERVERS"), versions
    return "the other version is not installed: tools/setup --test"


class Steps(Load):
    """Each event sets its number on its person: what a person has in the end is the last one, if order held."""

    def event(self, who, n):
        event = super().event(who, n)
        event["properties"]["$set"] = {"step": n}
        return event


def test_kafka_goes_from_3_9_to_4_1_on_the_same_disk_under_load():
    if not brokers.installed():
        return brokers.MISSING
    if said := missing(brokers.BEFORE):
        return said
    with brokers.Kafka(jars=brokers.BEFORE) as kafka:
        capture = Stages(kafka, "capture")
        first, second = (Stages(kafka, "ingest,replay,admin") for _ in range(2))
        load = Stages(kafka, "load,definitions,admin")
        everyone, client = (capture, first, second, load), None
        try:
            second.alone = False
            for p in everyone:
                p.start(90)
            assert decides(first) and stands_by(second)
            client = Steps(capture)
            client.wait_for(400)
            pids = [p.process.pid for p in everyone]
            kafka.stop()
            # What cannot be acknowledged is refused, and clients keep it.
            capture.eventually(lambda: client.statuses.get(503, 0) > 2)
            kafka.jars = brokers.JARS
            kafka.start()
            client.wait_for(400)
            # The new broker speaks as the old one did until it is told: then groups and metadata change their form.
            features = kafka.features("describe")
            assert "FinalizedVersionLevel: 3.9" in features, features
            kafka.features("upgrade", "--release-version", "4.1")
            features = kafka.features("describe")
            assert "FinalizedVersionLevel: 4.1" in features, features
            client.wait_for(400)
            # And once more from its own disk, as it is now.
            kafka.stop()
            kafka.start()
            client.wait_for(400)
            client.end()
            assert set(client.statuses) <= {200, 503}, client.statuses
            assert [p.process.pid for p in everyone if p.died() is None] == pids
            sent = set(client.acknowledged)
            totals = [p.eventually(lambda p=p: all_stored(p, sent), 60) for p in (first, load)]
            assert totals[0] == totals[1], totals
            assert totals[0]["quarantined"] == 0 and not totals[0]["dropped"], totals
            rows = [row[0] for row in load.sql("SELECT uuid FROM events LIMIT 100000")]
            assert len(rows) == totals[0]["stored"]
            each_is_one_row(client, rows)
            in_order_by_client(kafka, LANE, client)
            last_steps(load)
        finally:
            if client:
                client.ending = True
            for p in everyone:
                p.close()


def last_steps(p):
    """Each person holds the last step of its events."""
    wrong = p.sql(
        "SELECT e.who, e.step, p.step FROM (SELECT distinct_id AS who, max(JSONExtractInt(properties, 'n')) AS step "
        "FROM events WHERE event = 'e' GROUP BY who) AS e JOIN (SELECT i.distinct_id AS who, "
        "JSONExtractInt(p.properties, 'step') AS step FROM person_distinct_id2 AS i FINAL JOIN person AS p FINAL "
        "ON p.id = i.person_id) AS p ON p.who = e.who WHERE e.step != p.step")
    assert not wrong, wrong[:3]
    assert int(p.sql("SELECT uniqExact(distinct_id) FROM events WHERE event = 'e'")[0][0]) == 12


def on_postgres(url, **more):
    options = {"persons.retry_ms": 100, "persons.connect_ms": 2000, "persons.statement_ms": 2000,
               "catalog.connect_ms": 2000, "catalog.statement_ms": 2000, "catalog.look_ms": 100, **more}
    pairs = ["persons.engine=postgres", f"persons.postgres_url={url}", "catalog.engine=postgres",
             f"catalog.postgres_url={url}", *(f"{name}={value}" for name, value in options.items())]
    return [word for pair in pairs for word in ("--set", pair)]


def everybody_has_the_last_step(p, server, visitors):
    """Nothing is lost or twice, and each person has what was sent last."""
    visitors.stop()
    total = sdk.balanced(p, visitors.sent)
    assert total["quarantined"] == 0 and not total["dropped"], total
    rows, different = map(int, p.sql("SELECT count(), uniqExact(uuid) FROM events WHERE event = 'e'")[0])
    assert rows == different == visitors.sent, (rows, different, visitors.sent)
    p.eventually(lambda: [[str(visitors.steps), str(visitors.visitors)]] == server.sql(
        "SELECT properties->>'step', count(*) FROM posthog_person GROUP BY 1"))


def made(p, name):
    """A project, as soon as the catalog takes one."""
    p.eventually(lambda: p.api("/api/projects", {"name": name})[0] in (200, 201))


def projects(server):
    return {name for name, in server.sql("SELECT name FROM penstock_catalog.projects")}


def test_postgres_goes_from_15_to_18_by_pg_upgrade_under_load():
    if not postgres.installed():
        return postgres.MISSING
    if said := missing(postgres.AFTER):
        return said
    with postgres.Postgres() as server, Penstock(*on_postgres(server.url)) as p:
        visitors = Visitors(p)
        goes_on(p)
        made(p, "Before")
        # New settings, first the slow way: it lets nobody in any more and waits for those who are there.
        conf = server.data / "postgresql.conf"
        conf.write_text(conf.read_text() + "\nmax_connections = 37\nshared_buffers = 24MB\n")
        server.process.send_signal(signal.SIGTERM)
        p.eventually(lambda: "shutdown request" in (server.directory / "log").read_text(errors="replace"))
        goes_on(p)
        server.stop(signal.SIGINT)
        waits(p, visitors)
        server.start()
        goes_on(p)
        assert server.sql("SHOW max_connections") == [["37"]]
        # At once, as when its machine goes.
        server.stop(signal.SIGQUIT)
        server.start()
        goes_on(p)
        # A migration that takes its time: nobody reads or writes persons meanwhile.
        migration = subprocess.Popen(
            [postgres.BIN / "psql", server.url, "-qc", "BEGIN; ALTER TABLE posthog_person ADD COLUMN of_an_upgrade text "
             "DEFAULT 'x'; ALTER TABLE posthog_persondistinctid ADD COLUMN of_an_upgrade text; SELECT pg_sleep(7); COMMIT"],
            stdout=subprocess.DEVNULL)
        p.eventually(lambda: "timeout" in str(p.api("/api/status")[1]["ingest"]))
        assert migration.wait(60 * PATIENCE) == 0
        goes_on(p)
        # The new version, on the same port.
        server.stop(signal.SIGINT)
        server.upgrade(postgres.AFTER)
        waits(p, visitors)
        server.start()
        goes_on(p)
        assert server.sql("SHOW server_version")[0][0].startswith("18."), server.sql("SHOW server_version")
        made(p, "After")
        assert {"Before", "After"} <= projects(server)
        assert p.died() is None and "of_an_upgrade" not in p.output()
        everybody_has_the_last_step(p, server, visitors)


def waits(p, visitors):
    """Events are taken, though nobody can decide them."""
    sent = visitors.sent
    p.eventually(lambda: visitors.sent > sent + 100)
    assert p.ledger()["total"]["in_flight"] > 0


def test_a_standby_takes_over_twice_and_penstock_follows():
    if not postgres.installed():
        return postgres.MISSING
    with postgres.Postgres() as one, postgres.Postgres(standby_of=one) as two:
        url = (f"postgresql://postgres@127.0.0.1:{one.port},127.0.0.1:{two.port}/postgres"
               "?target_session_attrs=read-write")
        with Penstock(*on_postgres(url)) as p:
            visitors = Visitors(p)
            goes_on(p)
            made(p, "Of the first")
            p.eventually(lambda: "Of the first" in projects(two))
            # The first stands still: it answers nobody, and refuses nobody.
            for pid in one.pids():
                os.kill(pid, signal.SIGSTOP)
            waits(p, visitors)
            two.promote()
            goes_on(p)
            made(p, "Of the second")
            for pid in one.pids():
                os.kill(pid, signal.SIGKILL)
            one.process.wait()
            # Made again from the second, it follows, and takes over when that one is killed.
            port = one.port
            with postgres.Postgres(standby_of=two) as three:
                three.stop(signal.SIGINT)
                three.port = port
                three.start()
                goes_on(p)
                two.stop(signal.SIGQUIT)
                waits(p, visitors)
                three.promote()
                goes_on(p)
                made(p, "Of the third")
                assert {"Of the first", "Of the second", "Of the third"} <= projects(three)
                assert p.died() is None
                everybody_has_the_last_step(p, three, visitors)


# Table functions without a look at anything.
PLAIN = {"numbers", "numbers_mt", "zeros", "zeros_mt", "generateseries", "generate_series", "primes", "values",
         "sqlstandardvalues", "generaterandom", "null", "format"}


def identified(p, version):
    """20 people log in, which merges two persons each. Returns what asks how many of them have two, of how many."""
    names = [f"{version}-{n}" for n in range(20)]
    for event, who, more in (("seen", "anon-", {}), ("paid", "user-", {}), ("$identify", "user-", "anon-")):
        batch = [{"event": event, "distinct_id": who + n, "uuid": str(uuid.uuid4()),
                  "properties": {"$anon_distinct_id": more + n} if more else {}} for n in names]
        assert p.post("/batch/", {"api_key": KEY, "batch": batch})[0] == 200
    return (f"SELECT countIf(n != 1), count() FROM (SELECT uniqExact(person_id) AS n, count() AS rows FROM events WHERE "
            f"distinct_id LIKE '%-{version}-%' GROUP BY substring(distinct_id, 5) HAVING rows = 3)")


def test_a_clickhouse_server_goes_from_26_5_to_26_9_on_the_same_disk_under_load():
    if said := missing(engines.BEFORE, engines.AFTER):
        return said
    server = ClickHouse()
    server.library = engines.before(server.data)
    newer = (("26.7.", engines.OURS), ("26.9.", engines.after(server.data)))
    with server, Penstock(*server.flags(), "--set", "load.rows_per_batch_max=300") as p:
        visitors = Visitors(p)

        def is_version(version):
            assert server.sql("SELECT version()").startswith(version)
            p.eventually(lambda: p.api("/api/status")[1]["store"]["version"].startswith(version))
        goes_on(p)
        is_version("26.5.")
        for n, (version, library) in enumerate(newer):
            one_each = identified(p, n)
            p.eventually(lambda: p.sql(one_each) == [["0", "20"]])
            assert int(p.sql("SELECT count() FROM person_distinct_id_overrides")[0][0]) >= 20
            # In the middle of whatever it is doing; for a while nobody is there.
            server.kill()
            server.library = library
            p.eventually(lambda: not p.api("/api/status")[1]["store"]["ready"])
            waits(p, visitors)
            server.start()
            goes_on(p)
            is_version(version)
            assert p.sql(one_each) == [["0", "20"]]
            # What the older version stored is rewritten, and erased, by the newer one.
            code, out, err = p.cli("squash", "--now", "--json")
            assert code == 0 and json.loads(out.splitlines()[-1])["rows_rewritten"] >= 20, (out, err)
            assert p.sql("SELECT count() FROM person_distinct_id_overrides") == [["0"]]
            assert p.sql(one_each) == [["0", "20"]]
            person = p.sql(f"SELECT any(person_id) FROM events WHERE distinct_id = 'user-{n}-7'")[0][0]
            assert finished(p, p.api(f"/api/projects/1/persons/{person}", method="DELETE"))["state"] == "done"
            assert p.sql(one_each) == [["0", "19"]]
        # What the newest can do that no other could is nothing for a project's queries, before somebody decided on it.
        for name in server.sql("SELECT name FROM system.table_functions").split():
            status, answer = p.api("/api/projects/1/query", {"query": f"SELECT * FROM {name}('default', 'sharded_events')"})
            assert name.lower() in PLAIN or (status == 401 and "not allowed" in str(answer)), (name, status, answer)
        visitors.stop()
        assert p.died() is None
        sdk.balanced(p, visitors.sent + len(newer) * 60)
        rows, different = map(int, server.sql("SELECT count(), uniqExact(uuid) FROM sharded_events WHERE "
                                              "event = 'e'").split())
        assert rows == different == visitors.sent, (rows, different, visitors.sent)
        # The last step of each, by versions that three servers compared.
        p.eventually(lambda: p.sql(
            "SELECT JSONExtractInt(p.properties, 'step'), count() FROM person AS p FINAL JOIN person_distinct_id2 AS i "
            "FINAL ON i.person_id = p.id WHERE i.distinct_id LIKE 'v%' GROUP BY 1") ==
            [[str(visitors.steps), str(visitors.visitors)]])


def test_an_s3_server_comes_back_as_a_newer_version():
    if not s3.installed():
        return s3.MISSING
    if said := missing(s3.BEFORE):
        return said
    with s3.S3(weed=s3.BEFORE) as server:
        assert server.curl("PUT", "/recordings")[0] == 0
        with Penstock(*s3_flags(server)) as p:
            begin = now_ms() - 60_000

            def record(n):
                assert send_recording(p, [snapshot(f"s-{n}", [rrweb(begin, i) for i in range(n + 1)])])[0] == 200
            for n in range(4):
                record(n)
                settled(p, n + 1)
            record(4)  # under way
            server.kill()
            record(5)
            server.weed = s3.WEED
            server.start()
            record(6)
            settled(p, 7)
            assert [len(lines(p, f"s-{n}")) for n in range(7)] == list(range(1, 8))
            assert p.died() is None
