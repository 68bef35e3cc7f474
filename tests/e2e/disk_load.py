"""Clients under whom a disk fails, and what must be true when it is well again."""
import os
import pathlib
import shutil
import threading
import time
import uuid

from harness import KEY, Penstock


class Load:
    """Clients that send until they are stopped, and note what was acknowledged."""

    def __init__(self, penstock, clients=3):
        self.penstock, self.acknowledged, self.statuses = penstock, set(), {}
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.send) for _ in range(clients)]
        for t in self.threads:
            t.start()

    def send(self):
        while not self.stopping.is_set():
            events = [{"event": "e", "distinct_id": f"d{os.urandom(1).hex()}", "uuid": str(uuid.uuid4()),
                       "properties": {"$set": {"a": os.urandom(100).hex()}, "x": os.urandom(500).hex()}}
                      for _ in range(50)]
            try:
                status, _, headers = self.penstock.post("/batch/", {"api_key": KEY, "batch": events})
            except OSError:
                status = "no answer"
            with self.lock:
                self.statuses[status] = self.statuses.get(status, 0) + 1
                if status == 200:
                    self.acknowledged.update(e["uuid"] for e in events)
                elif status == 503:
                    assert headers["Retry-After"], dict(headers)
            time.sleep(0.02 if status == 200 else 0.1)

    def seen(self, status):
        with self.lock:
            return self.statuses.get(status, 0)

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()


def on(disk):
    p = Penstock("--set", "log.segment_bytes=33554432")
    shutil.rmtree(p.data)
    p.data = str(disk.path / "data")
    os.mkdir(p.data)
    return p


def rests(p):
    books = p.ledger()
    return books["total"]["in_flight"] == 0 and books["balance"]["balanced"]


def nothing_is_lost(p, acknowledged, all_parts_whole=True):
    p.eventually(lambda: rests(p), 90)
    stored = [row[0] for digit in "0123456789abcdef" for row in
              p.sql(f"SELECT toString(uuid) FROM events WHERE endsWith(toString(uuid), '{digit}')")]
    assert len(stored) == len(set(stored)), "an event is stored twice"
    assert acknowledged <= set(stored), f"{len(acknowledged - set(stored))} acknowledged events are lost"
    assert p.ledger()["total"]["stored"] == len(stored)
    broken = [str(f) for f in pathlib.Path(p.data).glob("store/store/*/*/detached/broken*")]
    assert not broken or not all_parts_whole, broken
