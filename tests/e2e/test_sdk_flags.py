"""Feature flags by released server SDKs: what Penstock decides and what the SDKs decide themselves, from
the definitions that Penstock hands out, is the same for everyone."""
import json
import os

from harness import KEY, Penstock
import sdk

OPEN = "asks for a property"
FLAGS = [
    {"key": "all", "active": True, "filters": {"groups": [{"properties": [],
                                                           "rollout_percentage": 100}]}},
    {"key": "some", "active": True, "filters": {"groups": [{"properties": [],
                                                            "rollout_percentage": 40}]}},
    {"key": "split", "active": True, "filters": {
        "groups": [{"properties": [], "rollout_percentage": 80}],
        "multivariate": {"variants": [{"key": "control", "rollout_percentage": 30},
                                      {"key": "test ☂", "rollout_percentage": 70}]},
        "payloads": {"control": "{\"n\":1}", "test ☂": "{\"n\":2}"}}},
    {"key": "off", "active": False, "filters": {"groups": [{"properties": [],
                                                            "rollout_percentage": 100}]}},
    {"key": OPEN, "active": True, "filters": {"groups": [
        {"properties": [{"key": "plan", "type": "person", "operator": "exact", "value": ["pro"]}],
         "rollout_percentage": 100}]}},
]
SDKS = {"node": ["node", sdk.HERE / "node/flags.mjs"],
        "python": [os.environ["PENSTOCK_E2E_PYTHON"], sdk.HERE / "python/flags.py"]}
IDS = [f"person-{n}" for n in range(40)] + ["ünï ☂", "x" * 200]


def ask(penstock, secret, name):
    driver = sdk.run_driver(SDKS[name])
    driver.stdin.write(json.dumps({"host": penstock.capture, "key": KEY, "secret": secret, "ids": IDS,
                                   "properties": {"plan": "pro"}}))
    return sdk.finish(driver)


def test_flags_are_decided_alike_by_everyone():
    with Penstock() as penstock:
        for flag in FLAGS:
            status, said = penstock.api("/api/projects/1/feature_flags", flag, "POST")
            assert status == 201, said
        status, made = penstock.api("/api/keys", {"label": "flags", "project_id": 1}, "POST")
        assert status in (200, 201), made
        told = {}
        sdk.side_by_side(lambda name: told.update({name: ask(penstock, made["key"], name)}), SDKS)
        first = told["node"]["local"]
        assert {one["split"] for one in first.values()} == {False, "control", "test ☂"}, first
        assert {one["some"] for one in first.values()} == {True, False}, first
        for name, answers in told.items():
            for one in IDS:
                own, asked = dict(answers["local"][one]), dict(answers["remote"][one])
                assert own == first[one], (name, one, own, first[one])
                # What Penstock cannot decide it says so (`failed`); to these SDKs that is off.
                assert own.pop(OPEN) is True, own
                assert not asked.pop(OPEN, None) and asked == own, (name, one, asked, own)
            payload = answers["payload"]
            payload = json.loads(payload) if isinstance(payload, str) else payload
            assert payload == {"control": {"n": 1}, "test ☂": {"n": 2}}.get(first[IDS[0]]["split"])
