"""The background scrub of a running instance finds a byte that changed in an old segment, names the
file, and forgets it when the file is whole again."""
import json
import os
import pathlib
import signal
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


def test_scrub_can_be_switched_off():
    with Penstock("--set", "log.scrub_bytes_per_second=0") as p:
        assert "scrub" not in p.api("/api/status")[1]
