"""A disk that strangers fill to the last byte, under load: 503, nothing lost, nothing damaged, and it
goes on by itself when there is room. On a real file system of its own."""
import pathlib
import subprocess
import time
import uuid

from disk_load import Load, nothing_is_lost, on
from harness import BIN, KEY, Penstock
from small_disk import SmallDisk


def test_a_disk_that_is_filled_under_load_loses_nothing():
    with SmallDisk(2000) as disk:
        if disk.missing:
            return disk.missing
        p = on(disk)
        try:
            p.start()
            load = Load(p)
            p.eventually(lambda: load.seen(200) > 30)
            for _ in range(3):
                before = load.seen(503)
                disk.fill()
                p.eventually(lambda: load.seen(503) > before + 5)
                time.sleep(2)  # every part of it meets the full disk
                assert p.process.poll() is None, p.output()[-1000:]
                assert p.get("/_liveness")[0] == 200
                answered = load.seen(200)
                disk.empty()
                p.eventually(lambda: load.seen(200) > answered + 20)
            load.stop()
            assert set(load.statuses) == {200, 503}, load.statuses
            nothing_is_lost(p, load.acknowledged)
            p.stop()
            p.start()  # the engine reads every part anew
            nothing_is_lost(p, load.acknowledged)
        finally:
            p.close()


def test_on_a_full_disk_it_stops_is_killed_and_starts():
    with SmallDisk(1200) as disk:
        if disk.missing:
            return disk.missing
        p = on(disk)
        try:
            p.start()
            p.eventually(lambda: pathlib.Path(p.data, "reserve").exists())
            load = Load(p, 2)
            p.eventually(lambda: load.seen(200) > 20)
            disk.fill()
            p.eventually(lambda: load.seen(503) > 3)
            load.stop()
            began = time.monotonic()
            p.stop()
            assert "Stopped." in p.output() and time.monotonic() - began < 20, p.output()[-500:]
            p.start()  # with what it had reserved
            assert p.get("/_readiness")[0] == 200 and not pathlib.Path(p.data, "reserve").exists()
            assert p.post("/batch/", {"api_key": KEY, "batch": [{"event": "e", "distinct_id": "d"}]})[0] == 503
            p.kill()
            p.start()
            disk.empty()
            late = str(uuid.uuid4())
            p.eventually(lambda: p.post("/batch/", {"api_key": KEY, "batch": [
                {"event": "e", "distinct_id": "d", "uuid": late}]})[0] == 200)
            nothing_is_lost(p, load.acknowledged | {late})
            p.eventually(lambda: pathlib.Path(p.data, "reserve").exists())
        finally:
            p.close()


def test_a_start_without_any_room_says_what_to_do():
    with SmallDisk(400) as disk:
        if disk.missing:
            return disk.missing
        p = on(disk)
        try:
            disk.fill()
            said = p.refused_start()
            assert "penstock ended" in said and "Assertion" not in said, said
            assert "disk is full: make room" in said or "No space left" in said, said
            disk.empty()
            p.start()
            assert p.post("/batch/", {"api_key": KEY, "batch": [{"event": "e", "distinct_id": "d"}]})[0] in (200, 503)
        finally:
            p.close()


def test_output_that_cannot_be_written_ends_nothing():
    """A log file on a full disk is no reason to die, nor to hide how a command ended."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BIN, "up", "--data", "/proc/nowhere"], stdout=full, stderr=full, timeout=30)
        assert done.returncode == 1, done.returncode
        done = subprocess.run([BIN, "up", "--help"], stdout=full, stderr=full, timeout=30)
        assert done.returncode >= 0, done.returncode
    p = Penstock()
    p.log, p.output = "/dev/full", lambda: ""  # reading it never ends
    try:
        p.start()
        assert p.post("/batch/", {"api_key": KEY, "batch": [{"event": "e", "distinct_id": "d"}]})[0] == 200
        p.eventually(lambda: p.sql("SELECT count() FROM events") == [["1"]])
        p.stop()
        assert p.process.returncode == 0, p.process.returncode
    finally:
        p.close()
