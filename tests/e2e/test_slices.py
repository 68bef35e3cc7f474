"""Several processes that decide at once, each some slices of the projects, while they come, go, die and
freeze under load."""
import json
import re
import signal
import threading
import time
import uuid

import brokers
import postgres
from harness import KEY, PATIENCE, Penstock
from test_kafka import murmur2
from test_stages import Stages as OfStages
from test_stages import decided

SLICES = 4


class Stages(OfStages):
    alone = False  # each is up whether it decides a slice by then or not


def slice_of(token):
    return (murmur2(token.encode()) & 0x7FFFFFFF) % SLICES


def tokens(each):
    """So many of every slice; the first is the one that every process is started with."""
    found, n = {slice_of(KEY): [KEY]}, 0
    while min((len(found.get(s, [])) for s in range(SLICES))) < each:
        token = f"phc_slices{n:03}{'0' * 34}"
        mine = found.setdefault(slice_of(token), [])
        if len(mine) < each:
            mine.append(token)
        n += 1
    return [token for s in sorted(found) for token in found[s]]


def settings(pg, *more):
    """Of every process of an installation whose projects are slices."""
    return ("--set", f"ingest.slices={SLICES}", "--set", "catalog.engine=postgres",
            "--set", f"catalog.postgres_url={pg.url}", "--set", "catalog.look_ms=200",
            "--set", "persons.engine=postgres", "--set", f"persons.postgres_url={pg.url}", *more)


SLICE_LANES = ("--set", "ingest.slice_lanes=true", "--set", "log.partitions=2")


def projects_of(p, keys):
    """Made there; their ids by token."""
    for n, key in enumerate(keys):
        if key != KEY:
            status, made = p.api("/api/projects", {"name": f"P{n}", "token": key})
            assert status in (200, 201), made
    return {one["token"]: one["id"] for one in p.api("/api/projects")[1]["projects"]}


class Clients:
    """One client for each project, through either capture: users whose anonymous past is merged into
    them, and who change properties all the time. What is not acknowledged is sent again."""

    def __init__(self, captures, keys):
        self.ending = self.given_up = False
        self.acknowledged = {key: {} for key in keys}  # uuid to distinct id
        self.last = {key: {} for key in keys}  # distinct id to the properties it has to have
        self.users = {key: [] for key in keys}
        self.threads = [threading.Thread(target=self.run, args=(captures[i % len(captures)], key))
                        for i, key in enumerate(keys)]
        for t in self.threads:
            t.start()

    def run(self, capture, key):
        n = 0
        while not self.ending:
            batch = list(self.batch(key, n))
            while not self.given_up:
                try:
                    if capture.post("/batch/", {"api_key": key, "batch": batch})[0] == 200:
                        break
                except OSError:
                    pass
                time.sleep(0.05)
            self.acknowledged[key].update((e["uuid"], e["distinct_id"]) for e in batch)
            for e in batch:
                self.last[key].setdefault(e["distinct_id"], {}).update(e["properties"]["$set"])
            self.users[key].append(n)
            n += 1
            time.sleep(0.05)

    @staticmethod
    def batch(key, n):
        def event(name, who, properties, **more):
            return {"event": name, "distinct_id": who, "uuid": str(uuid.uuid4()),
                    "properties": {"$set": properties, **more}}
        for i in range(4):  # who is always there, and loses no change
            yield event("seen", f"all-{i}", {f"p{n % 30}": n, "n": n})
        yield event("before", f"anon-{n}", {"first": n})
        yield event("$identify", f"user-{n}", {"plan": n}, **{"$anon_distinct_id": f"anon-{n}"})
        yield event("after", f"user-{n}", {"last": n})

    def count(self):
        return sum(map(len, self.acknowledged.values()))

    def wait_for(self, more, seconds=90):
        until, deadline = self.count() + more, time.monotonic() + seconds * PATIENCE
        while self.count() < until:
            assert time.monotonic() < deadline, self.count()
            time.sleep(0.05)

    def end(self):
        self.ending = True
        for t in self.threads:
            t.join()


def slices_at(p):
    found = re.search(r"^penstock_ingest_slices (\d+)", p.ask_health("/metrics")[1], re.M)
    return int(found[1]) if found else 0


def shared_by(processes, seconds=60, slices=SLICES):
    """All slices are decided, and each of these decides some."""
    def look():
        held = [slices_at(p) for p in processes]
        assert sum(held) == slices and min(held) > 0, held
        return held
    return processes[0].eventually(look, seconds)


def at_rest(p, projects, sent):
    ledgers = [p.ledger(i) for i in projects]
    assert all(one["balance"]["balanced"] for one in ledgers), ledgers
    total = {}
    for one in ledgers:
        for name, n in one["total"].items():
            if isinstance(n, int):
                total[name] = total.get(name, 0) + n
    assert total["in_flight"] == 0 and total["stored"] >= sent, total
    return total


def check_traces(p, ids, clients, partitions):
    """Each quotes the outcome of its own event, which lies where the project's slice decides."""
    for key, sent in clients.acknowledged.items():
        one = next(reversed(sent))
        entry = p.api(f"/api/projects/{ids[key]}/trace/{one}")[1]["entries"][0]
        hops = {h["name"]: h for h in entry["hops"]}
        assert hops["decided"]["partition"] // partitions == slice_of(key), (slice_of(key), hops)
        assert hops["decided"]["in_log"] and hops["decided"]["verdict"] == "accepted", hops
        assert entry["state"] == "stored", entry


def test_ingests_share_the_projects_through_joins_kills_freezes_and_removals():
    return share_the_projects()


def test_the_same_where_lanes_have_partitions_for_each_slice():
    return share_the_projects(*SLICE_LANES)


def share_the_projects(*more):
    if not brokers.installed() or not postgres.installed():
        return brokers.MISSING if not brokers.installed() else postgres.MISSING
    keys = tokens(2)
    with brokers.Kafka() as kafka, postgres.Postgres("fsync=off") as pg:
        shared = settings(pg, *more)
        captures = [Stages(kafka, "capture", *shared) for _ in range(2)]
        a, b, c = ingests = [Stages(kafka, "ingest,replay,admin", *shared) for _ in range(3)]
        load = Stages(kafka, "load,definitions,admin", *shared)
        clients = None
        try:
            load.start(90)
            ids = projects_of(load, keys)
            for p in (*captures, a):
                p.start(90)
            assert shared_by([a]) == [SLICES]
            clients = Clients(captures, keys)
            clients.wait_for(200)
            # More of them, under load: each takes some of the projects over.
            for p in (b, c):
                p.start(90)
            shared_by(ingests)
            for p in ingests:
                decided(p, 30)
            # One is killed, and its slices are the others'.
            c.kill()
            shared_by([a, b])
            clients.wait_for(200)
            c.start(90)
            shared_by(ingests)
            # One freezes for longer than a session; back, it has nothing to say, and gets its share.
            b.process.send_signal(signal.SIGSTOP)
            shared_by([a, c])
            for p in (a, c):
                decided(p, 30)
            b.process.send_signal(signal.SIGCONT)
            shared_by(ingests)
            for p in ingests:
                decided(p, 30)
            assert b.died() is None and "begins anew" in b.output()
            # One is removed in order.
            a.stop()
            shared_by([b, c])
            clients.wait_for(200)
            clients.end()
            sent, projects = clients.count(), sorted(ids.values())
            totals = [load.eventually(lambda p=p: at_rest(p, projects, sent), 90) for p in (load, b, c)]
            assert totals[0] == totals[1] == totals[2], totals
            assert totals[0]["quarantined"] == 0, totals
            for key in keys:
                check_project(load, pg, ids[key], clients, key)
            check_traces(load, ids, clients, partitions=2 if more else 3)
        finally:
            if clients:
                clients.ending = clients.given_up = True
            for p in (*captures, *ingests, load):
                if p.process and p.process.poll() is None:
                    p.process.send_signal(signal.SIGCONT)
                p.close()


def passed_over(p):
    return int(re.search(r"^penstock_ingest_passed_over_total (\d+)", p.ask_health("/metrics")[1], re.M)[1])


def waiting(p):
    n = p.api("/api/status")[1]["ledger"]["balance"]["uncounted"]
    assert n > 0
    return n


def counted(p):
    return int(re.search(r"^penstock_ledger_outcomes_total (\d+)", p.ask_health("/metrics")[1], re.M)[1])


def published(kafka):
    return sorted(m["key"] for m in kafka.messages("clickhouse_events_json"))


def published_by(p):
    return int(re.search(r"^penstock_publish_messages_total (\d+)", p.ask_health("/metrics")[1], re.M)[1])


def test_processes_that_look_at_some_slices_share_those_and_know_nothing_of_the_rest():
    if not brokers.installed() or not postgres.installed():
        return brokers.MISSING if not brokers.installed() else postgres.MISSING
    keys = tokens(1)
    with brokers.Kafka() as kafka, postgres.Postgres("fsync=off") as pg:
        shared = settings(pg, *SLICE_LANES)
        capture = Stages(kafka, "capture", *shared)
        a, b = (Stages(kafka, "ingest,replay,admin", *shared, "--set", "process.slices=0-1") for _ in range(2))
        c = Stages(kafka, "ingest,replay,admin", *shared, "--set", "process.slices=2-3")
        load = Stages(kafka, "load,definitions,admin", *shared)
        publishers = [Stages(kafka, "publish", *shared, "--set", f"process.slices={s}") for s in ("0-1", "2-3")]
        everyone, clients = (capture, a, b, c, load, *publishers), None
        try:
            load.start(90)
            ids = projects_of(load, keys)
            near = sorted(ids[key] for key in keys if slice_of(key) < 2)
            far = sorted(ids[key] for key in keys if slice_of(key) >= 2)
            for p in (capture, a, b, c, *publishers):
                p.start(90)
            shared_by([a, b], slices=2)
            assert shared_by([c], slices=2) == [2]
            clients = Clients([capture], keys)
            clients.wait_for(200)
            # What one of them decided another of the same slices goes on with; the rest is nobody's here.
            a.kill()
            assert shared_by([b], slices=2) == [2]
            assert slices_at(c) == 2
            clients.wait_for(200)
            a.start(90)
            shared_by([a, b], slices=2)
            # What nobody decides waits in its lane, and the whole ledger says so.
            c.kill()
            clients.wait_for(100)
            assert load.eventually(lambda: waiting(load), 90) > 0
            c.start(90)
            shared_by([c], slices=2)
            clients.wait_for(100)
            clients.end()
            sent = clients.count()
            whole = load.eventually(lambda: at_rest(load, near + far, sent), 90)
            assert whole["quarantined"] == 0, whole
            for projects, processes in ((near, (a, b)), (far, (c,))):
                want = at_rest(load, projects, 0)
                for p in processes:
                    assert p.eventually(lambda p=p, projects=projects: at_rest(p, projects, 0), 30) == want
                    others = far if projects == near else near
                    # It says that it knows nothing of them, in place of "nothing was received".
                    assert all(p.api(f"/api/projects/{i}/ledger")[0] == 409 for i in others)
            for p in (a, b, c):
                assert passed_over(p) == 0
            assert counted(c) < sent
            for key in keys:
                check_project(load, pg, ids[key], clients, key)
            # Each of two has published its slices, so that together all is there, once.
            want = sorted(one for sent in clients.acknowledged.values() for one in sent)
            load.eventually(lambda: published(kafka) == want, 60)
            mine = [published_by(p) for p in publishers]
            assert min(mine) > 0, mine
        finally:
            if clients:
                clients.ending = clients.given_up = True
            for p in everyone:
                p.close()


def test_slices_that_do_not_fit_are_refused():
    """Before anything is started, in words."""
    for flags, words in ((("ingest.slices=4", "process.slices=0-1"), "needs ingest.slice_lanes"),
                         (("ingest.slices=4", "ingest.slice_lanes=true", "process.slices=2-4"), "0 to 3"),
                         (("ingest.slices=4", "ingest.slice_lanes=true", "process.slices=1"), "FROM-TO"),
                         (("ingest.slice_lanes=true",), "ingest.slices above 1"),
                         (("ingest.slices=1024", "log.partitions=64"), "16384")):
        p = Penstock("--stages", "ingest,replay,admin",
                     *(x for f in ("log.engine=kafka", "log.kafka_brokers=127.0.0.1:1", *flags) for x in ("--set", f)))
        try:
            out = p.refused_start()
        finally:
            p.close()
        assert words in out, (flags, out)


def check_project(load, pg, project, clients, key):
    rows = load.sql("SELECT uuid, distinct_id, toString(person_id) FROM events LIMIT 100000", project)
    stored = [row[0] for row in rows]
    assert len(stored) == len(set(stored)), "a row is there twice"
    missing = clients.acknowledged[key].keys() - set(stored)
    assert not missing, f"{len(missing)} acknowledged events of {key} are no rows"
    persons = {row[0]: (row[1], json.loads(row[2])) for row in pg.sql(
        "SELECT d.distinct_id, p.uuid, p.properties FROM posthog_persondistinctid d "
        f"JOIN posthog_person p ON p.id = d.person_id WHERE d.team_id = {project}")}
    assert {row[1] for row in rows} == persons.keys()
    for who, must in clients.last[key].items():
        if not who.startswith("anon-"):
            has = persons[who][1]
            lost = {name: (n, has.get(name)) for name, n in must.items() if has.get(name) != n}
            assert not lost, (key, who, lost)
    for n in clients.users[key]:
        assert persons[f"anon-{n}"][0] == persons[f"user-{n}"][0], (key, n)
    # Who was never merged has one person from the first event to the last, and so has a user.
    for _, who, person in rows:
        if not who.startswith("anon-"):
            assert person == persons[who][0], (key, who)
