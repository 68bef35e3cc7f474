"""penstock move: what lies in the data directory goes to real servers and comes back, through kills."""
import datetime
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import uuid

from clickhouse import PASSWORD, ClickHouse
from harness import BIN, KEY, PATIENCE, Penstock
import postgres
import s3
import sdk
from test_persons_postgres import IDS, history, send
from test_replay import lines, now_ms, rrweb, settled, snapshot
from test_replay import send as send_recording


def configure(p, **tables):
    """penstock.toml of a data directory, as somebody would write it."""
    text = ""
    for table, options in tables.items():
        text += f"[{table}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in options.items()) + "\n"
    pathlib.Path(p.data, "penstock.toml").write_text(text)


def command(p, *words):
    return [BIN, "move", "--data", p.data, *words]


def move(p, *words):
    done = subprocess.run(command(p, *words), capture_output=True, text=True, timeout=120 * PATIENCE)
    return done.returncode, done.stdout, done.stderr


def killed_in_the_middle(p, *words, part, pace=20000, piece=1024):
    """Starts it at a walking pace and kills it when part of `part` is copied; how much that was."""
    process = subprocess.Popen(command(p, *words, "--json", "--piece", str(piece), "--pace", str(pace)),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            said = json.loads(line)
            if said.get("part") == part and 0 < said["items"] < said["items_total"]:
                process.send_signal(signal.SIGKILL)
                return said["items"]
    finally:
        process.kill()
        process.wait()
    raise AssertionError("it was never in the middle: " + process.stderr.read())


def persons_of(p):
    """Who every distinct id belongs to and what its person is, as a new event's row says."""
    ids = [f"{kind}-{i}" for kind in ("visitor", "user") for i in range(IDS)]
    probe = "probe " + str(uuid.uuid4())
    send(p, [{"event": probe, "distinct_id": one, "uuid": str(uuid.uuid4())} for one in ids])
    rows = p.eventually(lambda: (lambda found: found if len(found) == len(ids) else None)(
        p.sql("SELECT distinct_id, toString(person_id), person_properties, toString(person_created_at) FROM "
              f"events WHERE event = '{probe}'")), 60)
    # PostgreSQL knows no NUL.
    return {one: (person, json.loads(properties.replace("\\u0000", "\ufffd")), created)
            for one, person, properties, created in rows}


def catalog_of(p):
    keys = sorted((k["label"], k["prefix"]) for k in p.api("/api/keys")[1]["keys"]
                  if not k["label"].startswith("penstock command line"))
    projects = [(one["id"], one["name"]) for one in p.api("/api/projects")[1]["projects"]]
    return projects, keys


def test_persons_and_catalog_to_postgres_and_back_through_kills():
    if not postgres.installed():
        return postgres.MISSING
    batches = history(11)
    with postgres.Postgres("fsync=off") as server, Penstock("--set", "log.partitions=1") as p:
        configure(p, persons={"postgres_url": server.url}, catalog={"postgres_url": server.url})
        for batch in batches[:40]:
            send(p, batch)
        assert p.api("/api/keys", {"label": "of a script", "project_id": 0})[0] in (200, 201)
        status, made = p.api("/api/projects", {"name": "Shop's \"own\"", "token": "phc_shop"})
        assert status in (200, 201), made
        sdk.balanced(p)
        before, catalog = persons_of(p), catalog_of(p)
        code, out, err = move(p, "--from", "embedded", "--to", "postgres")
        assert code == 1 and "stop it first" in err, (out, err)
        sdk.balanced(p)
        p.stop()

        code, out, err = move(p, "--from", "embedded", "--to", "postgres", "--check")
        assert code == 0 and not server.sql("SELECT 1 FROM posthog_person"), (out, err)
        copied = killed_in_the_middle(p, "--from", "embedded", "--to", "postgres", part="persons")
        assert server.sql("SELECT 1 FROM posthog_person"), copied
        # Another move cannot be begun over it.
        code, out, err = move(p, "--from", "postgres", "--to", "embedded")
        assert code == 1 and "--forget" in err, (out, err)
        code, out, err = move(p, "--from", "embedded", "--to", "postgres", "--write-config")
        assert code == 0 and "Going on" in out and "copied and compared" in out, (out, err)
        toml = pathlib.Path(p.data, "penstock.toml").read_text()
        assert toml.count('engine = "postgres"') == 2, toml
        # Nothing is left of it, and it is not done twice over what is there.
        assert not os.path.exists(os.path.join(p.data, "state/move.journal"))
        code, out, err = move(p, "--from", "embedded", "--to", "postgres")
        assert code == 1 and "already" in err, (out, err)

        for aside in ("state/persons", "catalog.db"):
            os.rename(os.path.join(p.data, aside), os.path.join(p.data, aside + ".before"))
        p.start()
        assert catalog_of(p) == catalog
        assert persons_of(p) == before
        for batch in batches[40:]:
            send(p, batch)
        sdk.balanced(p)
        before = persons_of(p)
        sdk.balanced(p)
        p.stop()

        killed_in_the_middle(p, "--from", "postgres", "--to", "embedded", part="persons")
        code, out, err = move(p, "--from", "postgres", "--to", "embedded", "--json", "--write-config")
        assert code == 0, (out, err)
        lines = [json.loads(line) for line in out.splitlines()]
        assert lines[-1]["config"] == {"persons.engine": "embedded", "catalog.engine": "sqlite"}, lines[-1]
        assert any(line.get("step") == "comparing" and line["part"] == "persons" for line in lines)
        server.stop()  # nobody needs it any more
        p.start()
        assert catalog_of(p) == catalog
        assert persons_of(p) == before
        sdk.balanced(p)


def test_a_source_that_changed_after_a_kill_is_copied_anew_and_others_are_refused():
    if not postgres.installed():
        return postgres.MISSING
    with postgres.Postgres("fsync=off") as server, Penstock() as p:
        configure(p, persons={"postgres_url": server.url})
        for batch in history(3)[:20]:
            send(p, batch)
        sdk.balanced(p)
        p.stop()
        words = ("--from", "embedded", "--to", "postgres", "--only", "persons")
        killed_in_the_middle(p, *words, part="persons")
        p.start()
        send(p, [{"event": "later", "distinct_id": "later", "uuid": str(uuid.uuid4()),
                  "properties": {"$set": {"late": True}}}])
        sdk.balanced(p)
        p.stop()
        code, out, err = move(p, *words)
        assert code == 0 and "changed since" in out, (out, err)
        assert server.sql("SELECT p.properties->>'late' FROM posthog_person p JOIN posthog_persondistinctid d "
                          "ON d.person_id = p.id WHERE d.distinct_id = 'later'") == [["true"]]
        assert '[persons]\nengine = "postgres"' in out, out

        for wrong, said in ((("--to", "postgres"), "one side is embedded"),
                            (("--from", "embedded", "--to", "mysql"), "no engine"),
                            (("--from", "embedded", "--to", "postgres", "--only", "rows"), "--only"),
                            (("--from", "embedded", "--to", "postgres", "--only", "catalog"),
                             "catalog.postgres_url is not set")):
            code, out, err = move(p, *wrong)
            assert code == 1 and said in err, (wrong, out, err)
        server.stop()
        begun = time.monotonic()
        code, out, err = move(p, *words)
        assert code == 1 and "persons.postgres_url" in err and time.monotonic() - begun < 30 * PATIENCE, (out, err)
        code, out, err = move(p, "--forget")
        assert code == 0 and "no unfinished move" in out, (out, err)


TABLES = {"sharded_events": "* EXCEPT (_offset)", "person FINAL": "*", "person_distinct_id2 FINAL": "*",
          "person_distinct_id_overrides FINAL": "*", "groups FINAL": "*", "ingestion_warnings": "*",
          "session_replay_blocks": "*", "log_entries": "*", "heatmaps": "*"}


def tables_of(p):
    """Every row of every table, and what events look like through the view."""
    out = {table: sorted(map(str, p.sql(f"SELECT {columns} FROM {table} LIMIT 20000")))
           for table, columns in TABLES.items()}
    out["view"] = sorted(map(str, p.sql("SELECT uuid, person_id, properties FROM events")))
    return out


def days_ago(n):
    """None so long that its heatmap points expire."""
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=n)
    return then.isoformat(timespec="milliseconds")


def all_kinds(n):
    """Events of several months, names with quotes and tabs, groups, heatmaps, and one that warns."""
    out = []
    for i in range(n):
        out.append({"event": ("e", "it's\ta \\ name", "$pageview")[i % 3], "distinct_id": f"d'{i % 37}",
                    "uuid": str(uuid.uuid4()), "timestamp": days_ago((i % 3) * 31 + i % 7),
                    "properties": {"n": i, "text": "x\u00e9\0" * 30, "$groups": {"company": f"c{i % 5}"},
                                   "$set": {"n": i}, "$session_id": f"s{i % 4}",
                                   "$heatmap_data": {"https://a.b/": [{"x": i, "y": 2, "target_fixed": False,
                                                                       "type": "click"}]},
                                   "$viewport_width": 100, "$viewport_height": 100}})
    out.append({"event": "$identify", "distinct_id": "known", "uuid": str(uuid.uuid4()),
                "properties": {"$anon_distinct_id": "d'1"}})
    out.append({"event": "$groupidentify", "distinct_id": "known", "uuid": str(uuid.uuid4()),
                "properties": {"$group_type": "company", "$group_key": "c1", "$group_set": {"size": 3}}})
    out.append({"event": "$identify", "distinct_id": "known", "uuid": str(uuid.uuid4()),
                "properties": {"$anon_distinct_id": "null"}})
    return out


def test_rows_to_a_clickhouse_and_back_through_kills():
    with ClickHouse() as ch, Penstock() as p:
        configure(p, store={"clickhouse_urls": ch.urls[0], "clickhouse_password": PASSWORD})
        send(p, all_kinds(200))
        send(p, all_kinds(150))
        sdk.balanced(p)
        before = tables_of(p)
        for table in ("sharded_events", "person FINAL", "person_distinct_id_overrides FINAL", "groups FINAL",
                      "heatmaps"):
            assert before[table], table
        p.stop()
        words = ("--from", "embedded", "--to", "clickhouse")
        killed_in_the_middle(p, *words, part="rows", pace=200_000)
        assert int(ch.sql("SELECT count() FROM sharded_events")) > 0
        # Killed too, and gone for a while.
        ch.kill()
        code, out, err = move(p, *words)
        assert code == 1 and "store.clickhouse_urls" in err, (out, err)
        ch.start()
        ch.fault("lost", 2, "INSERT INTO sharded_events")
        code, out, err = move(p, *words, "--write-config")
        assert code == 0 and f"{len(before['sharded_events'])} sharded_events" in out, (out, err)
        code, out, err = move(p, *words)
        assert code == 1 and "already" in err, (out, err)
        os.rename(os.path.join(p.data, "store"), os.path.join(p.data, "store.before"))
        p.start()
        assert "server" in p.api("/api/status")[1]["store"]["engine"]
        assert tables_of(p) == before
        send(p, all_kinds(100))
        sdk.balanced(p)
        before = tables_of(p)
        p.stop()
        os.rmdir(os.path.join(p.data, "store"))
        words = ("--from", "clickhouse", "--to", "embedded")
        killed_in_the_middle(p, *words, part="rows", pace=200_000)
        code, out, err = move(p, *words, "--write-config")
        assert code == 0 and "copied and compared" in out, (out, err)
        ch.kill()
        p.start()
        assert "embedded" in p.api("/api/status")[1]["store"]["engine"]
        assert tables_of(p) == before
        # The same rows again are still repeats: nothing is stored twice, nothing is lost.
        send(p, all_kinds(50))
        sdk.balanced(p)


def test_rows_of_a_batch_nobody_confirmed_are_not_moved():
    with ClickHouse() as ch, Penstock() as p:
        configure(p, store={"clickhouse_urls": ch.urls[0], "clickhouse_password": PASSWORD})
        send(p, all_kinds(20))
        sdk.balanced(p)
        os.kill(p.engine_pid(), signal.SIGSTOP)  # it takes the batch and does not answer
        engine = p.engine_pid()
        send(p, all_kinds(20))
        p.eventually(lambda: p.ledger()["total"]["in_flight"] > 0)
        time.sleep(1)
        p.kill()
        os.kill(engine, signal.SIGKILL)
        code, out, err = move(p, "--from", "embedded", "--to", "clickhouse")
        assert code == 1 and "not confirmed" in err, (out, err)
        p.start()
        sdk.balanced(p)
        p.stop()
        code, out, err = move(p, "--from", "embedded", "--to", "clickhouse")
        assert code == 0, (out, err)


def test_recordings_to_s3_and_back_through_kills():
    if not s3.installed():
        return s3.MISSING
    with s3.S3() as server, Penstock("--set", "replay.flush_ms=100") as p:
        assert server.curl("PUT", "/recordings")[0] == 0
        configure(p, objects={"s3_url": "s3://recordings/moved", "s3_endpoint": server.url,
                              "s3_access_key": s3.ACCESS, "s3_secret_key": s3.SECRET})
        begin = now_ms() - 60_000
        for n in range(12):
            assert send_recording(p, [snapshot(f"s-{n}", [rrweb(begin, i) for i in range(n + 1)])])[0] == 200
            settled(p, n + 1)
        p.stop()
        words = ("--from", "embedded", "--to", "s3")
        killed_in_the_middle(p, *words, part="objects", pace=800)
        server.kill()
        server.start()
        code, out, err = move(p, *words, "--write-config")
        assert code == 0 and "12 objects" in out, (out, err)
        assert s3.SECRET not in out + err
        os.rename(os.path.join(p.data, "objects"), os.path.join(p.data, "objects.before"))
        p.start()
        p.sql("SELECT 1")  # until the engine is there
        assert [len(lines(p, f"s-{n}")) for n in range(12)] == [n + 1 for n in range(12)]
        p.stop()
        code, out, err = move(p, *words)
        assert code == 1 and "already" in err, (out, err)
        words = ("--from", "s3", "--to", "embedded")
        killed_in_the_middle(p, *words, part="objects", pace=800)
        code, out, err = move(p, *words, "--write-config")
        assert code == 0 and "12 objects" in out, (out, err)
        server.kill()
        p.start()
        p.sql("SELECT 1")  # until the engine is there
        assert [len(lines(p, f"s-{n}")) for n in range(12)] == [n + 1 for n in range(12)]


class Sender(threading.Thread):
    """Sends an event at a time, again and again until it is taken, as an SDK; keeps what was refused and when."""

    def __init__(self, p):
        super().__init__()
        self.p, self.sent, self.refused, self.ended = p, [], [], threading.Event()

    def run(self):
        while not self.ended.is_set():
            event = {"event": "steady", "distinct_id": f"d'{len(self.sent) % 37}", "uuid": str(uuid.uuid4()),
                     "properties": {"$set": {"steady": len(self.sent)}}}
            while True:
                try:
                    if self.p.post("/batch/", {"api_key": KEY, "batch": [event]})[0] == 200:
                        break
                except OSError:
                    pass
                self.refused.append(time.monotonic())
                time.sleep(0.02)
            self.sent.append(event["uuid"])
            time.sleep(0.01)

    def longest_refusal(self):
        """Seconds between the first and the last refusal of a row of them."""
        longest = begun = last = 0.0
        for at in self.refused:
            if at - last > 0.5:
                begun = at
            last = at
            longest = max(longest, at - begun)
        return longest


def test_online_everything_moves_while_events_are_taken():
    if not postgres.installed():
        return postgres.MISSING
    with postgres.Postgres("fsync=off") as server, ClickHouse() as ch, Penstock() as p:
        configure(p, persons={"postgres_url": server.url}, catalog={"postgres_url": server.url},
                  store={"clickhouse_urls": ch.urls[0], "clickhouse_password": PASSWORD})
        send(p, all_kinds(200))
        sdk.balanced(p)
        pid = p.process.pid
        sender = Sender(p)
        sender.start()
        try:
            words = ("--from", "embedded", "--to", "postgres,clickhouse", "--online")
            killed_in_the_middle(p, *words, part="persons", pace=3000)
            # Held: it takes events and does nothing else, a start finds it so, too.
            taken = len(sender.sent)
            p.eventually(lambda: len(sender.sent) > taken + 20)
            p.eventually(lambda: "held for a move" in p.output())
            code, out, err = move(p, *words)
            assert code == 0 and "the switch took" in out, (out, err)
            time.sleep(1)
        finally:
            sender.ended.set()
            sender.join()
        assert p.process.poll() is None and p.process.pid == pid
        total = sdk.balanced(p)
        assert sender.longest_refusal() < 5, sender.longest_refusal()
        rows, uuids = map(int, ch.sql("SELECT count(), uniqExact(uuid) FROM sharded_events").split())
        # The 200 heatmaps that were split off count as events, and are no rows of this table.
        assert rows == uuids == int(total["stored"]) - 200 == 203 + len(sender.sent), (rows, uuids, total)
        steady = set(ch.sql("SELECT uuid FROM sharded_events WHERE event = 'steady'").split())
        assert steady == set(sender.sent), (len(steady), len(sender.sent))
        last = server.sql("SELECT max((properties->>'steady')::int) FROM posthog_person")
        assert last == [[str(len(sender.sent) - 1)]], last
        assert "server" in p.api("/api/status")[1]["store"]["engine"]
        # A move that fails leaves everything as it was, and running.
        code, out, err = move(p, *words)
        assert code == 1 and "already" in err, (out, err)
        sdk.balanced(p)
        assert "server" in p.api("/api/status")[1]["store"]["engine"]


def test_online_an_engine_of_the_command_line_is_refused_and_a_hold_can_be_given_up():
    with ClickHouse() as ch, Penstock("--set", "store.engine=embedded") as p:
        configure(p, store={"clickhouse_urls": ch.urls[0], "clickhouse_password": PASSWORD})
        send(p, all_kinds(100))
        sdk.balanced(p)
        words = ("--from", "embedded", "--to", "clickhouse", "--online")
        code, out, err = move(p, *words)
        assert code == 1 and "command line" in err, (out, err)
        p.stop()
        p.flags = ()
        p.start()
        killed_in_the_middle(p, *words, part="rows")
        p.kill()
        process = subprocess.Popen([BIN, "up", "--data", p.data, "--listen", p.capture[7:], "--admin", p.admin[7:]],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            p.eventually(lambda: p.get("/_readiness")[0] == 200)
            send(p, all_kinds(5))
            code, out, err = move(p, "--forget")
            assert code == 0 and "forgotten" in out, (out, err)
            sdk.balanced(p)
            assert "embedded" in p.api("/api/status")[1]["store"]["engine"]
            process.send_signal(signal.SIGTERM)
            assert process.wait(40 * PATIENCE) == 0
        finally:
            process.kill()
