"""A data directory that was written with one version of the embedded engine and is opened with another: newer, as in
every upgrade of Penstock, and older, as when one is taken back. Every table is read with the same counts and sums, every
answer is the same, and it goes on from there: rows, merges, squash, erasure, fsck."""
import json
import uuid

import engines
from clickhouse import ClickHouse
from harness import KEY, Penstock
from test_fsck import fsck
from test_person_merges import finished
from test_replay import lines, now_ms, rrweb, snapshot
from test_replay import send as send_recording
from test_squash import ONE_EACH, event, send, visitors
from test_upgrades import missing

ANSWERS = {
    "events": "SELECT uuid, event, distinct_id, person_id, properties, timestamp FROM events ORDER BY uuid",
    "persons": "SELECT id, properties, version FROM person FINAL ORDER BY id",
    "distinct ids": "SELECT distinct_id, person_id FROM person_distinct_id2 FINAL ORDER BY distinct_id",
    "overrides": "SELECT distinct_id, person_id FROM person_distinct_id_overrides ORDER BY distinct_id",
    "groups": "SELECT group_type_index, group_key, group_properties FROM groups FINAL ORDER BY group_key",
    "heatmaps": "SELECT type, x, y, current_url FROM heatmaps ORDER BY current_url, x, y",
    "merged": ONE_EACH,
}


def answers(p):
    out = {name: p.sql(f"{query} LIMIT 100000") for name, query in ANSWERS.items()}
    for path in ("definitions/events", "definitions/properties", "session_recordings?limit=10"):
        out[path] = p.eventually(lambda path=path: next(
            a for a in [p.api(f"/api/projects/1/{path}")] if a[0] == 200))[1]
    out["recording"] = lines(p, "s-0")
    out["squash"] = {k: v for k, v in p.api("/api/squash")[1].items() if k.startswith("last")}
    return out


def sums(p, library, optimize=False):
    """Of every table with rows, read by the engine alone; `optimize`: after it wrote all its parts anew."""
    server = ClickHouse()
    server.data, server.library = p.data + "/store", library
    with server:
        tables = [line.split("\t") for line in server.sql(
            "SELECT name, engine LIKE '%Replacing%' FROM system.tables WHERE database = currentDatabase() AND "
            "engine LIKE '%MergeTree' ORDER BY name").splitlines()]
        for name, _ in tables if optimize else ():
            server.sql(f"OPTIMIZE TABLE {name} FINAL")
        return {name: server.sql(f"SELECT count(), sum(cityHash64(*)) FROM {name} {'FINAL' if int(final) else ''}")
                for name, final in tables}


def some_of_everything(p, version):
    """Of each kind of row; returns the number of events. Merges stay as overrides."""
    total = p.ledger()["total"]["received"]
    sent = visitors(p, 100 * version, 20)
    more = [event("bought", f"buyer{version}-{i}", n=i, **{"$set": {"step": i, "text": "ä\n\t'" * 20}})
            for i in range(40)]
    more += [event("$groupidentify", "buyer", **{"$group_type": "company", "$group_key": f"c{version}",
                                                 "$group_set": {"size": version}}),
             event("looked", "buyer", **{"$session_id": "s-1", "$viewport_width": 1280, "$viewport_height": 720,
                                         "$heatmap_data": {f"https://shop.example/{version}": [
                                             {"x": 10, "y": 20, "target_fixed": False, "type": "click"}]}}),
             event("seen", f"gone-{version}", **{"$set": {"email": "secret@example.com"}}),
             event("$identify", f"gone-{version}", **{"$anon_distinct_id": "illegal"})]
    send(p, more)
    begin = now_ms() - 60_000
    assert send_recording(p, [snapshot(f"s-{version}", [rrweb(begin, i) for i in range(5)])])[0] == 200
    want = int(total) + sent + len(more) + 1
    p.eventually(lambda: (t := p.ledger()["total"])["in_flight"] == 0 and int(t["received"]) >= want)
    p.eventually(lambda: p.sql(ONE_EACH) == [["0"]])


def erased(p, version):
    person, = p.sql(f"SELECT person_id FROM person_distinct_id2 FINAL WHERE distinct_id = 'gone-{version}'")[0]
    assert finished(p, p.api(f"/api/projects/1/persons/{person}", method="DELETE"))["state"] == "done"
    assert p.sql(f"SELECT count() FROM events WHERE person_id = '{person}'") == [["0"]]


def squashed(p):
    code, out, err = p.cli("squash", "--now", "--json")
    assert code == 0, (out, err)
    assert not json.loads(out.splitlines()[-1])["last_error"], out
    assert p.sql("SELECT count() FROM person_distinct_id_overrides") == [["0"]]


def test_data_of_an_older_engine_is_read_by_newer_ones_and_back():
    if said := missing(engines.BEFORE, engines.AFTER):
        return said
    p = Penstock()
    store = p.data + "/store"
    before, ours, after = engines.before(store), engines.OURS, engines.after(store)
    try:
        last = None
        for n, (version, library) in enumerate((("26.5.", before), ("26.7.", ours), ("26.9.", after), ("26.7.", ours),
                                                ("26.5.", before))):
            p.flags = ("--set", f"store.library={library}", "--set", "replay.flush_ms=50")
            if last:
                assert sums(p, library) == last[0]
            p.start()
            assert p.sql("SELECT version()")[0][0].startswith(version), p.sql("SELECT version()")
            if last:
                now = answers(p)
                assert now == last[1], [(k, now[k], last[1][k]) for k in now if now[k] != last[1][k]]
                squashed(p)  # of merges that another version stored
                erased(p, n - 1)
            some_of_everything(p, n)
            last = (None, answers(p))
            p.stop()
            bad, text = fsck(p)
            assert bad == [], text
            last = (sums(p, library, optimize=True), last[1])
            assert len(last[0]) > 8 and sum(int(s.split()[0]) for s in last[0].values()) > 300 * (n + 1), last[0]
            assert p.died() is None
    finally:
        p.close()
