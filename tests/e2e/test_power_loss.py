"""Power losses under load, on a real file system: ext4 is shut down in the middle of it, and what was
not synced is gone. The newest block of every topic and the last record of the state engines' journals
are then torn by hand, as a disk tears them that was writing the next one."""
import glob
import os
import pathlib
import random
import struct
import subprocess

from disk_load import Load, nothing_is_lost, on
from harness import BIN
from small_disk import SmallDisk

PAGE, FIRST_BLOCK = 4096, 64 << 10
BLOCK = struct.Struct("<4sIIIQQ")  # magic, checksum, bytes, flags, epoch, number


def end_of(segment):
    """Where the next block goes, and the header of the last one."""
    at, last = FIRST_BLOCK, None
    with open(segment, "rb") as f:
        while True:
            f.seek(at)
            head = f.read(BLOCK.size)
            if len(head) < BLOCK.size or head[:4] != b"PBLK":
                return at, last
            block = BLOCK.unpack(head)
            if last is not None and (block[4], block[5]) != (last[4], last[5] + 1):
                return at, last
            at, last = at + -(-block[2] // PAGE) * PAGE, block


def tear_segment(segment, luck):
    """A next block of which some sectors came through, and what lies behind them."""
    at, last = end_of(segment)
    if last is None or at + 4 * PAGE > os.path.getsize(segment):
        return False
    head = BLOCK.pack(b"PBLK", luck.getrandbits(32), 3 * PAGE - 100, 0, last[4], last[5] + 1)
    page = head + luck.randbytes(PAGE - len(head))
    pages = luck.choice([[page], [page, luck.randbytes(PAGE)], [luck.randbytes(PAGE), bytes(PAGE), page],
                         [page[:512] + bytes(PAGE - 512), luck.randbytes(PAGE)]])
    with open(segment, "r+b") as f:
        f.seek(at)
        f.write(b"".join(pages))
    return True


def tear_journal(journal, luck):
    """RocksDB's: a record that says it is longer than what is there."""
    with open(journal, "ab") as f:
        f.write(struct.pack("<IHB", luck.getrandbits(32), 900, 1) + luck.randbytes(luck.randrange(1, 300)))


def tear(data, luck):
    torn = 0
    for topic in glob.glob(data + "/log/*/"):
        segments = sorted(glob.glob(topic + "*.seg"))
        torn += bool(segments) and tear_segment(segments[-1], luck)
    for state in glob.glob(data + "/state/*/"):
        journals = sorted(glob.glob(state + "*.log"))
        if journals:
            tear_journal(journals[-1], luck)
    return torn


def looks_whole(p):
    """What never ended is no damage: torn blocks, half records, parts that a merge was writing."""
    done = subprocess.run([BIN, "fsck", "--data", p.data], capture_output=True, text=True, timeout=120)
    bad = [line for line in done.stdout.splitlines() if line.startswith("BAD")]
    assert not bad, done.stdout


def test_power_losses_under_load_lose_nothing():
    with SmallDisk(1500) as disk:
        if disk.missing:
            return disk.missing
        luck = random.Random(int(os.environ.get("PENSTOCK_SEED", "1")))
        acknowledged, p = set(), on(disk)
        try:
            p.start()
            for life in range(5):
                load = Load(p)
                p.eventually(lambda: load.seen(200) > luck.randrange(5, 40))
                cut = disk.cut_power()
                if cut:
                    known = set(load.acknowledged)
                    p.eventually(lambda: load.seen(503) + load.seen("no answer") > 2, 20)
                # It may have ended by itself: the state engine's library asserts that a journal can
                # be written (writable_file_writer.h); that too is a death like any other.
                p.kill()
                p.asked = True
                load.stop()
                if not cut:
                    return disk.missing
                assert known, load.statuses
                acknowledged |= load.acknowledged
                disk.mount_again()
                if life % 2 == 0:
                    assert tear(p.data, luck) >= 2, "no segment was torn"
                    looks_whole(p)
                p.start()
                nothing_is_lost(p, acknowledged, all_parts_whole=False)
            p.stop()
            looks_whole(p)
        finally:
            p.close()


def test_a_torn_block_that_others_follow_is_told_and_is_no_power_loss():
    """The same bytes in the middle are no power loss, and nobody may take them for one."""
    with SmallDisk(600) as disk:
        if disk.missing:
            return disk.missing
        p = on(disk)
        try:
            p.start()
            load = Load(p)
            p.eventually(lambda: load.seen(200) > 30)
            load.stop()
            nothing_is_lost(p, load.acknowledged)
            p.stop()
            segment = sorted(glob.glob(p.data + "/log/processed/*.seg"))[-1]
            with open(segment, "r+b") as f:
                f.seek(FIRST_BLOCK + 512)
                f.write(random.Random(1).randbytes(512))
            said = p.refused_start()
            assert pathlib.Path(segment).name in said and "penstock log repair" in said, said
        finally:
            p.close()
