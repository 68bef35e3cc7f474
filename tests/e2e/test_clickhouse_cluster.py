"""The classic path on real servers: Penstock's ingest writes to Kafka, ClickHouse's Kafka engine reads it, and
materialized views carry it into tables, all of them made by what `penstock store ddl` prints."""
import json
import re

import brokers
import clickhouse_server
from harness import KEY, Penstock
from test_kafka import settled
from test_stages import SAME, Stages, mixed_events

EVERYTHING = "capture,ingest,replay,load,publish,definitions,admin"
REPEATED = ("warnings", "heatmaps")  # these tables keep what is written twice


def missing():
    if not brokers.installed():
        return brokers.MISSING
    return None if clickhouse_server.installed() else clickhouse_server.MISSING


def same_times(rows):
    """Sorted; times with as many digits as they need."""
    return sorted([re.sub(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.(\d*?)0*$", lambda m: ".".join(filter(None, m.groups())),
                          cell) if isinstance(cell, str) else cell for cell in row] for row in rows)


def same_as_stored(p, node):
    """Whether the tables that topics fill have what Penstock's own store has."""
    for what, query in SAME.items():
        ours = same_times(p.sql(query))
        theirs = same_times(json.loads(node.sql(query, database="penstock", default_format="JSONCompact"))["data"])
        if what in REPEATED:
            ours, theirs = ({json.dumps(row) for row in rows} for rows in (ours, theirs))
        assert ours and ours == theirs, (what, len(ours), len(theirs), [
            (a, b) for a, b in zip(ours, theirs) if a != b][:1])
    return True


def send_mixed(p, first, n):
    batch = [e for i in range(first, first + n) for e in mixed_events(i)]
    assert p.post("/batch/", {"api_key": KEY, "batch": batch})[0] == 200
    return len(batch)


def test_a_servers_kafka_tables_fill_what_the_ddl_makes():
    if missing():
        return missing()
    with brokers.Kafka() as kafka, clickhouse_server.Server() as server, Stages(kafka, EVERYTHING) as p:
        for statement in clickhouse_server.ddl(kafka.address):
            server.sql(statement)
        sent = send_mixed(p, 0, 20) + send_mixed(p, 20, 20)
        p.kill()  # what was written and not noted is written again
        p.start(90)
        sent += send_mixed(p, 40, 20)
        settled(p, sent + 60)  # what has a heatmap is two for the ledger, and one row
        p.eventually(lambda: int(server.sql("SELECT uniqExact(uuid) FROM penstock.sharded_events")) == sent, 60)
        server.sql("OPTIMIZE TABLE penstock.sharded_events FINAL")
        p.eventually(lambda: same_as_stored(p, server), 60)
        # What the views skip: a mapping that nobody has overridden.
        assert server.sql("SELECT count() FROM penstock.person_distinct_id_overrides WHERE version = 0") == "0\n"


def test_a_server_that_is_too_old_or_asks_for_another_password_is_told_and_events_wait():
    if not clickhouse_server.installed():
        return clickhouse_server.MISSING
    with clickhouse_server.Server() as server:
        told = {clickhouse_server.PASSWORD: "the server is version 18.16.1; 24.3 is the oldest that will do",
                "another": "Wrong password for user default"}
        for password, says in told.items():
            settings = {"engine": "clickhouse", "clickhouse_urls": server.url, "clickhouse_password": password}
            with Penstock(*(word for name, value in settings.items()
                            for word in ("--set", f"store.{name}={value}"))) as p:
                assert says in p.output(), p.output()
                assert p.post("/batch/", {"api_key": KEY, "batch": [{"event": "e", "distinct_id": "d"}] * 5})[0] == 200
                p.eventually(lambda: p.ledger()["total"]["in_flight"] == 5)
                store = p.api("/api/status")[1]["store"]
                assert not store["ready"] and store["detail"] == says, store
                code, out, _ = p.cli("doctor")
                assert code == 1 and says in out, (code, out)
                assert password not in p.output()
                p.stop()
                assert p.process.returncode == 0, p.output()[-1000:]
        # Nothing was made there.
        assert server.sql("SELECT count() FROM system.tables WHERE database = 'default'") == "0\n"
