"""The classic path on real servers: Penstock's ingest writes to Kafka, ClickHouse's Kafka engine reads it, and
materialized views carry it into tables, all of them made by what `penstock store ddl` prints."""
import json
import re

import brokers
import clickhouse_server
import sdk
from harness import KEY, Penstock
from test_kafka import Load, settled
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


def test_a_cluster_of_shards_and_replicas_has_each_row_where_the_ddl_says():
    if missing():
        return missing()
    with brokers.Kafka() as kafka, clickhouse_server.ZooKeeper() as keeper, \
            clickhouse_server.Cluster(keeper) as cluster, Stages(kafka, EVERYTHING) as p:
        first, *_, last = cluster.nodes
        for statement in clickhouse_server.ddl(kafka.address, clickhouse_server.CLUSTER):
            first.sql(statement)
        the_tables_are_everywhere(cluster)
        repeated_blocks_are_stored_once(cluster)
        # A released SDK, every kind of event, and clients that go on meanwhile.
        events = [sdk.make_event(n, properties=sdk.odd_properties("python")) for n in range(40)]
        sdk.send("python", sdk.make_plan(p, KEY, events))
        sent = len(events) + send_mixed(p, 0, 20)
        clients = Clients(p, 1)
        try:
            clients.wait_for(400)
            p.eventually(lambda: rows_of(last) > 100)
            # A replica dies under load. It reads no topic by then: the others take its partitions over. (This version
            # commits offsets before it has inserted, so what it was reading would be lost with it.)
            beside = cluster.shards[-1][0]
            for (table,) in last.rows("SELECT name FROM system.tables WHERE database = 'penstock' "
                                      "AND engine = 'Kafka'"):
                last.sql(f"DETACH TABLE penstock.{table}")
            clients.wait_for(200)
            last.kill()
            before = rows_of(beside)
            clients.wait_for(400)
            p.eventually(lambda: rows_of(beside) > before + 50, 60)
            p.eventually(lambda: is_gone(first, cluster, last), 60)
            last.launch().wait()
            clients.wait_for(200)
        finally:
            clients.end()
        sent += len(clients.acknowledged)
        settled(p, sent + 20)  # as many have a heatmap
        assert int(p.sql("SELECT count() FROM events")[0][0]) == sent
        p.eventually(lambda: distinct(first) == sent, 90)
        p.eventually(lambda: replicas_agree(cluster), 60)
        each_row_is_on_one_shard(cluster, {row[0] for row in uuids(p)})
        copies_vanish(kafka, cluster, sent)
        for node in cluster.nodes:
            p.eventually(lambda node=node: same_as_stored(p, node), 60)


class Clients(Load):
    """Of so many users that each shard has some."""

    def event(self, who, n):
        return super().event(f"user-{n % 40}", n)


def rows_of(node):
    return int(node.sql("SELECT count() FROM penstock.sharded_events"))


def distinct(node):
    return int(node.sql("SELECT uniqExact(uuid) FROM penstock.writable_events"))


def uuids(p):
    return [row for piece in range(4) for row in
            p.sql(f"SELECT toString(uuid) FROM events WHERE cityHash64(toString(uuid)) % 4 = {piece}")]


def the_tables_are_everywhere(cluster):
    """With their paths, and as many replicas of each as it has to have."""
    names = "SELECT name, engine FROM system.tables WHERE database = 'penstock' ORDER BY name"
    for s, shard in enumerate(cluster.shards, 1):
        for r, node in enumerate(shard, 1):
            assert node.rows(names) == cluster.nodes[0].rows(names)
            found = node.rows("SELECT table, zookeeper_path, replica_name, total_replicas, is_readonly "
                              "FROM system.replicas WHERE database = 'penstock'")
            assert len(found) == 13, found
            for table, path, replica, replicas, readonly in found:
                sharded = table.startswith("sharded_")
                assert path == f"/clickhouse/tables/{s if sharded else 'noshard'}/penstock.{table}", path
                assert replica == (str(r) if sharded else f"{r}-{s}"), (table, replica)
                assert int(replicas) == len(shard if sharded else cluster.nodes), (table, replicas)
                assert readonly == "0", table


def repeated_blocks_are_stored_once(cluster):
    """Whichever replica gets them: of a shard, and of what is whole on every node."""
    when = "'2026-11-20 09:30:15"
    repeated_block(cluster, "sharded_log_entries", cluster.shards[0], lambda text: (
        f"(1, 'log', 'a', 'b', {when}.123', 'info', '{text}', {when}', 0)"))
    repeated_block(cluster, "penstock_erasing", cluster.nodes, lambda text: f"(1, '{text}')")


def repeated_block(cluster, table, replicas, row):
    def count(node):
        return int(node.sql(f"SELECT count() FROM penstock.{table}"))

    def put(node, texts):
        node.sql(f"INSERT INTO penstock.{table} VALUES {','.join(map(row, texts))}")
    for node in replicas:
        put(node, "abc")
    put(replicas[-1], "abd")  # another block, though some of its rows are there
    for node in replicas:
        clickhouse_server.until(lambda node=node: count(node) >= 6, 30, lambda node=node: f"{table}: {count(node)}")
    assert [count(node) for node in cluster.nodes] == [6 if node in replicas else 0 for node in cluster.nodes]


def is_gone(node, cluster, dead):
    """Keeper has noticed its death: until then it cannot come back as itself."""
    s, r = next((s, r) for s, shard in enumerate(cluster.shards, 1) for r, one in enumerate(shard, 1)
                if one is dead)
    return node.sql(
        f"SELECT count() FROM system.zookeeper WHERE name = 'is_active' AND path = "
        f"'/clickhouse/tables/{s}/penstock.sharded_events/replicas/{r}'") == "0\n"


def replicas_agree(cluster):
    """As many rows of each table in a shard's replicas."""
    for table in ("sharded_events", "sharded_heatmaps", "sharded_ingestion_warnings"):
        for shard in cluster.shards:
            found = [node.sql(f"SELECT count() FROM penstock.{table}") for node in shard]
            assert len(set(found)) == 1, (table, found)
    return True


def each_row_is_on_one_shard(cluster, wanted):
    everywhere, keys = [], []
    for shard in cluster.shards:
        found = [{row[0] for row in node.rows("SELECT DISTINCT toString(uuid) FROM penstock.sharded_events")}
                 for node in shard]
        assert all(one == found[0] for one in found), [len(one) for one in found]
        everywhere.append(found[0])
        keys.append(shard[0].rows("SELECT DISTINCT sipHash64(distinct_id) % 2 FROM penstock.sharded_events"))
    assert sum(map(len, everywhere)) == len(wanted) and set().union(*everywhere) == wanted
    assert all(everywhere), "a shard has nothing"
    assert keys == [[["0"]], [["1"]]], keys


def copies_vanish(kafka, cluster, sent):
    """Messages that are there twice, as after a crash of `publish`: FINAL does not see them, merges drop them."""
    for node in cluster.nodes:
        node.sql("SYSTEM STOP MERGES")
    again = kafka.messages("clickhouse_events_json")[:300]
    count = int(cluster.nodes[0].sql("SELECT count() FROM penstock.writable_events"))
    kafka.produce([{name: m[name] for name in ("topic", "key", "value", "headers")} for m in again])

    def rows(final=""):
        return int(cluster.nodes[0].sql(f"SELECT count() FROM penstock.writable_events {final}"))
    clickhouse_server.until(lambda: rows() == count + len(again), 60, lambda: f"{rows()} of {count + len(again)}")
    assert rows("FINAL") == distinct(cluster.nodes[0]) == sent, (rows("FINAL"), sent)
    for node in cluster.nodes:
        node.sql("SYSTEM START MERGES")
    leads = "SELECT is_leader FROM system.replicas WHERE database = 'penstock' AND table = 'sharded_events'"
    for shard in cluster.shards:  # the others would ask it without a password
        next(node for node in shard if node.sql(leads) == "1\n").sql("OPTIMIZE TABLE penstock.sharded_events FINAL")
    clickhouse_server.until(lambda: rows() == sent, 60, lambda: f"{rows()} of {sent}")
