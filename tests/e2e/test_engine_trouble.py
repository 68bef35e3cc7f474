"""PostgreSQL and S3 slow, silent, cut off, full, talking nonsense, refusing the password, restarted,
one after the other under load: capture acknowledges all the time, memory stays what it is, everything
is there afterwards, once and in order, and nobody has to do anything. (Kafka: test_kafka.py;
ClickHouse: test_clickhouse.py.)"""
import base64
import pathlib
import random
import signal
import subprocess
import threading
import time
import uuid

import postgres
import s3
import sdk
from harness import KEY, PATIENCE, Penstock, free_port
from slow_link import SlowLink
from small_disk import SmallDisk
from test_replay import lines, now_ms, rrweb, settled, snapshot

PASSWORD = "a-password-of-the-tests"


class Visitors:
    """Send all the time. Each has a number that only grows: what its person holds in the end is the
    last one, if order was kept."""

    def __init__(self, p, visitors=20):
        self.p, self.visitors = p, visitors
        self.sent = self.steps = 0
        self.slowest, self.error = 0.0, None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.wait(0.1):
            self.steps += 1
            batch = [{"event": "e", "distinct_id": f"v{i}", "uuid": str(uuid.uuid4()),
                      "properties": {"$set": {"step": self.steps}}} for i in range(self.visitors)]
            begun = time.monotonic()
            try:
                status, body, _ = self.p.post("/batch/", {"api_key": KEY, "batch": batch})
                assert status == 200, (status, body)
            except Exception as error:  # told by stop()
                self.error = error
                return
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.sent += len(batch)

    def stop(self):
        self.ended.set()
        self.thread.join()
        assert self.error is None, self.error
        assert self.slowest < 5 * PATIENCE, f"capture waited {self.slowest:.1f} s"


def decided(p):
    total = p.ledger()["total"]
    return int(total["received"]) - int(total["in_flight"])


def goes_on(p):
    """What is sent now is decided, and what has waited too."""
    sent = int(p.ledger()["total"]["received"])
    p.eventually(lambda: decided(p) > sent, 90)


def test_persons_and_catalog_go_on_after_every_trouble_of_their_postgres():
    if not postgres.installed():
        return postgres.MISSING
    with SmallDisk(400) as disk:
        if disk.missing:
            return disk.missing
        disk.folder.chmod(0o755)  # PostgreSQL runs as somebody else
        with postgres.Postgres("fsync=off", "min_wal_size=32MB", "max_wal_size=64MB", place=disk.path) as server:
            return postgres_in_trouble(server, disk)


def postgres_in_trouble(server, disk):
    server.sql(f"CREATE ROLE penstock SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
    hba = server.directory / "data/pg_hba.conf"
    hba.write_text("host all penstock 127.0.0.1/32 scram-sha-256\n" + hba.read_text())
    server.sql("SELECT pg_reload_conf()")
    link = SlowLink(free_port(), server.port)
    url = f"postgresql://penstock:{PASSWORD}@127.0.0.1:{link.port}/postgres"
    flags = [word for pair in (
        "persons.engine=postgres", f"persons.postgres_url={url}", "persons.retry_ms=100", "persons.connect_ms=1000",
        "persons.statement_ms=2000", "catalog.engine=postgres", f"catalog.postgres_url={url}",
        "catalog.connect_ms=1000", "catalog.statement_ms=2000", "catalog.look_ms=100") for word in ("--set", pair)]

    def through_link(mode):
        hurt, link.mode = link.hurt, mode
        try:
            p.eventually(lambda: link.hurt > hurt)
            time.sleep(2)
        finally:
            link.mode = "pass"
            link.reset()

    def slow():
        link.delay_s = 0.2
        try:
            goes_on(p)
        finally:
            link.delay_s = 0.0

    def other_password():
        server.sql("ALTER ROLE penstock PASSWORD 'another'")
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'penstock'")
        p.eventually(lambda: "password authentication failed" in str(p.api("/api/status")[1]["ingest"]))
        server.sql(f"ALTER ROLE penstock PASSWORD '{PASSWORD}'")

    def no_room():
        """Asks for some: what little the visitors write may fit into files that are there."""
        try:
            server.sql("CREATE TABLE IF NOT EXISTS filler (t text)")
            server.sql("INSERT INTO filler SELECT repeat('x', 2000) FROM generate_series(1, 20000)")
        except subprocess.CalledProcessError as refused:
            log = (server.directory / "log").read_text(errors="replace")
            return "No space left" in refused.stderr + log or server.process.poll() is not None
        return False

    def full():
        disk.fill()
        try:
            p.eventually(no_room)
            time.sleep(2)
        finally:
            disk.empty()
        if server.process.poll() is not None:  # PostgreSQL ends when its own log finds no room
            server.start()

    def restarted():
        server.stop(signal.SIGINT)
        time.sleep(1)
        server.start()

    troubles = {"slow": slow, "garbage": lambda: through_link("garbage"), "hang": lambda: through_link("hang"),
                "cut": lambda: through_link("cut"), "password": other_password, "full": full, "restart": restarted}
    try:
        with Penstock(*flags) as p:
            visitors = Visitors(p)
            goes_on(p)
            before = sdk.resident(p)
            for name, trouble in troubles.items():
                trouble()
                assert p.process.poll() is None, f"{name} ended Penstock: {p.output()[-2000:]}"
                goes_on(p)
            visitors.stop()
            sdk.balanced(p, visitors.sent)
            grown = sdk.resident(p) - before
            assert grown < 150 << 20, f"{grown >> 20} MiB more"
            rows = p.eventually(lambda: (lambda r: r if r[0] == r[1] else None)(
                [int(n) for n in p.sql("SELECT count(), uniqExact(uuid) FROM events WHERE event = 'e'")[0]]))
            assert rows[0] == visitors.sent, (rows, visitors.sent)
            # In order: the last step is what each person has, in the database and in the rows.
            p.eventually(lambda: [[str(visitors.steps), str(visitors.visitors)]] == server.sql(
                "SELECT properties->>'step', count(*) FROM posthog_person GROUP BY 1"))
            assert PASSWORD not in p.output()
    finally:
        link.close()


def test_recordings_go_on_after_every_trouble_of_their_s3():
    if not s3.installed():
        return s3.MISSING
    with SmallDisk(600) as disk:
        if disk.missing:
            return disk.missing
        with s3.S3(place=disk.path) as server:
            assert server.curl("PUT", "/recordings")[0] == 0
            return s3_in_trouble(server, disk)


def s3_in_trouble(server, disk):
    link = SlowLink(free_port(), server.ports[0])
    flags = [word for pair in (
        "replay.flush_ms=100", "objects.engine=s3", "objects.s3_url=s3://recordings/of/us",
        f"objects.s3_endpoint=http://127.0.0.1:{link.port}", f"objects.s3_access_key={s3.ACCESS}",
        f"objects.s3_secret_key={s3.SECRET}") for word in ("--set", pair)]
    sent, begin, chance = [], now_ms() - 60_000, random.Random(7)

    def record(size=0):
        """A session of its own, acknowledged whatever happens; `size`: so many bytes in it that
        cannot be made smaller."""
        session, text = f"s-{len(sent)}", base64.b64encode(chance.randbytes(size)).decode()
        begun = time.monotonic()
        status, body, _ = p.post("/s/", [snapshot(session, [rrweb(begin, n) for n in range(29)]
                                                  + [rrweb(begin, 29, source=5, text=text)])])
        assert status == 200, (status, body)
        assert time.monotonic() - begun < 5 * PATIENCE, "capture waited for the object store"
        sent.append(session)

    def meanwhile(mode=None):
        hurt, link.mode = link.hurt, mode or "pass"
        record()
        if mode:
            p.eventually(lambda: link.hurt > hurt, 60)
        record()
        link.mode = "pass"
        link.reset()

    def slow():
        link.delay_s = 0.5
        record()
        settled(p, len(sent))
        link.delay_s = 0.0

    def other_secret():
        server.kill()
        server.know("another-secret-of-the-tests")
        server.start()
        record()
        p.eventually(lambda: "403" in p.output(), 60)
        record()
        server.kill()
        server.know(s3.SECRET)
        server.start()

    def full():
        disk.fill()
        before = sdk.metric(p, "penstock_replay_retries_total")
        record(2 << 20)
        record(2 << 20)
        p.eventually(lambda: sdk.metric(p, "penstock_replay_retries_total") > before, 60)
        record()
        disk.empty()

    troubles = {"slow": slow, "garbage": lambda: meanwhile("garbage"), "hang": lambda: meanwhile("hang"),
                "cut": lambda: meanwhile("cut"),
                "secret": other_secret, "full": full}
    try:
        with Penstock(*flags) as p:
            record()
            settled(p, 1)
            before = sdk.resident(p)
            for name, trouble in troubles.items():
                trouble()
                assert p.process.poll() is None, f"{name} ended Penstock: {p.output()[-2000:]}"
                p.eventually(lambda: p.ledger()["total"]["in_flight"] == 0, 120)
            settled(p, len(sent))
            grown = sdk.resident(p) - before
            assert grown < 150 << 20, f"{grown >> 20} MiB more"
            for session in sent:
                assert len(lines(p, session)) == 30, session
            assert s3.SECRET not in p.output()
    finally:
        link.close()
