"""Senders of identity events that mean no good or do not know better, against the real binary: whatever
they do is counted and warned of, memory stays bounded, and a neighbour's events are rows soon."""
import json
import time
import uuid

from harness import KEY, Penstock
from sdk import balanced
from test_hostile import Neighbour, rss

MIB = 1 << 20
STORM_IDS = 6000
BUSY_EVENTS = 10_000
NEIGHBOUR_SECONDS_MAX = 20.0  # until a row, on a machine that does other things too


def event(name, distinct_id, **properties):
    return {"event": name, "distinct_id": distinct_id, "uuid": str(uuid.uuid4()),
            "properties": properties}


def send(p, events, of=1000):
    for i in range(0, len(events), of):
        assert p.post("/batch/", {"api_key": KEY, "batch": events[i:i + of]})[0] == 200
    return len(events)


def warnings(p):
    return {row[0]: int(row[1]) for row in
            p.sql("SELECT type, count() FROM ingestion_warnings GROUP BY type")}


def bad_ids():
    """What must join nobody, as either side, and an id of 400 characters, which may."""
    longest = "y" * 400
    out = [event("$identify", "me", **{"$anon_distinct_id": bad})
           for bad in ("anonymous", "null", "  ", "[object Object]", "'undefined'", "x" * 401)]
    out += [event("$identify", "None", **{"$anon_distinct_id": "victim"}),
            event("$create_alias", "me", alias="guest"),
            event("$identify", "me", **{"$anon_distinct_id": longest})]
    return out


def cycles():
    ring = [f"ring{i}" for i in range(6)]
    return [event("$merge_dangerously", ring[i], alias=ring[(i + 1) % len(ring)])
            for _ in range(3) for i in range(len(ring))] + [
        event("$create_alias", ring[0], alias=ring[0])]


def explosion():
    """A thousand new keys an event, and one value of a megabyte."""
    out = [event("seen", "exploding", **{"$set": {f"k{i}_{k}": k for k in range(1000)}})
           for i in range(60)]
    return out + [event("seen", "big", **{"$set": {"small": 1}}),
                  event("seen", "big", **{"$set": {"blob": "x" * MIB}})]


def stored(p, of):
    return int(p.sql(f"SELECT count() FROM events WHERE distinct_id LIKE '{of}%'")[0][0])


def test_bad_identities_are_counted_and_warned_of_and_delay_nobody():
    with Penstock() as p, Neighbour(p) as neighbour:
        send(p, [event("seen", "hub"), event("seen", "me"), event("seen", "victim")])
        before = rss(p)
        total = 3 + send(p, bad_ids()) + send(p, cycles()) + send(p, explosion(), 5)
        # A storm of ids into one person, all under one key, and one id without a pause.
        total += send(p, [event("$create_alias", "hub", alias=f"storm{i}")
                          for i in range(STORM_IDS)])
        total += send(p, [event("seen", "busy", **{"$set": {"n": i}}) for i in range(BUSY_EVENTS)])
        begun = time.monotonic()
        total += send(p, [event("seen", f"calm{i}") for i in range(20)])
        p.eventually(lambda: stored(p, "calm") == 20, 60)
        waited = time.monotonic() - begun
        print(f"        rows of the calm after {waited:.1f} s", flush=True)
        assert waited < NEIGHBOUR_SECONDS_MAX, waited
        count = "SELECT count() FROM events WHERE event != 'neighbour'"
        p.eventually(lambda: p.sql(count) == [[str(total)]], 120)
        grown = rss(p) - before
        assert grown < 256 * MIB, grown // MIB

        # One person each, and everybody else on their own.
        def person_of(distinct_id):
            rows = p.sql("SELECT DISTINCT toString(person_id) FROM person_distinct_ids "
                         f"WHERE distinct_id = '{distinct_id}'")
            assert len(rows) == 1, (distinct_id, rows)
            return rows[0][0]

        def ids_of(distinct_id):
            return int(p.sql("SELECT count() FROM person_distinct_ids WHERE person_id = "
                             f"'{person_of(distinct_id)}'")[0][0])

        p.eventually(lambda: ids_of("hub") == STORM_IDS + 1)
        assert ids_of("ring0") == 6
        assert ids_of("me") == 2 and ids_of("victim") == 1
        assert person_of("me") == person_of("y" * 400)
        big = json.loads(p.sql("SELECT properties FROM persons WHERE id = "
                               f"'{person_of('big')}'")[0][0])
        assert big["small"] == 1 and "blob" not in big
        exploding = p.sql(f"SELECT length(properties) FROM persons WHERE id = "
                          f"'{person_of('exploding')}'")
        assert int(exploding[0][0]) <= 655_360, exploding

        told = p.eventually(lambda: (lambda w: w if len(w) >= 2 else None)(warnings(p)))
        assert told["cannot_merge_with_illegal_distinct_id"] >= 8, told
        assert told["person_properties_size_violation"] >= 1, told

        # So many ids are moved at once by nobody who asks for fewer; then it is refused and told.
        status, answer = p.api("/api/projects/1/settings/merges",
                               {"too_many_ids": "refuse", "ids_max": 1000}, "PUT")
        assert status == 200, answer
        send(p, [event("seen", "taker")])
        send(p, [event("$merge_dangerously", "taker", alias="hub")])
        p.eventually(lambda: "merge_move_limit_exceeded" in warnings(p))
        assert person_of("taker") != person_of("hub")
        # Refused, cut or joined with nobody: none of it was dropped, and all of it is in the books.
        neighbour.stop()
        assert balanced(p)["dropped"] == {}
