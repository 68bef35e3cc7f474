"""Recordings on a real S3 server: written, streamed, kept while it is away, checked by fsck."""
import pathlib
import signal
import subprocess

import s3
from harness import BIN, KEY, Penstock
from test_replay import lines, now_ms, rrweb, send, settled, snapshot


def flags(server, secret=s3.SECRET):
    return [word for pair in (
        "replay.flush_ms=100", "objects.engine=s3", "objects.s3_url=s3://recordings/of/us",
        f"objects.s3_endpoint={server.url}", f"objects.s3_access_key={s3.ACCESS}",
        f"objects.s3_secret_key={secret}", "objects.s3_encryption=AES256")
        for word in ("--set", pair)]


def test_recordings_on_s3():
    if not s3.installed():
        return s3.MISSING
    with s3.S3() as server:
        assert server.curl("PUT", "/recordings")[0] == 0
        with Penstock(*flags(server)) as p:
            begin = now_ms() - 60_000
            assert send(p, [snapshot("s-1", [rrweb(begin, n) for n in range(20)])])[0] == 200
            settled(p, 1)
            assert len(lines(p, "s-1")) == 20
            code, listed = server.curl("GET", "/recordings?list-type=2")
            assert code == 0 and listed.count(b"<Key>of/us/replay/") == 1, listed
            assert not list(pathlib.Path(p.data).glob("objects/replay/**/*.obj"))
            # Away: what comes is acknowledged and waits in the log.
            server.kill()
            assert send(p, [snapshot("s-2", [rrweb(begin, n) for n in range(30)])])[0] == 200
            assert p.ledger()["total"]["in_flight"] == 1
            p.kill()
            p.start()  # needs no object store to begin
            assert send(p, [snapshot("s-3", [rrweb(begin, n) for n in range(5)])])[0] == 200
            server.start()
            settled(p, 3)
            assert [len(lines(p, s)) for s in ("s-1", "s-2", "s-3")] == [20, 30, 5]
            assert s3.SECRET not in p.output() and s3.SECRET not in str(p.api("/api/config"))
            p.stop(signal.SIGTERM)
            done = subprocess.run([BIN, "fsck", "--data", p.data], capture_output=True, text=True, timeout=120,
                                  env={"PATH": "/usr/bin:/bin", **{
                                      "PENSTOCK_" + pair.partition("=")[0].upper().replace(".", "_"):
                                      pair.partition("=")[2] for pair in flags(server)[1::2]}})
            assert done.returncode == 0 and "3 objects can be read" in done.stdout, done.stdout + done.stderr
            assert "3 blocks of recordings are whole" in done.stdout, done.stdout


def test_wrong_s3_settings_are_refused_with_a_reason():
    if not s3.installed():
        return s3.MISSING
    with s3.S3() as server:
        server.curl("PUT", "/recordings")
        p = Penstock(*flags(server, "not-the-secret"))
        try:
            said = p.refused_start()
            assert "objects.s3_url" in said and "403" in said, said
            assert "not-the-secret" not in p.output()
        finally:
            p.close()
        done = subprocess.run([BIN, "up", "--data", "/tmp/penstock-never", "--project-key", KEY, "--set",
                               "objects.engine=s3"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 1 and "objects.s3_url" in done.stderr, done.stderr
