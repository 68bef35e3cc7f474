"""Parts of the bench about the edge's growth: with load, with shards, with idle connections."""
import concurrent.futures
import resource
import socket
import statistics
import time

import rig

LOW_REQUESTS_PER_S = 100
IDLE_CONNECTIONS = 10_000
IDLE_BYTES_MAX = 8192
SCALING_MIN = 1.8


def paced(options, server, client, rates, connections, progress):
    """Open loop at half of what the closed loop reached, and at hardly any load:
    {shape: {"half": …, "low": …}}, medians of the rounds."""
    out = {}
    for shape, rate in rates.items():
        out[shape] = {}
        for name, wanted in (("half", rate / 2), ("low", LOW_REQUESTS_PER_S)):
            runs = []
            for number in range(options.rounds):
                progress(f"capture: {shape} at {name} load, round {number + 1}")
                subject = rig.Penstock(options.work, server, "--stages", "capture")
                try:
                    runs.append(rig.load(
                        subject.port, options.sets / f"{shape}.req", client, subject.pids,
                        connections[shape], options.seconds, rate=wanted))
                finally:
                    subject.close()
            out[shape][name] = {key: statistics.median(r[key] for r in runs)
                                for key in ("p50_us", "p99_us")}
    return out


def loads(generators, *arguments, **options):
    """Several load generators at once; all events they had accepted."""
    with concurrent.futures.ThreadPoolExecutor(generators) as pool:
        running = [pool.submit(rig.load, *arguments, **options) for _ in range(generators)]
        results = [r.result() for r in running]
    return sum(r["events_per_s"] * r["seconds"] for r in results)


def shards(options, connections, progress, done):
    """From one shard to two: CPU per event, all threads and the busiest alone."""
    total, busiest = {}, {}
    for number in range(options.rounds):
        for shape in ("a", "b"):
            for count in (1, 2):
                progress(f"shards: round {number + 1}, {count}, {shape}")
                subject = rig.Penstock(options.work, None, "--stages", "capture", "--shards",
                                       str(count))
                try:
                    before = rig.thread_cpu_s(subject.process.pid)
                    # A generator for each shard: one alone is busy before two shards are, and an
                    # event of a smaller turn costs more, whatever the number of shards. Enough
                    # connections that the kernel spreads them evenly.
                    events = loads(count, subject.port, options.sets / f"{shape}.req", None,
                                   connections=max(connections[shape], 128),
                                   seconds=options.seconds, warm=0.0)
                    after = rig.thread_cpu_s(subject.process.pid)
                finally:
                    subject.close()
                used = [(cpu - before.get(name, 0)) * 1e6 / events for name, cpu in after.items()]
                total.setdefault((shape, count), []).append(sum(used))
                busiest.setdefault((shape, count), []).append(max(used))
    done()
    print("\nFrom one shard to two, by CPU time "
          f"(target: at least {SCALING_MIN}x)\n\n"
          "shape   all threads us/ev, 1 -> 2   busiest thread us/ev, 1 -> 2   scaling by CPU   "
          "by the busiest thread")
    report = {}
    for shape in ("a", "b"):
        one, two = (statistics.median(total[shape, n]) for n in (1, 2))
        first, second = (statistics.median(busiest[shape, n]) for n in (1, 2))
        report[shape] = {"cpu_us": [one, two], "busiest_us": [first, second],
                         "scaling": 2 * one / two, "scaling_busiest": first / second}
        print(f"{shape:5} {one:16.2f} -> {two:<10.2f} {first:16.2f} -> {second:<10.2f} "
              f"{2 * one / two:13.2f}x {first / second:18.2f}x")
    return report


def idle_connections(options, progress, done):
    """Memory of connections that have sent one request and keep silent."""
    progress(f"connections: {IDLE_CONNECTIONS} idle")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE_CONNECTIONS + 256
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise rig.BenchError(f"this machine allows {hard} open files; {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    subject = rig.Penstock(options.work, None, "--stages", "capture")
    sockets = []
    request = (b"POST /i/v0/e/ HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
               b"Content-Length: %d\r\n\r\n%b")
    body = (b'{"api_key":"%b","event":"idle","distinct_id":"bench","properties":{"text":"%b"}}'
            % (rig.KEY.encode(), b"x" * 1000))
    message = request % (len(body), body)
    try:
        # A few first, so that what is made once is not counted.
        for _ in range(100):
            ask(subject.port, message, sockets)
        time.sleep(1)
        before = rig.resident_bytes(subject.process.pid)
        for _ in range(IDLE_CONNECTIONS):
            ask(subject.port, message, sockets)
        time.sleep(2)
        per_connection = (rig.resident_bytes(subject.process.pid) - before) / IDLE_CONNECTIONS
    finally:
        for s in sockets:
            s.close()
        subject.close()
    done()
    print(f"\nIdle connections: {per_connection:.0f} B of memory each, over {IDLE_CONNECTIONS} that "
          f"have sent an event (target: under {IDLE_BYTES_MAX})")
    return {"bytes_per_connection": per_connection, "connections": IDLE_CONNECTIONS}


def ask(port, message, sockets):
    s = socket.create_connection(("127.0.0.1", port))
    sockets.append(s)
    s.sendall(message)
    if b" 200 " not in s.recv(512):
        raise rig.BenchError("an event was not accepted")
