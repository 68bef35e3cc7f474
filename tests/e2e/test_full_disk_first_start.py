"""A disk that is full while the store makes its tables, at the very first start: it waits, says so,
makes them when there is room, and knows them again at the next start."""
import os
import time
import uuid

from disk_load import nothing_is_lost, on
from harness import KEY
from small_disk import SmallDisk

# Files and folders of the store when the disk is filled; about 230 when all is made.
MOMENTS = (5, 60, 110, 150, 180)


def entries(folder):
    return sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


def test_a_disk_that_is_full_while_tables_are_made_heals():
    with SmallDisk(1200) as disk:
        if disk.missing:
            return disk.missing
        met = 0
        for moment in MOMENTS:
            p = on(disk)
            # Given up, the reserve would have room for the tables: here there is none.
            p.flags += ("--set", "process.reserved_bytes=0")
            try:
                p.start()
                while entries(f"{p.data}/store") < moment:
                    time.sleep(0.001)
                disk.fill()
                time.sleep(2)  # the engine meets it, ends, and is started again
                met += not p.api("/api/status")[1]["store"]["ready"]
                assert p.process.poll() is None, p.output()[-1000:]
                disk.empty()
                late = str(uuid.uuid4())
                p.eventually(lambda: p.post("/batch/", {"api_key": KEY, "batch": [
                    {"event": "e", "distinct_id": "d", "uuid": late}]})[0] == 200)
                nothing_is_lost(p, {late})
                p.stop()
                p.start()
                nothing_is_lost(p, {late})
            finally:
                p.close()
        assert met >= 1, "the disk was full too late at every start"
