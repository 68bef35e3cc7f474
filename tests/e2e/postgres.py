"""A PostgreSQL 15 for end-to-end tests and the bench, with a directory of its own, on loopback."""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from harness import free_port

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
MISSING = "PostgreSQL 15 is not installed: tools/setup --test"


def installed():
    """Whether it is there; where it has to be (continuous integration) its absence is an error."""
    found = (BIN / "postgres").exists()
    if not found and (os.environ.get("CI") or os.environ.get("PENSTOCK_REQUIRE_SERVERS")):
        raise AssertionError(MISSING)
    return found


class Postgres:
    def __init__(self, *options, place=None):
        """`place`: the folder its directory lies in, for a disk of its own."""
        # PostgreSQL refuses to run as root.
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} \
            if os.geteuid() == 0 else {}
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="penstock-postgres-", dir=place))
        if self.user:
            owner = pwd.getpwnam("postgres")
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
        self.port, self.process, self.options = free_port(), None, options
        subprocess.run([BIN / "initdb", "-D", self.directory / "data", "-U", "postgres", "-A", "trust",
                        "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"],
                       check=True, stdout=subprocess.DEVNULL, cwd=self.directory, **self.user)

    @property
    def url(self):
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self):
        log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen(
            [BIN / "postgres", "-D", self.directory / "data", "-p", str(self.port), "-k",
             self.directory, "-c", "listen_addresses=127.0.0.1",
             *(word for option in self.options for word in ("-c", option))],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.directory, **self.user)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if subprocess.run([BIN / "pg_isready", "-q", "-h", "127.0.0.1", "-p",
                               str(self.port)]).returncode == 0:
                return self
            time.sleep(0.05)
        raise AssertionError("PostgreSQL did not start: " +
                             (self.directory / "log").read_text()[-500:])

    def stop(self, how=signal.SIGQUIT):
        """SIGQUIT: at once, as a power failure; SIGINT: an orderly restart."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)

    def sql(self, text):
        """Rows as lists of strings."""
        done = subprocess.run([BIN / "psql", self.url, "-qAtF\t", "-v", "ON_ERROR_STOP=1", "-c",
                               text], capture_output=True, text=True, check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def pids(self):
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
                                  capture_output=True, text=True).stdout.split()
        return [self.process.pid, *map(int, children)]

    def close(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()
