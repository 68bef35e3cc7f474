"""How cost grows: from one partition to many, what an event leaves on disk, and a simulated fleet.

`partitions` and `footprint` run the real thing; `fleet` only computes: 1,000 partitions on 64 workers
by the rule of cooperative-sticky assignment, with keys as uneven as users are, when workers come and
go. It is about balance and about what moves, not about time.
"""
import collections
import heapq
import pathlib
import random
import shutil
import socket
import statistics
import struct
import tempfile
import time
import urllib.request

import ingest_stage
import rig

PARTITIONS = (1, 4, 16, 64)
PERSONS, EVENTS = 100_000, 250_000
FLEET_PARTITIONS, FLEET_WORKERS = 1000, 64
USERS, SENT = 2_000_000, 20_000_000
SKEW = 0.7  # the busiest user sends 0.4 % of everything, half of them a fifth
HOT_SHARE = 0.05  # one key that a script sends without end


# --- the real thing ------------------------------------------------------------------------------


def by_partitions(options, core, progress):
    population = pathlib.Path(tempfile.mkdtemp(dir=options.work))
    progress(f"scale: a population of {PERSONS:,}")
    ingest_stage.bench("populate", population, PERSONS)
    runs = {n: [] for n in PARTITIONS}
    for seed in range(options.rounds):
        for n in PARTITIONS:
            progress(f"scale: {n} partitions, round {seed + 1} of {options.rounds}")
            folder = ingest_stage.copy(population, options.work)
            runs[n].append(ingest_stage.bench("run", folder, PERSONS, EVENTS, seed + 1,
                                              f"--partitions={n}", cores=core))
            shutil.rmtree(folder)
    shutil.rmtree(population)
    return {n: statistics.median(r["cpu_ns"] for r in runs[n]) for n in PARTITIONS}


def requests(file):
    """The whole requests of a request set, and how many events they hold."""
    data, at = pathlib.Path(file).read_bytes(), 0
    while at < len(data):
        size, events, body, raw = struct.unpack_from("<4I", data, at)
        yield data[at + 16:at + 16 + size], events, body, raw
        at += 16 + size


def disk_bytes(folder):
    """What files hold, holes and space kept ahead not counted; by first folder."""
    out = collections.Counter()
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file() and not path.is_symlink():
            stat = path.stat()
            out[path.relative_to(folder).parts[0]] += min(stat.st_size, stat.st_blocks * 512)
    return out


def metric(subject, name):
    text = urllib.request.urlopen(subject.instance["capture_url"] + "/metrics", timeout=30).read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def footprint(options, progress):
    """Bytes an event of shape b costs the network, the log, the state and the store."""
    subject = rig.Penstock(options.work, None)
    try:
        subject.when_engine_ready()
        before = metric(subject, "penstock_log_written_bytes_total"), disk_bytes(subject.data)
        connection = socket.create_connection(("127.0.0.1", subject.port))
        events = sent = raw_json = 0
        for request, count, _, raw in requests(options.sets / "b.req"):
            connection.sendall(request)
            answer = connection.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise rig.BenchError(f"answered {answer[:200]!r}")
            events, sent, raw_json = events + count, sent + len(request), raw_json + raw
            progress(f"scale: {events:,} events sent") if events % 10_000 < count else None
        connection.close()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if subject.status()["load"]["lag_records"] == 0:
                break
            time.sleep(0.2)
        stored = int(subject.sql("SELECT count() FROM events")[0][0])
        if stored != events:
            raise rig.BenchError(f"{events} events were sent and {stored} are stored")
        persons = int(subject.sql("SELECT uniqExact(person_id) FROM events")[0][0])
        log = metric(subject, "penstock_log_written_bytes_total") - before[0]
        time.sleep(2)
        grown = disk_bytes(subject.data)
        grown.subtract(before[1])
    finally:
        subject.close()
    return {"events": events, "persons": persons, "wire": sent / events, "json": raw_json / events,
            "log": log / events, "state": grown["state"] / events, "store": grown["store"] / events}


# --- the fleet, computed -------------------------------------------------------------------------


def assign(partitions, workers, before):
    """Everybody keeps what he has, up to his part; the rest goes to who has least.

    `before`: partition to worker. This is the rule of cooperative-sticky assignment for one topic."""
    part, more = divmod(len(partitions), len(workers))
    held = {w: [] for w in workers}
    for p in partitions:
        if before.get(p) in held:
            held[before[p]].append(p)
    free = [p for p in partitions if before.get(p) not in held]
    richest = sorted(workers, key=lambda w: (-len(held[w]), w))
    for place, w in enumerate(richest):
        may = part + (1 if place < more else 0)
        free += held[w][may:]
        del held[w][may:]
    poorest = [(len(held[w]), w) for w in workers]
    heapq.heapify(poorest)
    for p in free:
        count, w = heapq.heappop(poorest)
        held[w].append(p)
        heapq.heappush(poorest, (count + 1, w))
    return {p: w for w, ps in held.items() for p in ps}


def loads(random_numbers, hot):
    """Events by partition: users as uneven as rank ** -SKEW, spread by their hash."""
    out = [0.0] * FLEET_PARTITIONS
    norm = sum(rank ** -SKEW for rank in range(1, USERS + 1))
    normal = SENT * (1 - (HOT_SHARE if hot else 0))
    for rank in range(1, USERS + 1):
        out[random_numbers.randrange(FLEET_PARTITIONS)] += normal * rank ** -SKEW / norm
    if hot:
        out[random_numbers.randrange(FLEET_PARTITIONS)] += SENT * HOT_SHARE
    return out


def busiest(assignment, load, workers):
    of = collections.Counter()
    for p, w in assignment.items():
        of[w] += load[p]
    return max(of.values()) / (sum(load) / len(workers))


def capped(load, rate_share):
    """What the overflow lane takes off the busiest partitions: above this many times the mean."""
    mean = sum(load) / len(load)
    return [min(x, mean * rate_share) for x in load]


def change(before, partitions, workers):
    """The next assignment, what it moves, and what any balanced one would have to."""
    after = assign(partitions, workers, before)
    counts = collections.Counter(after.values())
    if set(after) != set(partitions) or max(counts.values()) - min(counts.values()) > 1:
        raise rig.BenchError(f"{len(workers)} workers are not balanced: {counts}")
    held = collections.Counter(before.values())
    joined = sum(counts[w] for w in workers if w not in held)
    lost = sum(w not in set(workers) for w in before.values())
    return after, {"moved": sum(after[p] != before[p] for p in partitions), "least_possible": max(joined, lost)}


def fleet():
    numbers = random.Random(7)
    partitions, workers = list(range(FLEET_PARTITIONS)), list(range(FLEET_WORKERS))
    assignment = assign(partitions, workers, {})
    even, hot = loads(numbers, False), loads(numbers, True)
    report = {"balance": {"users": busiest(assignment, even, workers),
                          "one_hot_key": busiest(assignment, hot, workers),
                          "one_hot_key_overflowed": busiest(assignment, capped(hot, 2), workers)},
              "moved": {}}
    steps = {"one worker leaves": workers[1:], "it comes back": workers,
             "eight more come": workers + list(range(64, 72)), "half are lost": workers[:32],
             "all are back": workers}
    for what, there in steps.items():
        assignment, report["moved"][what] = change(assignment, partitions, there)
    restart = {"moved": 0, "least_possible": 0}
    for w in workers:  # each leaves and comes back, one after the other
        for there in ([x for x in workers if x != w], workers):
            assignment, step = change(assignment, partitions, there)
            for key, value in step.items():
                restart[key] += value
    report["moved"]["a rolling restart of all 64"] = restart
    return report


def run(options, core, progress, done_with_progress):
    found = {"footprint": footprint(options, progress), "fleet": fleet(),
             "partitions": by_partitions(options, core, progress)}
    done_with_progress()
    base = found["partitions"][PARTITIONS[0]]
    print(f"\nIngest by partitions, {PERSONS:,} persons, medians of {options.rounds} rounds\n")
    print("partitions   CPU ns/ev   of one partition's")
    for n, ns in found["partitions"].items():
        print(f"{n:10} {ns:11.0f} {ns / base:12.2f}x")
    f = found["footprint"]
    print(f"\nBytes an event of shape b leaves, {f['events']:,} events of {f['persons']:,} persons\n")
    for key, what in (("wire", "on the wire, gzip"), ("json", "JSON as sent"),
                      ("log", "written to the log, raw and processed"),
                      ("state", "state: persons, ledger, definitions"),
                      ("store", "the store, all tables, before old parts go")):
        print(f"{what:40} {f[key]:8.0f}")
    balance, moved = found["fleet"]["balance"], found["fleet"]["moved"]
    print(f"\nComputed: {FLEET_PARTITIONS:,} partitions on {FLEET_WORKERS} workers, {USERS:,} users; the busiest "
          "worker's load, as a multiple of the mean\n")
    print(f"users by rank {balance['users']:.2f}, with one key that is {HOT_SHARE:.0%} of everything "
          f"{balance['one_hot_key']:.2f}, that key in the overflow lane {balance['one_hot_key_overflowed']:.2f}\n")
    print("partitions that change hands (least possible)")
    for what, m in moved.items():
        print(f"{what:40} {m['moved']:6} ({m['least_possible']})")
    return found
