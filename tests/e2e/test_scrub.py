"""The background scrubs of a running instance find a byte that changed in an old segment, in state (a table, and
values that lie apart), in a recording and in a part of the store, name it, and forget it when it is whole again."""
import json
import os
import pathlib
import signal
import time
import uuid

from harness import KEY, Penstock, flip

FAST = ("--set", "log.segment_bytes=33554432", "--set", "log.scrub_every_ms=200",
        "--set", "log.scrub_bytes_per_second=1000000000")


def scrub(p):
    return p.api("/api/status")[1]["scrub"]


def after_a_whole_pass(p):
    """What is known after a pass that began later than now."""
    began = scrub(p)["pass_began_at"]
    p.eventually(lambda: (s := scrub(p))["pass_began_at"] > began and not s["running"]
                 and s["last_pass_at"] >= s["pass_began_at"] and s)
    return scrub(p)


def fill(p, megabytes):
    for _ in range(megabytes):
        text = os.urandom(250_000).hex()
        batch = [{"event": "big", "distinct_id": f"d{i}", "uuid": str(uuid.uuid4()),
                  "properties": {"text": text}} for i in range(2)]
        assert p.post("/batch/", {"api_key": KEY, "batch": batch})[0] == 200


def test_scrub_finds_a_changed_byte_in_an_old_segment():
    with Penstock(*FAST) as p:
        fill(p, 40)
        old = sorted(pathlib.Path(p.data, "log/events_plugin_ingestion").glob("*.seg"))[0]
        p.eventually(lambda: scrub(p)["last_pass_files"] >= 1)
        calm = after_a_whole_pass(p)
        assert calm["damaged_files"] == 0 and calm["last_pass_bytes"] > 5_000_000, calm
        assert "were read and are whole" in p.cli("doctor")[1]
        flip(old, 1_000_000, 0x10)
        found = p.eventually(lambda: (s := scrub(p))["damage"] and s)
        assert found["damaged_files"] == 1 and found["damage"][0]["file"] == str(old), found
        assert "damaged at byte" in found["damage"][0]["problem"], found
        code, text, _ = p.cli("doctor")
        assert code == 1 and f"{old}: damaged at byte" in text and "log_damage_found.md" in text, text
        metrics = p.get("/metrics")[1].decode()
        assert "\npenstock_log_scrub_damaged_files 1\n" in metrics
        assert "\npenstock_log_scrub_damage_found_total 1\n" in metrics
        # It lives on and takes events, a restart knows of it, and fsck says the same.
        p.stop(signal.SIGTERM)
        p.start()
        assert scrub(p)["damaged_files"] == 1
        done = p.post("/batch/", {"api_key": KEY, "batch": [{"event": "after", "distinct_id": "d"}]})
        assert done[0] == 200, done
        p.eventually(lambda: p.sql("SELECT count() FROM events WHERE event = 'after'") == [["1"]])
        p.stop(signal.SIGTERM)
        code, text, _ = p.cli("fsck", "--json")
        told = [f["what"] for f in json.loads(text)["findings"] if f["verdict"] == "bad"]
        assert code == 1 and any(f"{old}: damaged at byte" in what for what in told), text
        flip(old, 1_000_000, 0x10)
        p.start()
        p.eventually(lambda: scrub(p)["damaged_files"] == 0)


def found(p):
    return p.api("/api/status")[1]["data_scrub"]


def recording():
    return [{"event": "$snapshot", "uuid": str(uuid.uuid4()), "properties": {
        "token": KEY, "distinct_id": "d", "$session_id": "s", "$snapshot_data": [
            {"type": 5, "timestamp": int(time.time() * 1000), "data": {"text": os.urandom(3000).hex()}}]}}]


def damage(where, file):
    """Flips a byte in the middle of it; answers how to flip it back."""
    at = file.stat().st_size // 2
    flip(file, at)
    return where, file, at


def test_scrub_of_state_recordings_and_the_store():
    with Penstock("--set", "scrub.every_ms=200", "--set", "scrub.bytes_per_second=1000000000",
                  "--set", "replay.flush_ms=50") as p:
        fill(p, 2)
        person = {"event": "e", "distinct_id": "of much", "properties": {"$set": {"text": os.urandom(2000).hex()}}}
        assert p.post("/batch/", {"api_key": KEY, "batch": [person]})[0] == 200
        assert p.post("/s/", recording())[0] == 200
        p.eventually(lambda: p.ledger()["total"]["in_flight"] == 0)
        p.stop(signal.SIGTERM)  # what was in memory is in files
        p.start()
        p.eventually(lambda: (s := found(p))["last_pass_at"] and s["last_pass_items"] >= 4 and not s["damage"])
        p.eventually(lambda: "State, recordings and the store were read and are whole" in p.cli("doctor")[1])
        root = pathlib.Path(p.data)
        largest = lambda files: max(files, key=lambda f: f.stat().st_size)
        part = largest(root.glob("store/store/*/*/*_*_*_*/data.bin")).parent
        done = [damage("state", largest(root.glob("state/definitions/*.sst"))),
                damage("state", largest(root.glob("state/persons/*.blob"))),
                damage("objects", largest(root.rglob("objects/**/*.obj"))),
                damage("store", part / "data.bin")]
        told = p.eventually(lambda: (s := found(p))["damaged_items"] >= 4 and s)
        items = sorted((d["place"], d["item"]) for d in told["damage"])
        assert [place for place, _ in items] == ["objects", "state", "state", "store"], told
        assert items[0][1] in str(done[2][1]) and items[3][1].endswith("/" + part.name), (items, part)
        assert [i for _, i in items[1:3]] == ["definitions/" + done[0][1].name, "persons/" + done[1][1].name], items
        code, text, _ = p.cli("doctor")
        assert code == 1 and all(f"{item}: " in text for _, item in items), text
        metrics = p.get("/metrics")[1].decode()
        for name, n in (("state_files", 2), ("objects", 1), ("store_parts", 1)):
            assert f"\npenstock_scrub_damaged_{name} {n}\n" in metrics, name
        p.stop(signal.SIGTERM)  # remembered
        for _, file, at in done:
            flip(file, at)
        p.start()
        p.eventually(lambda: (s := found(p))["damaged_items"] == 0 and s["last_pass_at"] and s["last_pass_items"] >= 4)


def test_scrub_can_be_switched_off():
    with Penstock("--set", "log.scrub_bytes_per_second=0", "--set", "scrub.bytes_per_second=0") as p:
        status = p.api("/api/status")[1]
        assert "scrub" not in status and "data_scrub" not in status, status
