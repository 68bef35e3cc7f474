// ProjectSettings: what a project's people can change about how its events are taken.
//
// Kept in the catalog as one JSON object per setting name, so that a new setting needs no new
// table; validated when it is written and typed here, so that readers on the hot path never parse.
// Part of the immutable Snapshot: any thread. Unknown members are refused with a sentence that
// names them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/admission_settings.h"
#include "catalog/browser_settings.h"
#include "catalog/cookieless_settings.h"
#include "catalog/feature_flags.h"
#include "catalog/ingestion_settings.h"
#include "catalog/merge_settings.h"
#include "catalog/test_account_filters.h"

namespace penstock::catalog {

struct ProjectSettings {
  /// The texts as they were written, by name, for editing; absent: never written.
  struct Entry {
    std::string name, json;
  };
  std::vector<Entry> entries;

  AdmissionSettings admission;
  MergeSettings merges;
  CookielessSettings cookieless;
  IngestionSettings ingestion;
  RemoteConfig remote_config;
  FeatureFlags feature_flags;
  BrowserLists lists;
  std::string test_account_filters = "[]";  // PostHog's property filters, as a JSON list

  std::string_view text(std::string_view name) const;  // "{}" when absent
};

/// "admission", …
const std::vector<std::string_view>& setting_names();
/// Reads one setting into its typed form. kInvalid: what is wrong, for the person who wrote it;
/// kNotFound: there is no setting of that name. `into` is unchanged then.
Status apply_setting(std::string_view name, std::string_view json, ProjectSettings& into);

}  // namespace penstock::catalog
