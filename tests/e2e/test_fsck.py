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
                  "properties": {"$set": {"n": i, "text": uuid.uuid4().hex * 10}}} for _ in range(25)]
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
                "state values": lambda d: flip(f := biggest(d, "state/persons/*.blob"), f.stat().st_size // 2),
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
                assert what.split()[0] in bad, (what, text)
                assert what != "state values" or ".blob: damaged at byte" in text, text
                if what == "store":  # and a running instance says so, too
                    p.start()
                    p.eventually(lambda: "BAD  The engine could not read 1 of its parts" in p.cli("doctor")[1])
                    p.stop()
                shutil.rmtree(p.data)
        finally:
            shutil.rmtree(whole + "-damaged", ignore_errors=True)
            p.data = whole


def test_fsck_knows_an_unfinished_merge_from_a_loss():
    """A part that a merge wrote and nobody synced is torn by a power loss; what it was made of is still there."""
    with Penstock() as p:
        def merged():
            assert p.post("/batch/", {"api_key": KEY, "batch": [{"event": "e", "distinct_id": "d"}]})[0] == 200
            return merges(pathlib.Path(p.data))
        p.eventually(merged, 60)
        p.eventually(lambda: p.ledger()["total"]["in_flight"] == 0)
        rows = p.ledger()["total"]["stored"]
        p.kill()
        cut(merges(pathlib.Path(p.data))[0] / "data.bin")
        bad, text = fsck(p)
        assert bad == [] and "1 parts aside that a merge had not finished" in text, text
        p.start()
        p.eventually(lambda: int(p.sql("SELECT count() FROM events")[0][0]) == rows)
        status = p.eventually(lambda: (s := p.api("/api/status")[1]["store"])["unfinished_parts"] and s)
        assert status["damaged_parts"] == 0 and status["unfinished_parts"] == 1, status


def merges(folder):
    """Parts that merges made (partition_first_last_level) and no later merge took."""
    def place(part):
        partition, first, last, level = part.name.split("_")
        return part.parent, partition, int(first), int(last), int(level)
    parts = {place(f.parent): f.parent for f in folder.glob("store/store/*/*/*_*_*_*/data.bin")
             if f.parent.name.count("_") == 3 and not f.parent.name.startswith("tmp")}

    def taken(a, b):
        return a != b and a[:2] == b[:2] and b[2] <= a[2] and a[3] <= b[3] and b[4] > a[4]
    return [path for a, path in parts.items() if a[2] < a[3] and not any(taken(a, b) for b in parts)]


def segment(folder):
    return sorted(f for f in (folder / "log/events_plugin_ingestion").glob("*.seg"))[0]


def biggest(folder, pattern):
    return max((f for f in folder.glob(pattern) if f.is_file()), key=lambda f: f.stat().st_size)


def cut(path):
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size * 2 // 3)
