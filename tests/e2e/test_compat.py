"""The scenarios of tests/compat: what released clients put on the wire, and what must become of it.

tests/compat/README.md tells their form. Every file runs on a Penstock of its own, one test each.
"""
import base64
import gzip
import json
import pathlib
import re
import urllib.parse
import uuid

from harness import KEY, Penstock
from raw import OK, Wire, lz64, now_ms, request
import sdk

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "compat"
FIELDS = {"name", "about", "method", "path", "headers", "body", "text", "pack", "status", "answer",
          "answer_headers", "rows", "cut"}
ADDED = {"$ip", "$set", "$set_once", "$sent_at", "$group_0"}  # what ingest may add to an event's properties
OVER_LIMIT = "x" * 1024


class Scenario:
    """One of them, made ready to send: placeholders filled in, and what is expected."""

    def __init__(self, told, number):
        assert told.keys() <= FIELDS, f"{told.get('name')}: unknown {told.keys() - FIELDS}"
        now = now_ms()
        self.words = {"key": KEY, "me": f"person-{number}", "now_ms": str(now),
                      "now_s": str(now // 1000), "now": sdk.iso(now), "ten_minutes_ago": sdk.iso(now - 600_000),
                      "kilobyte": OVER_LIMIT, **{f"uuid{n}": str(uuid.uuid4()) for n in "1234"}}
        self.told = told
        self.name = told["name"]
        self.method = told.get("method", "POST")
        self.path = self.fill(told["path"])
        self.headers = self.fill(told.get("headers", {}))
        self.status = told.get("status", 200)
        self.body = self.fill(told.get("body"))
        self.steps = list(told.get("pack", []))
        self.packed = self.fill(told["text"]).encode("latin-1") if "text" in told else \
            b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()
        self.before = self.after = 0

    def fill(self, value):
        if isinstance(value, str):
            return re.sub(r"\{\{(\w+)\}\}", lambda found: self.words[found.group(1)], value)
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return {self.fill(key): self.fill(item) for key, item in value.items()}
        return value

    def pack(self):
        """Runs the steps up to one that needs another program; True when that one is lz64."""
        while self.steps and self.steps[0] != "lz64":
            self.packed = packed(self.packed, self.steps.pop(0), self.fill)
        return bool(self.steps)

    def send(self, wire):
        path, body = self.path, self.packed
        if "{packed}" in path:
            path, body = path.replace("{packed}", body.decode("latin-1")), b""
        self.before = now_ms()
        sent = request(body, path, self.method, self.headers)
        wire.send(sent[:len(sent) - self.told["cut"]] if "cut" in self.told else sent)
        answer = wire.answer(self.method == "HEAD")
        self.after = now_ms()
        return answer

    def check(self, answer):
        """What is wrong with the answer, or None."""
        if answer.status != self.status:
            return f"{answer} instead of {self.status}"
        if "answer" in self.told:
            if (json.loads(answer.body) if answer.body else None) != self.fill(self.told["answer"]):
                return f"{answer}"
        elif self.status == 200:
            if answer.body != OK or answer.headers.get("content-type") != "application/json":
                return f"{answer} {answer.headers}"
        elif self.status == 204:
            if answer.body:
                return f"{answer}"
        elif not answer.headers.get("content-type", "").startswith("text/plain") or not answer.body:
            return f"{answer} {answer.headers}"
        for name, value in self.told.get("answer_headers", {}).items():
            found = answer.headers.get(name.lower())
            if not (found is None if value is None else
                    found is not None and re.fullmatch(self.fill(value), found)):
                return f"header {name}: {found!r}, not {value!r}"
        return None

    # --- rows -----------------------------------------------------------------------------------

    def expected(self):
        if self.status not in (200, 204):
            return []
        if "rows" in self.told and self.told["rows"] != "as sent":
            return self.fill(self.told["rows"])
        return [self.as_sent(event) for event in events_of(self.body)]

    def as_sent(self, event):
        properties = dict(event.get("properties", {}))
        if properties.get("$process_person_profile") is True:
            del properties["$process_person_profile"]  # says nothing, and ingest takes it out
        name = next((event[k] for k in ("distinct_id", "$distinct_id") if event.get(k) is not None),
                    properties.get("distinct_id"))
        row = {"event": event["event"], "distinct_id": name, "properties": properties, "only": True}
        if event.get("uuid"):
            row["uuid"] = event["uuid"]
        if "offset" in event:
            row["timestamp"] = {"before_receipt_ms": event["offset"]}
        elif event.get("timestamp"):
            row["timestamp"] = event["timestamp"]
        for key in ("$set", "$set_once"):
            if key in event:
                row["properties"] = {**row["properties"], key: event[key]}
        return row

    def compare(self, rows):
        """What is wrong with the rows of this scenario's person, or None."""
        wanted = self.expected()
        if len(rows) != len(wanted):
            return f"{len(rows)} rows instead of {len(wanted)}: {[r[1] for r in rows]}"
        left = list(rows)
        for row in wanted:
            problems = [self.difference(row, found) for found in left]
            if None not in problems:
                return f"{row['event']}: {problems}"
            left.pop(problems.index(None))
        return None

    def difference(self, row, found):
        stored = json.loads(found[4])
        if found[1] != row["event"] or found[2] != row.get("distinct_id", self.words["me"]):
            return f"{found[1]} of {found[2]}"
        if "uuid" in row and found[0] != row["uuid"]:
            return f"uuid {found[0]}, not {row['uuid']}"
        for key, value in row.get("properties", {}).items():
            if key not in stored or stored[key] != value or type(stored[key]) is not type(value):
                return f"{key}: {stored.get(key)!r}, not {value!r}"
        if row.get("only") and (more := stored.keys() - row["properties"].keys() - ADDED):
            return f"more: {sorted(more)}"
        if gone := [key for key in row.get("absent", []) if key in stored]:
            return f"still there: {gone}"
        if "person_mode" in row and found[6] != row["person_mode"]:
            return f"{found[6]}, not {row['person_mode']}"
        return self.late(row.get("timestamp", "received"), int(found[3]))

    def late(self, wanted, stored):
        slack = 1  # both clocks are cut to the millisecond
        if wanted == "received":
            low, high = self.before, self.after
        elif isinstance(wanted, dict):
            low, high = (t - wanted["before_receipt_ms"] for t in (self.before, self.after))
        else:  # moved by what the client's clock seems to be off: the time on the way
            low = sdk.millis(wanted)
            high = low + sdk.SKEW_MS_MAX
        if low - slack <= stored <= high + slack:
            return None
        return f"timestamp {stored}, not {low}…{high}"


def events_of(body):
    if isinstance(body, list):
        return body
    return body["batch"] if isinstance(body.get("batch"), list) else [body]


def cesu(data):
    """UTF-8 as old browser clients wrote it: a surrogate pair as two characters of three bytes."""
    units = data.decode().encode("utf-16-le")
    halves = (units[at:at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2))
    return "".join(halves).encode("utf-8", "surrogatepass")


def packed(data, step, fill):
    """One step of a body's way to the wire."""
    if isinstance(step, dict):
        (name, value), = step.items()
        assert name == "wrap", step
        before, after = fill(value).split("{packed}")
        return before.encode() + data + after.encode()
    return {"gzip": gzip.compress, "base64": base64.b64encode,
            "percent": lambda d: urllib.parse.quote(d, safe="").encode(),
            "cesu": cesu, "half": lambda d: d[:len(d) // 2],
            "spaces for pluses": lambda d: d.replace(b"+", b" ")}[step](data)


def pack_all(scenarios):
    """All steps of all of them; what the released lz-string does is asked for in one go."""
    while waiting := [s for s in scenarios if s.pack()]:
        for scenario, text in zip(waiting, lz64([s.packed.decode() for s in waiting])):
            scenario.steps.pop(0)
            scenario.packed = text.encode()


def load(path):
    told = json.loads(path.read_text())
    assert told.keys() <= {"about", "options", "settings", "scenarios"}, path
    expanded = [{**one, "path": p, "name": f"{one['name']} {p[:40]}"} if "paths" in one else one
                for one in told["scenarios"] for p in one.get("paths", [None])]
    for one in expanded:
        one.pop("paths", None)
    return told, [Scenario(one, number) for number, one in enumerate(expanded)]


def run_file(path):
    told, scenarios = load(path)
    pack_all(scenarios)
    wrong = []
    with Penstock(*told.get("options", [])) as penstock:
        for name, value in told.get("settings", {}).items():
            status, said = penstock.api(f"/api/projects/1/settings/{name}", value, "PUT")
            assert status == 200, (name, status, said)
        wire = Wire(penstock)
        for scenario in scenarios:
            try:
                answer = scenario.send(wire)
                problem = scenario.check(answer)
            except (OSError, ValueError) as error:
                answer, problem = None, repr(error)
            if problem:
                wrong.append(f"{scenario.name}: {problem}")
            if answer is None or answer.headers.get("connection") == "close":
                wire = Wire(penstock)
        assert not wrong, f"{path.name}: {len(wrong)} of {len(scenarios)}:\n" + "\n".join(wrong)
        total = sum(len(s.expected()) for s in scenarios)
        sdk.balanced(penstock)
        rows = list(sdk.rows_by_uuid(penstock, total).values())
        for scenario in scenarios:
            mine = [r for r in rows if r[2].split("/")[0] == scenario.words["me"]]
            if problem := scenario.compare(mine):
                wrong.append(f"{scenario.name}: {problem}")
        assert not wrong, f"{path.name}: {len(wrong)} of {len(scenarios)}:\n" + "\n".join(wrong)
        assert len(rows) == total, (len(rows), total)


for _path in sorted(FOLDER.glob("*.json")):
    globals()[f"test_compat_{_path.stem.replace('-', '_')}"] = lambda path=_path: run_file(path)
assert list(FOLDER.glob("*.json")), f"no scenarios in {FOLDER}"
