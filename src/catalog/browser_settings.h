// What a project tells posthog-js to do: remote config, and the lists that browsers fetch.
//
// The setting "remote_config" as a JSON object whose members are those of posthog-js's remote
// config (contract/capture, section 9); what is absent has Penstock's default, see capture/browser.
// The settings "surveys", "early_access_features", "web_experiments" and "product_tours" hold what
// their endpoint answers: {"surveys":[…],"survey_config":{…}}, {"earlyAccessFeatures":[…]},
// {"experiments":[…]}, {"product_tours":[…]}.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::catalog {

struct RemoteConfig {
  struct Member {
    std::string name, json;
  };
  std::vector<Member> members;  // as written, `sessionRecording: true` included

  const std::string* find(std::string_view name) const;  // the member's JSON, or null
};

/// One of the lists; empty text: never written.
struct BrowserList {
  std::string json;  // the whole answer
  size_t count = 0;
};

struct BrowserLists {
  BrowserList surveys, early_access_features, web_experiments, product_tours;
};

/// kInvalid names the member and what it can be.
Result<RemoteConfig> parse_remote_config(std::string_view json);
/// `setting` is the setting's name, which decides the name of the list's member.
Result<BrowserList> parse_browser_list(std::string_view setting, std::string_view json);

}  // namespace penstock::catalog
