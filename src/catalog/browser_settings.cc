#include "catalog/browser_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "catalog/settings/reader.h"

namespace penstock::catalog {
namespace {

using event::JsonType;

constexpr size_t kConfigBytesMax = 64U << 10;  // every visitor of a site receives it
constexpr size_t kListBytesMax = 1U << 20;
constexpr size_t kEntriesMax = 1000;

enum Types : uint8_t { kNull = 1, kBool = 2, kNumber = 4, kText = 8, kList = 16, kObject = 32 };
constexpr std::array<std::pair<Types, std::string_view>, 6> kTypeNames{{{kBool, "true or false"},
                                                                        {kNumber, "a number"},
                                                                        {kText, "a string"},
                                                                        {kList, "a list"},
                                                                        {kObject, "an object"},
                                                                        {kNull, "null"}}};

/// One member of the config: its types, and its own members when it may be an object.
struct Rule {
  std::string_view name;
  uint8_t types;
  std::span<const Rule> members = {};  // empty: any
};

constexpr Rule kPerformance[] = {{"network_timing", kBool},
                                 {"web_vitals", kBool},
                                 {"web_vitals_allowed_metrics", kList | kNull}};
constexpr Rule kEndpoint[] = {{"endpoint", kText}};
constexpr Rule kErrorTracking[] = {{"autocaptureExceptions", kBool},
                                   {"captureExtensionExceptions", kBool},
                                   {"suppressionRules", kList}};
constexpr Rule kLogs[] = {{"captureConsoleLogs", kBool}};
constexpr Rule kPayloads[] = {{"recordBody", kBool | kNull}, {"recordHeaders", kBool | kNull}};
constexpr Rule kMasking[] = {{"maskAllInputs", kBool | kNull},
                             {"maskTextSelector", kText | kNull},
                             {"blockSelector", kText | kNull},
                             {"maskAllElementAttributes", kBool | kNull}};
constexpr Rule kScript[] = {{"script", kText | kNull}};
constexpr Rule kRecording[] = {{"endpoint", kText},
                               {"consoleLogRecordingEnabled", kBool},
                               {"recorderVersion", kText},
                               {"sampleRate", kText | kNull},
                               {"minimumDurationMilliseconds", kNumber | kNull},
                               {"linkedFlag", kText | kObject | kNull},
                               {"networkPayloadCapture", kObject | kNull, kPayloads},
                               {"masking", kObject | kNull, kMasking},
                               {"urlTriggers", kList | kNull},
                               {"urlBlocklist", kList | kNull},
                               {"eventTriggers", kList | kNull},
                               {"triggerMatchType", kText | kNull},
                               {"version", kNumber},
                               {"triggerGroups", kList | kNull},
                               {"recordCanvas", kBool | kNull},
                               {"canvasFps", kNumber | kNull},
                               {"canvasQuality", kText | kNull},
                               {"scriptConfig", kObject | kNull, kScript}};
constexpr Rule kConfig[] = {{"supportedCompression", kList},
                            {"autocapture_opt_out", kBool},
                            {"capturePerformance", kBool | kObject, kPerformance},
                            {"captureDeadClicks", kBool},
                            {"autocaptureExceptions", kBool | kObject, kEndpoint},
                            {"analytics", kObject, kEndpoint},
                            {"elementsChainAsString", kBool},
                            {"errorTracking", kObject, kErrorTracking},
                            {"logs", kObject, kLogs},
                            {"sessionRecording", kBool | kObject, kRecording},
                            {"surveys", kBool | kList},
                            {"productTours", kBool},
                            {"heatmaps", kBool},
                            {"defaultIdentifiedOnly", kBool},
                            {"toolbarParams", kObject},
                            {"conversations", kBool | kObject}};
/// Members that follow from the project and cannot be written.
constexpr std::string_view kDecided[] = {"token", "hasFeatureFlags", "siteApps", "isAuthenticated",
                                         "quotaLimited"};

constexpr SettingReader kRead{"remote_config"};

Types type_of(std::string_view raw) {
  switch (event::json_type(raw)) {
    case JsonType::kNull: return kNull;
    case JsonType::kBool: return kBool;
    case JsonType::kNumber: return kNumber;
    case JsonType::kString: return kText;
    case JsonType::kArray: return kList;
    case JsonType::kObject: return kObject;
  }
  return kNull;
}

std::string names_of(uint8_t types) {
  std::vector<std::string_view> out;
  for (const auto& [type, name] : kTypeNames) {
    if ((types & type) != 0) out.push_back(name);
  }
  return fmt::format("{}", fmt::join(out, " or "));
}

/// What a type alone does not say.
Status check_value(std::string_view where, std::string_view raw) {
  if (where.ends_with("endpoint")) {
    PENSTOCK_TRY(const std::string path, kRead.text(raw, where));
    if (!path.starts_with('/')) return kRead.wrong(where, "is a path: it begins with /");
  } else if (where == "sessionRecording.sampleRate" && !is_null(raw)) {
    PENSTOCK_TRY(const std::string rate, kRead.text(raw, where));
    double value = -1;
    const auto [end, error] = std::from_chars(rate.data(), rate.data() + rate.size(), value);
    if (error != std::errc() || end != rate.data() + rate.size() || !(value >= 0 && value <= 1)) {
      return kRead.wrong(where, R"(is a number from 0 to 1 in a string, such as "0.25")");
    }
  } else if (where == "supportedCompression") {
    PENSTOCK_TRY(const auto items, kRead.list(raw, where, kEntriesMax));
    for (const std::string_view item : items) {
      if (item != R"("gzip")" && item != R"("gzip-js")" && item != R"("base64")") {
        return kRead.wrong(where, "can hold gzip, gzip-js and base64");
      }
    }
  } else if (event::json_type(raw) == JsonType::kArray) {
    PENSTOCK_CHECK(kRead.list(raw, where, kEntriesMax));
  }
  return {};
}

Status check_member(std::string_view where, std::string_view raw, const Rule& rule) {
  if ((rule.types & type_of(raw)) == 0) {
    return kRead.wrong(where, "can be " + names_of(rule.types));
  }
  return check_value(where, raw);
}

const Rule* rule_named(std::span<const Rule> rules, std::string_view name) {
  const auto found = std::ranges::find(rules, name, &Rule::name);
  return found == rules.end() ? nullptr : &*found;
}

/// Depth is bounded by the rules: none holds more than three levels.
Status check_object(const event::JsonFields& fields, std::string_view prefix,
                    std::span<const Rule> rules) {
  for (const auto& [key, raw] : fields.fields()) {
    const std::string where = std::string(prefix) + std::string(key);
    if (prefix.empty() && std::ranges::find(kDecided, key) != std::end(kDecided)) {
      return kRead.wrong(where, "is decided by Penstock");
    }
    const Rule* rule = rule_named(rules, key);
    if (rule == nullptr) return kRead.wrong(where, "is not known to posthog-js");
    PENSTOCK_CHECK(check_member(where, raw, *rule));
    if (rule->members.empty() || event::json_type(raw) != JsonType::kObject) continue;
    PENSTOCK_TRY(const auto inner, kRead.object(raw, where));
    PENSTOCK_CHECK(check_object(inner, where + ".", rule->members));
  }
  return {};
}

/// The member of a list setting that holds the list, by the setting's name.
std::string_view list_member(std::string_view setting) {
  if (setting == "early_access_features") return "earlyAccessFeatures";
  if (setting == "web_experiments") return "experiments";
  return setting;
}

}  // namespace

const std::string* RemoteConfig::find(std::string_view name) const {
  const auto found = std::ranges::find(members, name, &Member::name);
  return found == members.end() ? nullptr : &found->json;
}

Result<RemoteConfig> parse_remote_config(std::string_view json) {
  if (json.size() > kConfigBytesMax) {
    return kRead.wrong("it", fmt::format("has more than {} bytes", kConfigBytesMax));
  }
  PENSTOCK_TRY(const auto fields, kRead.object(json, "the setting"));
  PENSTOCK_CHECK(check_object(fields, "", kConfig));
  RemoteConfig out;
  for (const auto& [key, raw] : fields.fields()) {
    out.members.push_back({std::string(key), event::replace_lone_surrogates(raw)});
  }
  return out;
}

Result<BrowserList> parse_browser_list(std::string_view setting, std::string_view json) {
  const SettingReader read(setting);
  if (json.size() > kListBytesMax) {
    return read.wrong("it", fmt::format("has more than {} bytes", kListBytesMax));
  }
  PENSTOCK_TRY(auto fields, read.object(json, "the setting"));
  const std::string_view member = list_member(setting);
  BrowserList out;
  if (fields.empty()) return out;
  for (const auto& [key, raw] : fields.fields()) {
    if (setting == "surveys" && key == "survey_config") {
      if (!is_null(raw)) PENSTOCK_CHECK(read.object(raw, key));
      continue;
    }
    if (key != member) {
      return read.wrong("it", fmt::format("has no member {}; it holds {}", key, member));
    }
    PENSTOCK_TRY(const auto items, read.list(raw, key, kEntriesMax));
    for (const std::string_view item : items) {
      PENSTOCK_TRY(const auto entry, read.object(item, fmt::format("an entry of {}", key)));
      if (!entry.contains("id") && !entry.contains("flagKey")) {
        return read.wrong(fmt::format("an entry of {}", key), "has no id");
      }
    }
    out.count = items.size();
  }
  if (!fields.contains(member)) fields.set(member, "[]");
  out.json = event::replace_lone_surrogates(fields.text());
  return out;
}

}  // namespace penstock::catalog
