#include "catalog/project_settings.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::catalog {
namespace {

constexpr size_t kSettingBytesMax = 4U << 20;

Status apply_admission(std::string_view json, ProjectSettings& into) {
  PENSTOCK_TRY(into.admission, parse_admission(json));
  return {};
}

Status apply_merges(std::string_view json, ProjectSettings& into) {
  PENSTOCK_TRY(into.merges, parse_merges(json));
  return {};
}

Status apply_cookieless(std::string_view json, ProjectSettings& into) {
  PENSTOCK_TRY(into.cookieless, parse_cookieless(json));
  return {};
}

Status apply_ingestion(std::string_view json, ProjectSettings& into) {
  PENSTOCK_TRY(into.ingestion, parse_ingestion(json));
  return {};
}

Status apply_remote_config(std::string_view json, ProjectSettings& into) {
  PENSTOCK_TRY(into.remote_config, parse_remote_config(json));
  return {};
}

Status apply_feature_flags(std::string_view json, ProjectSettings& into) {
  PENSTOCK_TRY(into.feature_flags, parse_feature_flags(json));
  return {};
}

Status apply_surveys(std::string_view json, ProjectSettings& into) {
  PENSTOCK_TRY(into.lists.surveys, parse_browser_list("surveys", json));
  return {};
}

Status apply_early_access(std::string_view json, ProjectSettings& into) {
  PENSTOCK_TRY(into.lists.early_access_features, parse_browser_list("early_access_features", json));
  return {};
}

Status apply_experiments(std::string_view json, ProjectSettings& into) {
  PENSTOCK_TRY(into.lists.web_experiments, parse_browser_list("web_experiments", json));
  return {};
}

Status apply_tours(std::string_view json, ProjectSettings& into) {
  PENSTOCK_TRY(into.lists.product_tours, parse_browser_list("product_tours", json));
  return {};
}

Status apply_test_accounts(std::string_view json, ProjectSettings& into) {
  PENSTOCK_TRY(into.test_account_filters, parse_test_account_filters(json));
  return {};
}

/// Every setting there is: its name and what reads it.
struct Kind {
  std::string_view name;
  Status (*apply)(std::string_view json, ProjectSettings& into);
};
constexpr Kind kKinds[] = {
    {"admission", apply_admission},
    {"merges", apply_merges},
    {"cookieless", apply_cookieless},
    {"ingestion", apply_ingestion},
    {"remote_config", apply_remote_config},
    {"feature_flags", apply_feature_flags},
    {"surveys", apply_surveys},
    {"early_access_features", apply_early_access},
    {"web_experiments", apply_experiments},
    {"product_tours", apply_tours},
    {"test_account_filters", apply_test_accounts},
};

}  // namespace

std::string_view ProjectSettings::text(std::string_view name) const {
  const auto found = std::ranges::find(entries, name, &Entry::name);
  return found == entries.end() ? "{}" : std::string_view(found->json);
}

const std::vector<std::string_view>& setting_names() {
  static const std::vector<std::string_view> all = [] {
    std::vector<std::string_view> out;
    for (const Kind& kind : kKinds) out.push_back(kind.name);
    return out;
  }();
  return all;
}

Status apply_setting(std::string_view name, std::string_view json, ProjectSettings& into) {
  const auto* kind = std::ranges::find(kKinds, name, &Kind::name);
  if (kind == std::end(kKinds)) {
    return fail(Code::kNotFound, fmt::format("there is no setting {}; the settings are {}", name,
                                             fmt::join(setting_names(), ", ")));
  }
  if (json.size() > kSettingBytesMax) {
    return fail(Code::kInvalid, fmt::format("{}: more than {} bytes", name, kSettingBytesMax));
  }
  PENSTOCK_CHECK(kind->apply(json, into));
  const auto found = std::ranges::find(into.entries, name, &ProjectSettings::Entry::name);
  if (found == into.entries.end()) {
    into.entries.push_back({std::string(name), std::string(json)});
  } else {
    found->json = json;
  }
  return {};
}

}  // namespace penstock::catalog
