"""Asks posthog for Python about feature flags, as ../node/flags.mjs does with posthog-node."""
import json
import sys

import posthog


def main():
    plan = json.load(sys.stdin)
    remote = posthog.Posthog(plan["key"], host=plan["host"])
    local = posthog.Posthog(plan["key"], host=plan["host"], personal_api_key=plan["secret"])
    local.load_feature_flags()
    told = {"errors": [], "remote": {}, "local": {}}
    for one in plan["ids"]:
        told["remote"][one] = remote.get_all_flags(one, person_properties=plan["properties"])
        told["local"][one] = local.get_all_flags(one, person_properties=plan["properties"],
                                                 only_evaluate_locally=True)
    told["payload"] = remote.get_feature_flag_payload("split", plan["ids"][0])
    remote.shutdown()
    local.shutdown()
    print(json.dumps(told))


main()
