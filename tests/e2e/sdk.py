"""Drives released PostHog SDKs with a plan, and compares what SQL answers with it.

A plan is JSON: host, key, batch (events per request), gzip, encoding (another than gzip, or null),
historical, retries, pace_ms (pause after every event), immediate (the call that returns when the event
is delivered, if the SDK has one), mode (v0, or v1 for Capture V1), ai (by the SDK's own call for
AI events), events [{event, distinct_id, uuid, timestamp, properties, groups}] and calls, which are
whatever else the SDK can do: {call: set, distinct_id, set, set_once}, {call: alias, distinct_id,
alias}, {call: group, type, key, set}, {call: exception, distinct_id, message, place}. A driver sends
all of it with its SDK, waits until the SDK says that it is delivered, and prints {errors, version}.
"""
import contextlib
import dataclasses
import datetime
import fcntl
import functools
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time
import traceback
import uuid

HERE = pathlib.Path(__file__).resolve().parent
# A request's sent_at moves its events by what the client's clock seems to be off, and the time on the
# way is part of that (capture contract, section 4); a repeated request keeps its first sent_at.
SKEW_MS_MAX = 30_000
DRIVER_SECONDS = 180
ADDED_BY_ALL = {"$lib", "$lib_version", "$ip", "$groups"}
GROUP_COLUMNS = {f"$group_{n}" for n in range(5)}  # what ingest makes of $groups, by the type of group


@dataclasses.dataclass(frozen=True)
class Sdk:
    """What a released SDK is called and can do. `added`: the properties that it and Penstock add;
    everything else must have been sent."""
    library: str
    added: frozenset = frozenset()
    calls: int = 4             # events that CALLS of test_sdk_servers become; without exceptions, 3
    gzip: str = "asked"        # or "always", or "never"
    sent_at: bool = True       # so its events are moved by what its clock seems to be off
    historical: bool = True
    nulls: bool = True         # or leaves out whatever is null
    wide: bool = True          # integers beyond 2^53
    set_once: bool = True
    reconnects: bool = True    # or loses what it was sending when a connection fails
    set_as: tuple = ("$identify",)


SDKS = {
    "node": Sdk("posthog-node", frozenset({"$is_server", "$geoip_disable", "$sent_at"}), wide=False),
    "python": Sdk("posthog-python", frozenset({
        "$is_server", "$geoip_disable", "$sent_at", "$python_runtime", "$python_version", "$os",
        "$os_version", "$os_distro"}), calls=5, set_as=("$set", "$set_once")),
    "go": Sdk("posthog-go", calls=3, gzip="never", sent_at=False, set_once=False),
    "rs": Sdk("posthog-rs", frozenset({
        "$is_server", "$sent_at", "$os", "$os_version", "$lib_version__major",
        "$lib_version__minor", "$lib_version__patch"}), set_as=("$set",)),
    "java": Sdk("posthog-server", frozenset({"$sent_at"}), gzip="always", historical=False,
                nulls=False, reconnects=False),
}
BY_LIBRARY = {one.library: one for one in SDKS.values()}

# JSON numbers that a double cannot hold, for the languages that have them.
WIDE_PROPERTIES = {"int64": 9223372036854775807, "below": -9223372036854775808,
                   "uint64": 18446744073709551615}
# Values that pipelines tend to bend.
ODD_PROPERTIES = {
    "text": "plain", "empty": "", "emoji": "naïve café 👩‍🚀 \u2028 end", "quotes": "a \"b\" \\ c / d",
    "controls": "tab\tnewline\nreturn\r", "html": "<script>alert('x')</script>", "zero": 0,
    "negative": -17, "big": 9007199254740991, "small": 1e-7, "float": 3.141592653589793,
    "yes": True, "no": False, "nothing": None, "list": [1, "two", [3.5, None], {"four": 4}],
    "nested": {"a": {"b": {"c": ["deep"]}}, "ключ": "значение"}, "spaced key": "kept",
    "$special_looking": "kept too",
}


def without_nulls(value):
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value if v is not None]
    return value


def odd_properties(name):
    """ODD_PROPERTIES as far as the SDK's language and the SDK have such values."""
    odd = {**ODD_PROPERTIES, **(WIDE_PROPERTIES if SDKS[name].wide else {})}
    return odd if SDKS[name].nulls else without_nulls(odd)


def jars():
    return f"{os.environ['PENSTOCK_E2E_JARS']}/*"


threads_build = threading.Lock()


@contextlib.contextmanager
def builds():
    """One at a time, also among the processes that run test files side by side."""
    folder = HERE.parents[1] / "build"
    folder.mkdir(exist_ok=True)
    with threads_build, open(folder / "e2e.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@functools.cache
def built(sdk, *features):
    """The driver's binary; what the SDK is made of was built before, by tools/setup."""
    binary = HERE.parents[1] / "build" / "-".join(["e2e", sdk, *features])
    binary.parent.mkdir(exist_ok=True)
    if sdk == "go":
        subprocess.run(["go", "build", "-o", binary, "."], cwd=HERE / "go", check=True,
                       env={**os.environ, "GOFLAGS": "-mod=readonly"})
        return binary
    if sdk == "java":
        subprocess.run(["javac", "-Xlint:-deprecation", "-XDsuppressNotes", "-cp", jars(), "-d",
                        binary, HERE / "java/Drive.java"], check=True)
        return binary
    target = pathlib.Path(os.environ["PENSTOCK_CACHE"], "e2e-rs")
    subprocess.run(["/usr/bin/cargo", "build", "--quiet", "--locked", "--offline", "--target-dir",
                    target, "--features", ",".join(features)], cwd=HERE / "rs", check=True)
    return shutil.copy(target / "debug/penstock-e2e", binary)


def command(sdk, mode="v0"):
    if sdk == "node":
        return ["node", HERE / "node/drive.mjs"]
    if sdk == "python":
        return [os.environ["PENSTOCK_E2E_PYTHON"], HERE / "python/drive.py"]
    if sdk.startswith("java"):
        with builds():
            classes = f"{built('java')}:{jars()}"
        return ["java", "-XX:TieredStopAtLevel=1", "-cp", classes, "Drive", *sdk.split("-")[1:]]
    with builds():
        return [built(sdk, *([mode] if mode != "v0" else []))]


def make_event(n, name="order placed", properties=None, groups=None, when=None):
    when = when or datetime.datetime(2026, 11, 20, 9, 30, 15, 123000, datetime.timezone.utc)
    when += datetime.timedelta(milliseconds=37 * n)
    return {"event": name, "distinct_id": f"user-{n % 7}", "uuid": str(uuid.uuid4()),
            "timestamp": when.isoformat(timespec="milliseconds"),
            "properties": {"n": n, **(properties or {})}, "groups": groups or {}}


def make_plan(penstock, key, events, **options):
    return {"host": penstock.capture, "key": key, "batch": 20, "gzip": False, "encoding": None,
            "mode": "v0", "ai": False, "historical": False, "retries": 3, "pace_ms": 0,
            "immediate": False, "calls": [], "events": events, **options}


running = []  # drivers, for `end_all`


def run_driver(arguments, **more):
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, **more)
    running.append(process)
    return process


def end_all():
    """Ends what a failed test left behind; a browser's driver takes its browser along."""
    for process in running:
        if process.poll() is None:
            process.terminate()
            try:
                process.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
    running.clear()


def start(sdk, plan):
    environment = {**os.environ, "POSTHOG_CAPTURE_MODE": plan["mode"]}
    if plan["encoding"]:
        environment["POSTHOG_CAPTURE_COMPRESSION"] = plan["encoding"]
    process = run_driver(command(sdk, plan["mode"]), env=environment)
    process.stdin.write(json.dumps(plan))
    process.stdin.close()
    process.stdin = None
    return process


def finish(process):
    """What the driver printed last; it ends by itself."""
    try:
        out, err = process.communicate(timeout=DRIVER_SECONDS)
    except subprocess.TimeoutExpired:
        raise AssertionError("the driver did not finish in time")
    assert process.returncode == 0, f"the driver failed: {err[-800:]}"
    told = json.loads(out.strip().split("\n")[-1])
    assert not told["errors"], f"the driver told of errors: {told['errors'][:3]}"
    return told


def send(sdk, plan):
    """Returns the version of the SDK that did it."""
    return finish(start(sdk, plan))["version"]


COLUMNS = ("toString(uuid), event, distinct_id, toUnixTimestamp64Milli(toDateTime64(timestamp, 3, "
           "'UTC')), properties, toString(team_id), person_mode, toString(person_id), "
           "person_properties, toUnixTimestamp64Milli(toDateTime64(created_at, 3, 'UTC')), "
           "elements_chain")


def rows_by_uuid(penstock, wanted):
    """Every wanted uuid exactly once; waits until they are there."""
    penstock.eventually(lambda: int(penstock.sql("SELECT count() FROM events")[0][0]) >= wanted)
    rows = {}
    for row in penstock.sql(f"SELECT {COLUMNS} FROM events"):
        assert row[0] not in rows, f"{row[0]} was stored twice"
        rows[row[0]] = row
    return rows


def millis(text):
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


def iso(ms):
    when = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def compare(event, row, library, version=None):
    """One planned event against its row, field by field."""
    known = BY_LIBRARY.get(library)
    assert row is not None, f"{event['uuid']} is not stored"
    assert row[1] == event["event"], row
    assert row[2] == event["distinct_id"], row
    late = int(row[3]) - millis(event["timestamp"])
    assert 0 <= late <= (SKEW_MS_MAX if known is None or known.sent_at else 0), (library, late)
    assert row[5] == "1", row
    assert 0 <= time.time() * 1000 - int(row[9]) < 120_000, f"created_at {row[9]}"
    properties = json.loads(row[4])
    if known:
        strange = properties.keys() - event["properties"].keys() - ADDED_BY_ALL - known.added
        strange -= GROUP_COLUMNS if event["groups"] else set()
        assert not strange, strange
        assert row[10] == "", row
    for key, value in event["properties"].items():
        assert key in properties, f"{key} is missing in {row[4]}"
        same = properties[key] == value and type(properties[key]) is type(value)
        assert same, f"{key}: sent {value!r}, stored {properties[key]!r}"
    assert properties["$lib"] == library, properties["$lib"]
    assert properties["$lib_version"] == (version or properties["$lib_version"]), properties
    if event["groups"]:
        assert properties["$groups"] == event["groups"], properties
    columns = [properties[c] for c in GROUP_COLUMNS if c in properties]
    assert sorted(columns) == sorted(event["groups"].values()), properties


def balanced(penstock, received=None):
    """The ledger's equation holds and everything has arrived; returns the totals."""
    def settled():
        ledger = penstock.ledger()
        return ledger if ledger["balance"]["balanced"] and ledger["total"]["in_flight"] == 0 else None
    total = penstock.eventually(settled)["total"]
    if received is not None:
        assert int(total["received"]) == received, total
    assert int(total["received"]) == (
        int(total["stored"]) + int(total["deduplicated"]) + int(total["quarantined"])
        + int(total["redriven"]) + sum(int(n) for n in total["dropped"].values())), total
    return total


def metric(penstock, name):
    """0 before it was first counted."""
    text = penstock.get("/metrics")[1].decode()
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " ")), 0.0)


def resident(penstock):
    """Bytes of memory that the process has now."""
    return int(pathlib.Path(f"/proc/{penstock.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def side_by_side(check, arguments):
    """check(argument) for each of them at the same time: most of it is waiting."""
    failures = []

    def one(argument):
        try:
            check(argument)
        except Exception:  # told below, with the argument
            failures.append(f"{argument}: {traceback.format_exc()}")
    threads = [threading.Thread(target=one, args=(argument,)) for argument in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, "\n".join(failures)
