"""fsck reads everything, says that all is whole, and finds what was damaged."""
import json
import pathlib
import shutil
import subprocess
import time
import uuid

from harness import BIN, KEY, Penstock, flip


def fsck(p):
    done = subprocess.run([BIN, "fsck", "--data", p.data, "--json"], capture_output=True, text=True,
                          timeout=120)
    answer = json.loads(done.stdout)
    bad = [f["id"] for f in answer["findings"] if f["verdict"] == "bad"]
    assert done.returncode == (1 if bad else 0), done
    return bad, done.stdout


def filled(p):
    for i in range(20):
        batch = [{"event": f"e{i}", "distinct_id": f"d{i}", "uuid": str(uuid.uuid4()),
                  "properties": {"$set": {"n": i}}} for _ in range(25)]
        assert p.post("/batch/", {"api_key": KEY, "batch": batch})[0] == 200
        assert p.post("/batch/", {"api_key": KEY, "batch": batch[:3]})[0] == 200
    body = [{"event": "$snapshot", "uuid": str(uuid.uuid4()), "properties": {
        "token": KEY, "distinct_id": "d", "$session_id": str(uuid.uuid4()),
        "$snapshot_data": [{"type": 5, "timestamp": int(time.time() * 1000), "data": {"tag": "t", "payload": "x" * 500}}]}}]
    assert p.post("/s/", body)[0] == 200
    p.eventually(lambda: (t := p.ledger()["total"])["in_flight"] == 0 and t["received"] == 561)
    assert p.ledger()["total"]["stored"] == 501, p.ledger()["total"]


def test_fsck_of_a_whole_directory_and_of_damaged_ones():
    with Penstock("--set", "replay.flush_ms=50") as p:
        filled(p)
        bad, text = fsck(p)
        assert bad == ["in_use"], text
        p.kill()
        bad, text = fsck(p)
        assert bad == [] and "equals the log, counted anew" in text and "1 objects can be read" in text, text
        done = p.cli("fsck")
        assert done[0] == 0 and "Everything is whole." in done[1], done
        whole = p.data
        try:
            damages = {
                "log": lambda d: flip(s := segment(d), s.read_bytes().index(b'"event"')),
                "state": lambda d: flip(f := biggest(d, "state/persons/*.sst"), f.stat().st_size // 3),
                "catalog": lambda d: flip(d / "catalog.db", 100),
                "objects": lambda d: cut(biggest(d, "objects/**/*.obj")),
                "store": lambda d: cut(biggest(d, "store/store/*/*/*/data.bin")),
            }
            p.start()  # and stopped in order, so that what was in memory is in files
            p.stop()
            for what, damage in damages.items():
                p.data = whole + "-damaged"
                shutil.copytree(whole, p.data, symlinks=True)
                damage(pathlib.Path(p.data))
                bad, text = fsck(p)
                assert what in bad, (what, text)
                if what == "store":  # and a running instance says so, too
                    p.start()
                    p.eventually(lambda: "BAD  The engine could not read 1 of its parts" in p.cli("doctor")[1])
                    p.stop()
                shutil.rmtree(p.data)
        finally:
            shutil.rmtree(whole + "-damaged", ignore_errors=True)
            p.data = whole


def segment(folder):
    return sorted(f for f in (folder / "log/events_plugin_ingestion").glob("*.seg"))[0]


def biggest(folder, pattern):
    return max((f for f in folder.glob(pattern) if f.is_file()), key=lambda f: f.stat().st_size)


def cut(path):
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size * 2 // 3)
