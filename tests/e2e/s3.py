"""A SeaweedFS for end-to-end tests: an S3 server with a directory of its own, on loopback."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from harness import PATIENCE, free_port

WEED = os.environ.get("PENSTOCK_WEED", "")
BEFORE = os.environ.get("PENSTOCK_WEED_BEFORE", "")  # an older version
MISSING = "SeaweedFS is not installed: tools/setup --test"
ACCESS, SECRET = "AKIDTEST12345678", "a-secret-of-the-tests"


def installed():
    """Whether it is there; where it has to be (continuous integration) its absence is an error."""
    found = bool(WEED) and pathlib.Path(WEED).exists()
    if not found and (os.environ.get("CI") or os.environ.get("PENSTOCK_REQUIRE_SERVERS")):
        raise AssertionError(MISSING)
    return found


class S3:
    def __init__(self, place=None, weed=WEED):
        """`place`: the folder its directory lies in, for a disk of its own. `weed`: its version; it may be another
        one at its next start."""
        self.weed = weed
        self.directory = tempfile.mkdtemp(prefix="penstock-s3-", dir=place)
        self.know(SECRET)
        self.ports, self.process = [free_port() for _ in range(8)], None
        self.url = f"http://127.0.0.1:{self.ports[0]}"

    def know(self, secret):
        """From its next start on that is the secret of its one key."""
        self.secret = secret
        pathlib.Path(self.directory, "s3.json").write_text(json.dumps({"identities": [{
            "name": "t", "credentials": [{"accessKey": ACCESS, "secretKey": secret}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}))

    def start(self):
        names = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port",
                 "volume.port.grpc", "filer.port", "filer.port.grpc")
        log = open(os.path.join(self.directory, "log"), "ab")
        self.process = subprocess.Popen(
            [self.weed, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=.", "-filer", "-s3",
             "-s3.port.iceberg=0", *(() if self.weed == BEFORE else ("-s3.port.lance=0",)),  # the older has no such port
             "-s3.config=s3.json", "-master.telemetry=false", "-volume.max=100",
             "-master.volumeSizeLimitMB=64", *(f"-{n}={p}" for n, p in zip(names, self.ports))],
            cwd=self.directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            env={**os.environ, "WEED_S3_SSE_KEY": "of-the-tests", "WEED_JWT_FILER_SIGNING_KEY": "of-the-tests"})
        deadline = time.monotonic() + 60 * PATIENCE
        while time.monotonic() < deadline:
            if self.curl("PUT", "/ready/probe")[0] == 0:
                return self
            assert self.process.poll() is None, pathlib.Path(self.directory, "log").read_text()[-500:]
            time.sleep(0.1)
        raise AssertionError("SeaweedFS did not start: " +
                             pathlib.Path(self.directory, "log").read_text()[-500:])

    def curl(self, method, path):
        """(exit code, body) of a request by a client that is not ours."""
        done = subprocess.run(
            ["curl", "-sf", "-X", method, "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
             f"{ACCESS}:{self.secret}", self.url + path], capture_output=True)
        return done.returncode, done.stdout

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
