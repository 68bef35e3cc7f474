"""Feature flags with posthog-python: what it decides by itself from the definitions, and what it is
told. Plan and answer as in node/flags.mjs."""
import json
import sys

import posthog
from posthog.version import VERSION

plan = json.load(sys.stdin)
errors = []


def make(**options):
    return posthog.Posthog(plan["key"], host=plan["host"], enable_local_evaluation=False,
                           on_error=lambda error, _: errors.append(str(error)), **options)


knowing = make(personal_api_key=plan["secret"])
asking = make()
knowing.load_feature_flags()
local, remote, payloads = {}, {}, {}
for person in plan["ids"]:
    local[person] = knowing.get_all_flags(person, person_properties=plan["properties"],
                                          only_evaluate_locally=True)
    told = asking.get_all_flags_and_payloads(person)
    remote[person], payloads[person] = told["featureFlags"], told["featureFlagPayloads"]
payload = knowing.get_remote_config_payload(plan["payload_of"])
knowing.shutdown()
asking.shutdown()
print(json.dumps({"local": local, "remote": remote, "payloads": payloads, "payload": payload,
                  "errors": errors, "version": VERSION}))
