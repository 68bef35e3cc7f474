"""The story of one person: unknown, logged in, in a company, under another id, on a second device,
known to the back office, logged out. With posthog-js in Chromium and posthog for Python, unmodified."""
import json

from harness import KEY, Penstock
import sdk
from test_sdk_browser import USER_AGENT, start_browser

OPTIONS = {"opt_out_useragent_filter": True, "capture_pageview": False, "capture_pageleave": False,
           "autocapture": False, "disable_session_recording": True}
# posthog-js: 7 captured, 2 × $identify, $create_alias, $groupidentify; what else it sends is waited
# for by name.
CAPTURED = {"looked around", "looked closer", "bought", "worked", "came by", "looked on the phone",
            "bought on the phone", "invoice paid"}
# Every row beside the person a query finds for it: the override of its distinct id, or its own.
ROWS = """
SELECT e.event, e.distinct_id, e.person_mode, e.person_properties, e.properties,
       toString(if(o.distinct_id = '', e.person_id, o.person_id))
FROM events e LEFT JOIN (
  SELECT distinct_id, argMax(person_id, version) AS person_id FROM person_distinct_id_overrides
  GROUP BY distinct_id HAVING argMax(is_deleted, version) = 0) o ON e.distinct_id = o.distinct_id
ORDER BY e.timestamp"""


def tell(penstock):
    """The ids that the devices were given."""
    process = start_browser("story.mjs", {"host": penstock.capture, "key": KEY, "options": OPTIONS,
                                          "user_agent": USER_AGENT, "settle_ms": 4000})
    process.stdin.close()
    process.stdin = None
    told = sdk.finish(process)
    assert not told["refused"], told["refused"]
    paid = sdk.make_event(1, name="invoice paid", groups={"company": "acme"})
    sdk.send("python", sdk.make_plan(
        penstock, KEY, [{**paid, "distinct_id": "crm-17"}],
        calls=[{"call": "alias", "distinct_id": "eve", "alias": "crm-17"},
               {"call": "set", "distinct_id": "crm-17", "set": {"plan": "pro"},
                "set_once": {"first_seen": "office"}},
               {"call": "group", "type": "company", "key": "acme", "set": {"city": "Oslo"}}]))
    return told


def read(penstock):
    """Rows by the event's name, once nothing is under way."""
    def all_there():
        fresh = penstock.api("/api/projects/1/persons")[1]["fresh"]
        rows = penstock.sql(ROWS) if not any(fresh.values()) else []
        return rows if CAPTURED <= {row[0] for row in rows} else None
    out = {}
    for name, *row in penstock.eventually(all_there):
        out.setdefault(name, []).append(row)
    return out


def test_one_person_on_two_devices():
    with Penstock() as penstock:
        told = tell(penstock)
        rows = read(penstock)
        eve = {"eve", "eve-old", "crm-17", told["laptop"]["anonymous"], told["phone"]["anonymous"]}

        # One person, found by any of her ids, and the stranger is nobody.
        people = set()
        for distinct_id in eve:
            status, answer = penstock.api(f"/api/projects/1/persons?distinct_id={distinct_id}")
            assert status == 200 and len(answer["results"]) == 1, (distinct_id, answer)
            people.add(answer["results"][0]["id"])
        assert len(people) == 1, people
        (person_id,) = people
        _, profile = penstock.api(f"/api/projects/1/persons/{person_id}")
        assert set(profile["distinct_ids"]) == eve and profile["is_identified"], profile
        # As old as what the back office told of, whenever that arrived.
        assert profile["created_at"].startswith("2026-11-20T09:30:15"), profile
        _, answer = penstock.api("/api/projects/1/persons?distinct_id=" + told["laptop"]["stranger"])
        assert answer["results"] == [], answer

        # Every event of hers leads to her, those from before the logins too.
        for name in CAPTURED - {"came by"}:
            for row in rows[name]:
                assert row[4] == person_id, (name, row)
        assert rows["came by"][0][4] != person_id
        modes = {name: rows[name][0][1] for name in CAPTURED}
        assert modes == {"looked around": "propertyless", "looked closer": "propertyless",
                         "came by": "propertyless", "looked on the phone": "propertyless",
                         "bought": "full", "worked": "full", "bought on the phone": "full",
                         "invoice paid": "full"}, modes

        # What was known of her stands on the row.
        on_row = json.loads(rows["bought"][0][2])
        assert (on_row["email"], on_row["first_seen"]) == ("eve@example.com", "laptop"), on_row
        assert json.loads(rows["looked around"][0][2]) == {}
        # posthog for Python describes a group under an id of its own, which is a person too.
        persons = penstock.sql("SELECT toString(id), properties, is_identified FROM person FINAL "
                               "WHERE is_deleted = 0 ORDER BY is_identified DESC")
        assert len(persons) == 2 and persons[0][0] == person_id, persons
        assert [int(person[2]) for person in persons] == [1, 0], persons
        properties = json.loads(persons[0][1])
        assert properties["email"] == "eve@example.com" and properties["plan"] == "pro", properties
        assert properties["first_seen"] in ("laptop", "office"), properties

        # Her company.
        assert json.loads(rows["worked"][0][3])["$group_0"] == "acme", rows["worked"]
        assert json.loads(rows["invoice paid"][0][3])["$group_0"] == "acme"
        assert "$group_0" not in json.loads(rows["bought"][0][3])
        assert "$group_0" not in json.loads(rows["came by"][0][3])
        group = penstock.sql("SELECT group_type_index, group_key, group_properties FROM groups FINAL")
        assert len(group) == 1 and [str(group[0][0]), group[0][1]] == ["0", "acme"], group
        company = json.loads(group[0][2])
        assert (company["seats"], company["city"]) == (5, "Oslo"), company
