"""The ingest stage alone: raw log to processed log, over populations of different sizes, with persons
in the data directory and on PostgreSQL."""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import rig

sys.path.insert(0, str(rig.ROOT / "tests/e2e"))
import postgres  # noqa: E402

POPULATIONS = (100_000, 1_000_000)
LARGE = 10_000_000
EVENTS = 250_000
TARGET, TARGET_POSTGRES, FLAT = 25_000, 8_000, 0.2


def bench(*words, cores=None):
    done = subprocess.run([rig.BUILD / "bench/bench_ingest_mix", *map(str, words)], text=True,
                          capture_output=True, preexec_fn=rig.pinned(cores))
    if done.returncode != 0:
        raise rig.BenchError(f"bench_ingest_mix {words[0]}: {done.stderr[-500:]}")
    return json.loads(done.stdout) if done.stdout else None


def copy(population, work):
    """A run's own copy; the tables of the state database never change and are shared."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=work))
    (folder / "persons").mkdir()
    for file in (population / "persons").iterdir():
        if file.suffix in (".sst", ".blob"):
            os.link(file, folder / "persons" / file.name)
        elif file.name != "LOCK":
            shutil.copy(file, folder / "persons" / file.name)
    return folder


def embedded(options, core, persons, progress):
    population = pathlib.Path(tempfile.mkdtemp(dir=options.work))
    progress(f"ingest: a population of {persons:,}")
    bench("populate", population, persons)
    runs = []
    for n in range(options.rounds):
        progress(f"ingest: {persons:,} persons, round {n + 1} of {options.rounds}")
        folder = copy(population, options.work)
        runs.append(bench("run", folder, persons, EVENTS, n + 1, cores=core))
        shutil.rmtree(folder)
    shutil.rmtree(population)
    return runs


def server_cpu_s(server):
    """Of the server's processes, those that ended included."""
    total = 0.0
    for pid in server.pids():
        try:
            words = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue  # a session that ended meanwhile is in its parent's sum
        ended = 4 if pid == server.process.pid else 2
        total += sum(map(int, words[11:11 + ended])) / rig.TICKS
    return total


def on_postgres(options, core, persons, progress):
    if not postgres.installed():
        print(f"\nPostgreSQL: {postgres.MISSING}")
        return []
    runs = []
    with postgres.Postgres("shared_buffers=256MB", "max_wal_size=4GB") as server:
        progress(f"ingest: a population of {persons:,} in PostgreSQL")
        work = pathlib.Path(tempfile.mkdtemp(dir=options.work))
        bench("populate", work, persons, server.url)
        server.sql("VACUUM ANALYZE")
        for n in range(min(options.rounds, 3)):
            progress(f"ingest: PostgreSQL, round {n + 1}")
            folder = pathlib.Path(tempfile.mkdtemp(dir=options.work))
            before = server_cpu_s(server)
            run = bench("run", folder, persons, EVENTS // 2, 100 + n, server.url, cores=core)
            run["server_ns"] = (server_cpu_s(server) - before) * 1e9 / (EVENTS // 2)
            runs.append(run)
            shutil.rmtree(folder)
    return runs


def row(name, runs):
    cost = statistics.median(r["cpu_ns"] for r in runs)
    threads = {t: statistics.median(r["threads_ns"].get(t, 0) for r in runs)
               for t in sorted({t for r in runs for t in r["threads_ns"]})}
    state = sum(v for t, v in threads.items() if t.startswith("rocksdb"))
    memory = max(r["peak_rss_mb"] for r in runs)
    elapsed = statistics.median(r["events_per_s"] for r in runs)
    print(f"{name:22} {cost:9.0f} {1e9 / cost:14.0f} {elapsed:9.0f} {threads.get('pipeline', 0):10.0f} {state:12.0f} "
          f"{statistics.median(r.get('server_ns', 0) for r in runs):10.0f} {memory:9.0f}")
    return {"cpu_ns": cost, "events_per_cpu_s": 1e9 / cost, "events_per_s": elapsed,
            "threads_ns": threads,
            "server_ns": statistics.median(r.get("server_ns", 0) for r in runs),
            "peak_rss_mb": memory}


def run(options, core, progress, done_with_progress):
    sizes = (*POPULATIONS, LARGE) if options.large else POPULATIONS
    found = {n: embedded(options, core, n, progress) for n in sizes}
    databases = on_postgres(options, core, POPULATIONS[-1], progress)
    done_with_progress()
    print(f"\nIngest alone, raw log to processed log: 70 % unchanged, 20 % updates, 5 % new, 5 % "
          f"identify; medians of {options.rounds} rounds (targets: {TARGET:,} events/s, flat within "
          f"{FLAT:.0%}; PostgreSQL {TARGET_POSTGRES:,} by the clock)\n")
    print("persons                CPU ns/ev  events/s/core  by clock   pipeline   compaction  server ns   peak MB")
    report = {str(n): row(f"{n:,}", runs) for n, runs in found.items()}
    if databases:
        report["postgres"] = row(f"{POPULATIONS[-1]:,} PostgreSQL", databases)
    return report
