"""The page for those who outgrow one machine, as written: its settings and commands are taken from it and run, with
addresses of servers that are here."""
import os
import pathlib
import re
import shlex
import subprocess

import brokers
import clickhouse
import postgres
import s3
import sdk
from harness import BIN, PATIENCE, Penstock, free_port
from test_import import TABLES
from test_kafka import Load
from test_move import all_kinds, catalog_of
from test_persons_postgres import send
from test_replay import lines, now_ms, rrweb, snapshot
from test_replay import send as send_recording
from test_stages import all_stored, decides, each_is_one_row, stands_by

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


def section(page, heading):
    text = (DOCS / page).read_text()
    found = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert found, (page, heading)
    return found[1]


def blocks(text, kind=""):
    """Fenced ones, without what the list around them indents them by."""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", text, re.M | re.S)
    return [re.sub(rf"^{indent}", "", block, flags=re.M) for indent, of, block in found if of == kind]


def commands(text):
    return [shlex.split(line, comments=True) for block in blocks(text) for line in block.splitlines()
            if line.startswith("penstock ")]


def replaced(text, table):
    for written, here in table.items():
        assert written in text, f"the page no longer says {written}"
        text = text.replace(written, str(here))
    assert "…" not in text, text
    return text


def run(p, words):
    """A command of the page, on the data directory of `p`."""
    done = subprocess.run([BIN, *words[1:]], capture_output=True, text=True, timeout=120 * PATIENCE,
                          env={**os.environ, "PENSTOCK_DATA": p.data})
    assert done.returncode == 0, (words, done.stdout, done.stderr, p.output()[-2000:])
    return done.stdout


class OfThePage(Penstock):
    """A process that a command of the page starts, on its own directory with a copy of the configuration."""

    def __init__(self, words, like):
        super().__init__()
        self.words, self.like = words, like
        self.health = f"127.0.0.1:{free_port()}"

    def start_once(self, wait):
        for name in ("penstock.toml", "catalog.key"):
            pathlib.Path(self.data, name).write_bytes(pathlib.Path(self.like.data, name).read_bytes())
        pathlib.Path(self.data, "catalog.key").chmod(0o600)
        self.process = subprocess.Popen(
            [BIN, *self.words[1:]], stdout=open(self.log, "ab"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**os.environ, "PENSTOCK_DATA": self.data, "PENSTOCK_CAPTURE_LISTEN": self.capture[7:],
                 "PENSTOCK_ADMIN_LISTEN": self.admin[7:], "PENSTOCK_PROCESS_HEALTH_LISTEN": self.health})
        self.asked = False
        self.eventually(self.is_up, wait)
        return self

    def ask_health(self, path):
        status, body, _ = self.request(f"http://{self.health}{path}")
        return status, body.decode()

    def is_up(self):
        assert self.died() is None, self.died()
        return self.ask_health("/_readiness")[0] == 200


def test_outgrowing_one_machine_works_as_written():
    if not brokers.installed() or not postgres.installed() or not s3.installed():
        return "one of Kafka, PostgreSQL and SeaweedFS is missing: tools/setup --test"
    steps = section("SCALE_OUT.md", "Step by step")
    toml, = blocks(steps, "toml")
    move, *stages = commands(steps)
    # The other page names the same stages, and processes of both pages work together.
    stages += commands(section("KAFKA.md", "Stages as processes"))
    assert move[1] == "move" and len(stages) == 6, (move, stages)
    with brokers.Kafka() as kafka, postgres.Postgres("fsync=off") as server, \
            clickhouse.ClickHouse(user="penstock") as ch, s3.S3() as objects, Penstock() as p:
        server.sql("CREATE ROLE penstock LOGIN")
        server.sql("CREATE DATABASE penstock OWNER penstock")
        assert objects.curl("PUT", "/recordings")[0] == 0
        pathlib.Path(p.data, "penstock.toml").write_text(replaced(toml, {
            "kafka-1:9092,kafka-2:9092,kafka-3:9092": kafka.address,
            "kafka_replication = 3": "kafka_replication = 1",  # there is one broker here
            "penstock:…@db-1,db-2/": f"penstock@127.0.0.1:{free_port()},127.0.0.1:{server.port}/",  # nobody is at the first
            "http://ch-1:8123,http://ch-2:8123": ",".join(ch.urls),
            'clickhouse_password = "…"': f'clickhouse_password = "{clickhouse.PASSWORD}"',
            "http://s3-1:9000": objects.url,
            's3_access_key = "…"': f's3_access_key = "{s3.ACCESS}"',
            's3_secret_key = "…"': f's3_secret_key = "{s3.SECRET}"'}))
        send(p, all_kinds(40))
        begin = now_ms() - 60_000
        assert send_recording(p, [snapshot("s-1", [rrweb(begin, n) for n in range(20)])])[0] == 200
        before = sdk.balanced(p)
        catalog = catalog_of(p)
        client, others = Load(p, 2), []
        try:
            client.wait_for(200)
            said = run(p, move)
            assert "The ledger agrees" in said and "Moved." in said, said
            client.wait_for(200)
            assert catalog_of(p) == catalog
            others = [OfThePage(words, p) for words in stages]
            for one in others:
                one.start(90)
            capture, ingest, load, *_ = others
            assert stands_by(ingest)
            client.p = capture  # the balancer
            client.wait_for(200)
            p.stop()
            client.wait_for(400)
            client.end()
            sent = set(client.acknowledged)
            # Of the two that stood by either one decides now.
            deciding = capture.eventually(lambda: next((one for one in others if decides(one)), None), 60)
            totals = [one.eventually(lambda one=one: all_stored(one, sent), 60) for one in (deciding, load)]
            assert totals[0] == totals[1], totals
            assert totals[0]["received"] >= before["received"] + len(sent), (before, totals)
            rows = [row[0] for row in load.sql("SELECT toString(uuid) FROM events WHERE event = 'e' LIMIT 100000")]
            each_is_one_row(client, rows)
            assert catalog_of(deciding) == catalog
            assert len(lines(deciding, "s-1")) == 20
            for one in others:
                assert one.died() is None
        finally:
            client.ending = True
            for one in others:
                one.close()


def configured(p, text):
    """Starts on a data directory whose configuration is this text of a page."""
    pathlib.Path(p.data, "penstock.toml").write_text(text)
    return p.start(90)


def test_the_settings_of_a_clickhouse_cluster_and_its_ddl_work_as_written():
    toml, = blocks(section("SCALE_OUT.md", "Rows on ClickHouse"), "toml")
    with clickhouse.ClickHouse("main", user="penstock", tls=True) as ch:
        p = Penstock()
        try:
            configured(p, replaced(toml, {
                "https://ch-1:8443,https://ch-2:8443": f"https://127.0.0.1:{ch.tls_port}",
                "…": clickhouse.PASSWORD, "/etc/ssl/ours.pem": ch.ca}))
            send(p, all_kinds(10))
            stored = sdk.balanced(p)["stored"]
            assert "server" in p.api("/api/status")[1]["store"]["engine"]
            # The other way by which the page says a password may come.
            variable = re.search(r"# or (PENSTOCK_\w+)", toml)[1]
            assert variable in (DOCS / "CONFIG.md").read_text()
            rows = int(ch.sql("SELECT count() FROM penstock.writable_events"))
            assert rows == stored - 10, (rows, stored)  # a heatmap each is split off
            assert run(p, ["penstock", "store", "ddl"]).count("ON CLUSTER 'main'") > 10
            p.stop()
        finally:
            p.close()


def test_ddl_for_a_server_that_reads_kafka_is_printed_as_the_page_says():
    text = section("SCALE_OUT.md", "The classic path: ClickHouse reads Kafka")
    line = next(line for line in text.splitlines() if line.startswith("    penstock "))
    with Penstock() as p:
        said = run(p, shlex.split(line))
    for name in re.findall(r"`(\w+_json|\w+_mv)`", text):
        assert re.search(rf"\.{name}\b", said), name
    assert "Kafka('kafka-1:9092,kafka-2:9092', 'clickhouse_events_json'" in said and "ON CLUSTER 'main'" in said


def test_projects_of_posthog_are_imported_as_the_page_says():
    if not postgres.installed():
        return postgres.MISSING
    words, = commands(section("SCALE_OUT.md", "Projects of a PostHog installation"))
    with postgres.Postgres("fsync=off") as server:
        server.sql("CREATE ROLE posthog LOGIN SUPERUSER")
        server.sql("CREATE DATABASE posthog OWNER posthog")
        words = shlex.split(replaced(shlex.join(words), {"db-1": f"127.0.0.1:{server.port}"}))
        url = words[words.index("--from") + 1]
        subprocess.run([postgres.BIN / "psql", url, "-qc", TABLES], check=True, stdout=subprocess.DEVNULL)
        p = Penstock()
        try:
            assert "2 of 2 projects would be" in run(p, words)
            words.remove("--dry-run")
            run(p, words)
            p.start()
            assert {one["token"] for one in p.api("/api/projects")[1]["projects"]} >= {"phc_shop_live", "django-era-token"}
        finally:
            p.close()


def test_the_settings_of_a_log_on_kafka_work_as_written():
    if not brokers.installed():
        return brokers.MISSING
    text = (DOCS / "KAFKA.md").read_text()
    first = re.search(r"\n\n((?:    .*\n)+)", text)[1].replace("\n    ", "\n")[4:]
    far = re.search(r"## Brokers that take long\n((?:    .*\n)+)", text)[1].replace("\n    ", "\n")[4:]
    assert first.startswith("[log]") and far.startswith("kafka_in_flight"), (first, far)
    with brokers.Kafka() as kafka:
        here = replaced(first, {"kafka-1:9092,kafka-2:9092,kafka-3:9092": kafka.address,
                                "kafka_replication = 3": "kafka_replication = 1", "partitions = 64": "partitions = 6"})
        for name, toml in (("near", here), ("far", here + far)):
            p = Penstock()
            try:
                configured(p, toml + f'kafka_topic_prefix = "{name}-"\nkafka_group_prefix = "{name}-"\n')
                send(p, all_kinds(10))
                sdk.balanced(p)
                assert "a topic's settings can lose events" in p.output(), "one copy is one of them"
            finally:
                p.close()
