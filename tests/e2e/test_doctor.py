"""The doctor finds what was broken on purpose, and nothing else."""
import json
import os
import pathlib
import socket
import subprocess
import uuid

from harness import BIN, KEY, Penstock
import postgres


def event(**more):
    return {"event": "e", "distinct_id": "d", "uuid": str(uuid.uuid4()), **more}


def send(p, *events, key=KEY):
    return p.post("/batch/", {"api_key": key, "batch": list(events)})[0]


def found(p, *words):
    """Ids of what is bad, of what is worth a note, and all that was said."""
    done = subprocess.run([BIN, "doctor", "--data", p.data, "--json", *words], capture_output=True,
                          text=True, timeout=60)
    answer = json.loads(done.stdout)
    ids = {v: [f["id"] for f in answer["findings"] if f["verdict"] == v] for v in ("bad", "note")}
    assert done.returncode == (1 if ids["bad"] else 0) and answer["well"] == (not ids["bad"]), answer
    for f in answer["findings"]:
        assert f["verdict"] == "good" or f["todo"], f
        assert not f["runbook"] or (pathlib.Path(__file__).parents[2] / "docs/runbooks" / f["runbook"]).exists(), f
    return ids["bad"], ids["note"], json.dumps(answer)


def settled(p):
    """The engine takes a moment to start, which is worth a note."""
    p.eventually(lambda: "store_starting" not in found(p)[1])


def diagnosed(p, wanted, says=""):
    """Waits for it: some faults take a moment until they are felt."""
    p.eventually(lambda: found(p)[0] == [wanted])
    text = found(p)[2]
    assert says in text, text


def test_a_well_instance_is_well():
    with Penstock() as p:
        assert send(p, event()) == 200
        p.eventually(lambda: p.ledger()["total"]["stored"] == 1)
        bad, notes, text = found(p)
        assert bad == [] and notes == [], text
        code, out, _ = p.cli("doctor")
        assert code == 0 and "Nothing keeps events from being visible." in out, out


def test_nothing_was_sent():
    with Penstock() as p:
        settled(p)
        bad, notes, _ = found(p)
        assert bad == [] and "nothing_received" in notes and "loopback_only" in notes, notes


def test_events_of_an_unknown_key():
    with Penstock() as p:
        assert send(p, event()) == 200 and send(p, event(), key="phc_typo") == 200
        diagnosed(p, "unknown_token", "phc_typo")


def test_requests_that_are_refused():
    with Penstock() as p:
        assert send(p, event()) == 200
        settled(p)
        assert send(p, {"event": "e"}) == 400
        p.eventually(lambda: found(p)[0])
        bad, _, text = found(p)
        assert bad == ["refused_missing_distinct_id"], text


def test_events_that_are_dropped():
    with Penstock() as p:
        assert p.api("/api/projects/1/settings/ingestion",
                     {"drop_events_older_than_seconds": 3600}, "PUT")[0] == 200
        assert send(p, event(timestamp="2020-01-01T00:00:00Z")) == 200
        p.eventually(lambda: any(b.startswith("dropped_") for b in found(p)[0]))
        assert len(found(p)[0]) == 1, found(p)


def test_a_sender_that_repeats_one_uuid():
    with Penstock() as p:
        same = event()
        for _ in range(9):
            assert send(p, same) == 200
        diagnosed(p, "mostly_repeats")


def test_a_sender_whose_clock_is_wrong():
    with Penstock() as p:
        assert send(p, event(timestamp="2021-05-05T00:00:00Z")) == 200
        p.eventually(lambda: "other_times" in found(p)[1])
        assert found(p)[0] == []


def test_a_stage_that_does_not_run():
    with Penstock("--stages", "capture,ingest,admin") as p:
        assert send(p, event()) == 200
        diagnosed(p, "load_not_run", "process.stages")


def test_a_full_disk_and_a_dead_engine():
    with Penstock("--set", "log.free_reserve_bytes=1099511627776") as p:
        assert send(p, event()) == 503
        diagnosed(p, "disk_full", "503")
        p.stop()
        p.flags = ("--set", "store.library=/no/such/libchdb.so")
        p.start()
        assert send(p, event()) == 200
        diagnosed(p, "store_down")


def test_a_postgres_that_is_away():
    if not postgres.installed():
        return postgres.MISSING
    with postgres.Postgres() as server:
        p = Penstock("--set", "persons.engine=postgres", "--set", f"persons.postgres_url={server.url}")
        try:
            p.start()
            assert send(p, event()) == 200
            p.eventually(lambda: p.ledger()["total"]["stored"] == 1)
            server.stop()
            assert send(p, event()) == 200
            diagnosed(p, "postgres_down")
        finally:
            p.close()


def test_a_process_that_died_or_was_never_started():
    with Penstock() as p:
        assert send(p, event()) == 200
        p.kill()
        assert found(p)[0] == ["died"]
        p.start()
        p.stop()
        assert found(p)[0] == ["stopped"]
        with open(p.data + "/penstock.toml", "w") as out:
            out.write("[capture]\nnonsense = 3\n")
        bad, _, text = found(p)
        assert bad == ["stopped", "bad_configuration"] and "penstock.toml" in text, text
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with open(p.data + "/penstock.toml", "w") as out:
                out.write(f'[capture]\nlisten = "127.0.0.1:{taken.getsockname()[1]}"\n'
                          f'[store]\nlibrary = "/no/such/libchdb.so"\n')
            assert found(p)[0] == ["stopped", "address_in_use", "no_engine"]
        os.unlink(p.data + "/penstock.toml")
        p.data, kept = "/no/such/directory", p.data
        assert found(p)[0] == ["no_directory"]
        p.data = kept


def test_a_damaged_log():
    with Penstock() as p:
        for _ in range(20):
            assert send(p, *[event() for _ in range(20)]) == 200
        p.eventually(lambda: p.ledger()["total"]["stored"] == 400)
        p.stop()
        segment = sorted(f for f in pathlib.Path(p.data, "log/events_plugin_ingestion").iterdir()
                         if not f.name.startswith("spare"))[0]
        at = segment.read_bytes().index(b'"event"')
        with open(segment, "r+b") as file:
            file.seek(at)
            file.write(b"X")
        bad, _, text = found(p)
        assert bad == ["stopped", "log_damaged"] and segment.name in text, text
