"""Penstock sends itself an event and looks for it, as a user would."""
import os
import signal

from harness import Penstock


def audit(p):
    return p.api("/api/status")[1]["self_audit"]


def test_an_event_of_its_own_goes_all_the_way():
    with Penstock("--set", "self_audit.every_ms=200", "--set", "self_audit.patience_ms=4000") as p:
        p.eventually(lambda: (a := audit(p))["audits_total"] > a["failures_total"] + 1 and not a["last_error"])
        found = audit(p)
        assert found["at"] and 0 < found["visible_ms"] < 4000, found
        own = [x for x in p.api("/api/projects")[1]["projects"] if x["name"] == "Penstock's own checks"]
        assert len(own) == 1, own
        assert int(p.ledger(own[0]["id"])["total"]["received"]) >= 2
        assert int(p.ledger()["total"]["received"]) == 0, "other projects do not see it"
        metrics = p.get("/metrics")[1].decode()
        assert "penstock_self_audit_visible_seconds_count" in metrics
        # Nothing in it knows that events are not visible: the engine stands still.
        os.kill(p.engine_pid(), signal.SIGSTOP)
        p.eventually(lambda: audit(p)["last_error"])
        assert "An event of our own did not become visible" in p.cli("doctor")[1]
        os.kill(p.engine_pid(), signal.SIGCONT)
        p.eventually(lambda: not audit(p)["last_error"])
        p.kill()
        p.start()  # the project is made once
        p.eventually(lambda: audit(p)["audits_total"] > 0)
        assert len(p.api("/api/projects")[1]["projects"]) == 2


def test_it_can_be_switched_off():
    with Penstock("--set", "self_audit.every_ms=0") as p:
        assert audit(p) == {"every_ms": 0, "at": None, "visible_ms": 0, "audits_total": 0,
                            "failures_total": 0, "last_error": ""}
