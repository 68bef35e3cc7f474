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

/// Every setting there is: its name and what reads it.
struct Kind {
  std::string_view name;
  Status (*apply)(std::string_view json, ProjectSettings& into);
};
constexpr Kind kKinds[] = {
    {"admission", apply_admission},
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
