"""A project's live events do not notice another project's bad apps. tools/isolation --cases apps
measures the same in full size, and how much p99 moves.

The machine is shared and small, so this fails for starvation and not for noise. What stood before
others' events when a bad app began holds them once, `apps.deadline_ms` at most, which is short here:
p99 may double, and a second and a half more is always allowed; what was missed once is measured again.
"""
import time

import app_isolation
import isolation
from harness import Penstock

WINDOW_S = 4
LIVE_PER_S = 50
BAD_PER_S = 50
FLOOR_S = 1.5


def test_isolation_from_bad_apps():
    with Penstock("--set", "apps.allow_private_hosts=127.0.0.1", "--set", "apps.deadline_ms=500") as p:
        p.sql("SELECT 1")
        neighbour = app_isolation.Neighbour(p)
        live = isolation.Live(p, per_batch=LIVE_PER_S // 10)
        try:
            time.sleep(1)
            live.window(*live.during(1))
            for kind in ("loops", "floods logs", "blocks in fetch", "stands still", "crashes its worker",
                         "computes long in Hog"):
                beside(live, neighbour, kind)
        finally:
            live.end()
            neighbour.end()
        assert live.failures == 0, live.failures
        def all_there():
            rows = p.sql("SELECT count(), countIf(JSONExtractInt(properties, 'seen_by_app') = 1) FROM events "
                         "WHERE event IN ('live', 'live-probe')")[0]
            return rows if int(rows[0]) == live.sent and p.ledger()["total"]["in_flight"] == 0 else None
        _, through = p.eventually(all_there, 90)
        # The well-behaved app stays where the others were: what passed it by had waited too long.
        assert int(through) >= live.sent * 0.75, (through, live.sent)
        assert p.ledger()["balance"]["balanced"], p.ledger()


def beside(live, neighbour, kind):
    tries = []
    for _ in range(2):
        calm = isolation.figures(live.window(*live.during(WINDOW_S)))
        waits, bad = neighbour.beside(live, kind, WINDOW_S, BAD_PER_S)
        during = isolation.figures(waits)
        tries.append((calm, during, bad))
        if during["p99_s"] < max(calm["p99_s"] * 2, calm["p99_s"] + FLOOR_S):
            print(f"        {kind}: p99 {calm['p99_s']:.2f} -> {during['p99_s']:.2f} s, {bad}", flush=True)
            return
    raise AssertionError(f"live events wait for an app that {kind}: {tries}")
