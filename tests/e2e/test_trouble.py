"""Ordinary bad days, on the real binary: a full disk, several shards and a kill, a second instance."""
import concurrent.futures
import json
import pathlib
import signal
import subprocess
import uuid

from harness import BIN, KEY, Penstock
import sdk


def event():
    return {"event": "e", "distinct_id": f"d{uuid.uuid4().hex[:2]}", "uuid": str(uuid.uuid4())}


def test_a_full_disk_is_503_and_doctor_says_so():
    # All of the disk is kept in reserve: to the log it is full.
    with Penstock("--set", "log.free_reserve_bytes=1099511627776") as p:
        status, _, headers = p.post("/batch/", {"api_key": KEY, "batch": [event()]})
        assert status == 503 and headers["Retry-After"], (status, dict(headers))
        code, out, err = p.cli("doctor")
        assert code == 1 and "disk" in (out + err).lower(), (code, out, err)
        assert int(p.ledger()["total"]["received"]) == 0
        p.stop()
        p.flags = ()
        p.start()  # room again
        assert p.post("/batch/", {"api_key": KEY, "batch": [event()]})[0] == 200
        sdk.balanced(p, 1)


def test_two_shards_share_a_port_and_lose_nothing_to_a_kill():
    with Penstock("--shards", "2") as p:
        acknowledged = set()

        def send(_):
            e = event()
            try:
                if p.post("/batch/", {"api_key": KEY, "batch": [e]})[0] == 200:
                    acknowledged.add(e["uuid"])
            except OSError:
                pass  # the kill
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            work = [pool.submit(send, i) for i in range(600)]
            p.eventually(lambda: len(acknowledged) > 300)
            p.stop(signal.SIGKILL)
            for w in work:
                w.result()
        threads = {}
        p.start()
        for task in (f"/proc/{p.process.pid}/task/{t}/comm" for t in
                     subprocess.run(["ls", f"/proc/{p.process.pid}/task"], capture_output=True,
                                    text=True).stdout.split()):
            name = open(task).read().strip()
            threads[name] = threads.get(name, 0) + 1
        assert any(name.startswith("capture-") for name in threads), threads
        stored = p.eventually(lambda: (lambda rows: rows if acknowledged <= rows else None)(
            {row[0] for row in p.sql("SELECT toString(uuid) FROM events")}))
        assert len(stored) == int(p.sql("SELECT count() FROM events")[0][0])
        sdk.balanced(p)


def test_a_data_directory_has_one_owner():
    with Penstock() as p:
        second = subprocess.run([BIN, "up", "--data", p.data, "--listen", "127.0.0.1:0", "--admin",
                                 "127.0.0.1:0"], capture_output=True, text=True, timeout=30)
        assert second.returncode == 1
        assert f"pid {p.process.pid}" in second.stderr, second.stderr
        assert p.get("/_readiness")[0] == 200


def test_an_address_in_use_is_said_clearly():
    with Penstock() as p:
        other = Penstock()
        try:
            done = subprocess.run([BIN, "up", "--data", other.data, "--listen", p.capture[7:],
                                   "--admin", "127.0.0.1:0"], capture_output=True, text=True,
                                  timeout=30)
            assert done.returncode == 1 and p.capture[7:] in done.stderr, done.stderr
        finally:
            other.close()


def test_stages_can_run_apart():
    """Capture alone takes events; the other stages find them when they run on the directory."""
    with Penstock("--stages", "capture,admin") as p:
        sent = [event() for _ in range(20)]
        assert p.post("/batch/", {"api_key": KEY, "batch": sent})[0] == 200
        total = p.ledger()["total"]
        assert int(total["received"]) == 20 and int(total["in_flight"]) == 20, json.dumps(total)
        p.stop()
        p.flags = ()
        p.start()
        rows = p.eventually(lambda: (lambda r: r if len(r) == 20 else None)(
            p.sql("SELECT toString(uuid) FROM events")))
        assert {row[0] for row in rows} == {e["uuid"] for e in sent}
        sdk.balanced(p, 20)


def test_public_addresses_are_refused_unless_asked_for():
    p = Penstock()
    try:
        done = subprocess.run([BIN, "up", "--data", p.data, "--listen", "0.0.0.0:0", "--admin",
                               "127.0.0.1:0"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and "allow_public_bind" in done.stderr, done.stderr
    finally:
        p.close()


def test_a_start_that_fails_halfway_says_why_and_ends_in_order():
    p = Penstock()
    try:
        for blocked in ("ledger", "persons"):
            state = pathlib.Path(p.data, "state")
            state.mkdir(exist_ok=True)
            (state / blocked).write_text("not a folder")
            done = subprocess.run([BIN, "up", "--data", p.data, "--listen", p.capture[7:], "--admin",
                                   p.admin[7:], "--project-key", KEY],
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == 1, (blocked, done.returncode, done.stderr)
            assert blocked in done.stderr, (blocked, done.stderr)
            (state / blocked).unlink()
        with p:
            assert p.post("/batch/", {"api_key": KEY, "batch": [event()]})[0] == 200
    finally:
        p.close()
