#include "catalog/feature_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "catalog/settings/reader.h"

namespace penstock::catalog {
namespace {

using event::JsonFields;
using event::JsonType;

constexpr size_t kFlagsMax = 2000;
constexpr size_t kConditionsMax = 200;
constexpr size_t kVariantsMax = 200;
constexpr size_t kPropertiesMax = 200;
constexpr size_t kKeyBytesMax = 400;
constexpr SettingReader kRead{"feature_flags"};

/// A member that may be absent or null.
std::optional<std::string_view> member(const JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  return raw && !is_null(*raw) ? raw : std::nullopt;
}

Status read_bool(const JsonFields& fields, std::string_view key, const std::string& where,
                 bool& out) {
  const auto raw = member(fields, key);
  if (!raw) return {};
  PENSTOCK_TRY(out, kRead.boolean(*raw, fmt::format("{}.{}", where, key)));
  return {};
}

FlagNeeds needs_of(std::string_view type) {
  if (type == "cohort") return FlagNeeds::kCohort;
  if (type == "flag") return FlagNeeds::kDependency;
  if (type == "group") return FlagNeeds::kGroup;
  return FlagNeeds::kProperties;
}

Status read_properties(std::string_view raw, const std::string& where, FlagCondition& out) {
  PENSTOCK_TRY(const auto items, kRead.list(raw, where, kPropertiesMax));
  for (const std::string_view item : items) {
    PENSTOCK_TRY(const auto fields, kRead.object(item, "an entry of " + where));
    std::string type;
    if (const auto text = member(fields, "type")) {
      PENSTOCK_TRY(type, kRead.text(*text, where + ".type"));
    }
    if (out.needs == FlagNeeds::kNothing) out.needs = needs_of(type);
  }
  return {};
}

Status read_condition(std::string_view raw, const std::string& where, FeatureFlag& out) {
  PENSTOCK_TRY(const auto fields, kRead.object(raw, "an entry of " + where));
  FlagCondition condition;
  if (const auto rollout = member(fields, "rollout_percentage")) {
    PENSTOCK_TRY(condition.rollout_percentage,
                 kRead.percentage(*rollout, where + ".rollout_percentage"));
  }
  if (const auto variant = member(fields, "variant")) {
    PENSTOCK_TRY(condition.variant, kRead.text(*variant, where + ".variant"));
  }
  if (const auto properties = member(fields, "properties")) {
    PENSTOCK_CHECK(read_properties(*properties, where + ".properties", condition));
  }
  if (member(fields, "aggregation_group_type_index")) condition.needs = FlagNeeds::kGroup;
  out.conditions.push_back(std::move(condition));
  return {};
}

Status read_variants(std::string_view raw, const std::string& where, FeatureFlag& out) {
  PENSTOCK_TRY(const auto multivariate, kRead.object(raw, where));
  const auto variants = member(multivariate, "variants");
  if (!variants) return {};
  PENSTOCK_TRY(const auto items, kRead.list(*variants, where + ".variants", kVariantsMax));
  double total = 0;
  for (const std::string_view item : items) {
    PENSTOCK_TRY(const auto fields, kRead.object(item, "an entry of " + where + ".variants"));
    const auto key = member(fields, "key"), rollout = member(fields, "rollout_percentage");
    if (!key || !rollout) {
      return kRead.wrong("an entry of " + where + ".variants", "needs key and rollout_percentage");
    }
    FlagVariant variant;
    PENSTOCK_TRY(variant.key, kRead.text(*key, where + ".variants.key"));
    PENSTOCK_TRY(variant.rollout_percentage,
                 kRead.percentage(*rollout, where + ".variants.rollout_percentage"));
    total += variant.rollout_percentage;
    out.variants.push_back(std::move(variant));
  }
  if (total > 100.000001)
    return kRead.wrong(where + ".variants", "add up to more than 100 percent");
  return {};
}

/// `holdout` as it is written today, or the first of the older `holdout_groups`.
Status read_holdout(const JsonFields& filters, const std::string& where, FeatureFlag& out) {
  FlagHoldout holdout;
  if (const auto raw = member(filters, "holdout")) {
    PENSTOCK_TRY(const auto fields, kRead.object(*raw, where + ".holdout"));
    const auto id = member(fields, "id"), share = member(fields, "exclusion_percentage");
    if (!id || !share) return {};
    const bool quoted = event::json_type(*id) == JsonType::kString;
    holdout.variant = "holdout-" + (quoted ? event::decode_string(*id) : std::string(*id));
    PENSTOCK_TRY(holdout.exclusion_percentage,
                 kRead.percentage(*share, where + ".holdout.exclusion_percentage"));
    out.holdout = holdout;
    return {};
  }
  const auto raw = member(filters, "holdout_groups");
  if (!raw) return {};
  PENSTOCK_TRY(const auto items, kRead.list(*raw, where + ".holdout_groups", kConditionsMax));
  if (items.empty()) return {};
  PENSTOCK_TRY(const auto fields, kRead.object(items.front(), where + ".holdout_groups"));
  const auto variant = member(fields, "variant"), share = member(fields, "rollout_percentage");
  if (!variant || !share) return {};
  PENSTOCK_TRY(holdout.variant, kRead.text(*variant, where + ".holdout_groups.variant"));
  PENSTOCK_TRY(holdout.exclusion_percentage, kRead.percentage(*share, where + ".holdout_groups"));
  out.holdout = holdout;
  return {};
}

Status read_payloads(std::string_view raw, const std::string& where, FeatureFlag& out) {
  PENSTOCK_TRY(const auto fields, kRead.object(raw, where));
  for (const auto& [key, value] : fields.fields()) {
    if (is_null(value)) continue;
    // SDKs parse a payload: it travels as JSON text in a string.
    std::string text;
    if (event::json_type(value) == JsonType::kString) {
      text = event::replace_lone_surrogates(value);
    } else {
      event::append_json_string(text, event::replace_lone_surrogates(value));
    }
    out.payloads.emplace_back(key, std::move(text));
  }
  return {};
}

Result<bool> has_entries(const JsonFields& filters, std::string_view key,
                         const std::string& where) {
  const auto raw = member(filters, key);
  if (!raw) return false;
  PENSTOCK_TRY(const auto items, kRead.list(*raw, where + "." + std::string(key), kConditionsMax));
  return !items.empty();
}

Status read_filters(std::string_view raw, const std::string& where, FeatureFlag& out) {
  PENSTOCK_TRY(const auto filters, kRead.object(raw, where));
  if (const auto groups = member(filters, "groups")) {
    PENSTOCK_TRY(const auto items, kRead.list(*groups, where + ".groups", kConditionsMax));
    for (const std::string_view item : items) {
      PENSTOCK_CHECK(read_condition(item, where + ".groups", out));
    }
  }
  if (const auto multivariate = member(filters, "multivariate")) {
    PENSTOCK_CHECK(read_variants(*multivariate, where + ".multivariate", out));
  }
  if (const auto payloads = member(filters, "payloads")) {
    PENSTOCK_CHECK(read_payloads(*payloads, where + ".payloads", out));
  }
  PENSTOCK_CHECK(read_holdout(filters, where, out));
  PENSTOCK_CHECK(read_bool(filters, "early_exit", where, out.early_exit));
  bool enrollment = false;
  PENSTOCK_CHECK(read_bool(filters, "feature_enrollment", where, enrollment));
  PENSTOCK_TRY(const bool super, has_entries(filters, "super_groups", where));
  if (enrollment || super) out.needs = FlagNeeds::kEnrollment;
  if (const auto group = member(filters, "aggregation_group_type_index")) {
    PENSTOCK_CHECK(kRead.whole(*group, where + ".aggregation_group_type_index", 0, 100));
    out.needs = FlagNeeds::kGroup;
  }
  if (const auto by = member(filters, "bucketing_identifier")) {
    out.by_device = *by == R"("device_id")";
  }
  return {};
}

Status read_runtime(const JsonFields& fields, const std::string& where, FeatureFlag& out) {
  if (const auto raw = member(fields, "evaluation_runtime")) {
    PENSTOCK_TRY(const std::string runtime, kRead.text(*raw, where + ".evaluation_runtime"));
    if (runtime != "all" && runtime != "client" && runtime != "server") {
      return kRead.wrong(where + ".evaluation_runtime", "can be all, client or server");
    }
    out.runtime = runtime == "client"   ? FlagRuntime::kClient
                  : runtime == "server" ? FlagRuntime::kServer
                                        : FlagRuntime::kAll;
  }
  for (const char* key : {"evaluation_contexts", "evaluation_tags"}) {
    const auto raw = member(fields, key);
    if (!raw) continue;
    const std::string path = fmt::format("{}.{}", where, key);
    PENSTOCK_TRY(const auto items, kRead.list(*raw, path, kPropertiesMax));
    for (const std::string_view item : items) {
      PENSTOCK_TRY(auto context, kRead.text(item, path));
      out.contexts.push_back(std::move(context));
    }
  }
  return {};
}

/// What SDKs take for granted is written out, so that they read the flag as Penstock does.
void fill_in(JsonFields& fields) {
  if (!fields.contains("active")) fields.set("active", "true");
  if (!fields.contains("name")) fields.set("name", R"("")");
  if (!fields.contains("version")) fields.set("version", "1");
  if (!fields.contains("filters")) fields.set("filters", R"({"groups":[]})");
}

Result<FeatureFlag> read_flag(std::string_view raw, bool& deleted) {
  PENSTOCK_TRY(auto fields, kRead.object(raw, "an entry of flags"));
  FeatureFlag out;
  const auto key = member(fields, "key");
  if (!key) return kRead.wrong("an entry of flags", "has no key");
  PENSTOCK_TRY(out.key, kRead.text(*key, "flags.key"));
  if (out.key.empty() || out.key.size() > kKeyBytesMax) {
    return kRead.wrong("flags.key", fmt::format("has 1 to {} characters", kKeyBytesMax));
  }
  const std::string& where = out.key;
  const auto id = member(fields, "id");
  if (!id) return kRead.wrong(where, "has no id");
  PENSTOCK_TRY(out.id, kRead.whole(*id, where + ".id", 1, INT32_MAX));
  if (const auto name = member(fields, "name")) {
    PENSTOCK_TRY(out.name, kRead.text(*name, where + ".name"));
  }
  if (const auto version = member(fields, "version")) {
    PENSTOCK_TRY(out.version, kRead.whole(*version, where + ".version", 0, INT32_MAX));
  }
  PENSTOCK_CHECK(read_bool(fields, "active", where, out.active));
  PENSTOCK_CHECK(read_bool(fields, "deleted", where, deleted));
  PENSTOCK_CHECK(read_bool(fields, "has_experiment", where, out.has_experiment));
  PENSTOCK_CHECK(read_bool(fields, "ensure_experience_continuity", where, out.continuity));
  PENSTOCK_TRY(const bool experiments, has_entries(fields, "experiment_set", where));
  out.has_experiment = out.has_experiment || experiments;
  PENSTOCK_CHECK(read_runtime(fields, where, out));
  fill_in(fields);
  if (const auto filters = member(fields, "filters")) {
    PENSTOCK_CHECK(read_filters(*filters, where + ".filters", out));
  }
  if (const auto by = member(fields, "bucketing_identifier")) {
    out.by_device = *by == R"("device_id")";
  }
  out.json = event::replace_lone_surrogates(fields.text());
  return out;
}

Status read_flags(std::string_view raw, FeatureFlags& out) {
  PENSTOCK_TRY(const auto items, kRead.list(raw, "flags", kFlagsMax));
  std::set<std::string> keys;
  std::set<int64_t> ids;
  for (const std::string_view item : items) {
    bool deleted = false;
    PENSTOCK_TRY(auto flag, read_flag(item, deleted));
    if (!ids.insert(flag.id).second) return kRead.wrong(flag.key, "has the id of another flag");
    if (deleted) continue;
    if (!keys.insert(flag.key).second) return kRead.wrong(flag.key, "is there twice");
    out.flags.push_back(std::move(flag));
  }
  return {};
}

}  // namespace

const std::string* FeatureFlag::payload(std::string_view variant_or_true) const {
  const auto found =
      std::ranges::find(payloads, variant_or_true, &std::pair<std::string, std::string>::first);
  return found == payloads.end() ? nullptr : &found->second;
}

bool FeatureFlags::any_active() const {
  return std::ranges::any_of(flags, [](const FeatureFlag& f) { return f.active; });
}

const FeatureFlag* FeatureFlags::find(std::string_view key) const {
  const auto found = std::ranges::find(flags, key, &FeatureFlag::key);
  return found == flags.end() ? nullptr : &*found;
}

Result<FeatureFlags> parse_feature_flags(std::string_view json) {
  PENSTOCK_TRY(const auto fields, kRead.object(json, "the setting"));
  FeatureFlags out;
  for (const auto& [key, value] : fields.fields()) {
    if (key == "flags") {
      PENSTOCK_CHECK(read_flags(value, out));
    } else if (key == "group_type_mapping" || key == "cohorts") {
      PENSTOCK_CHECK(kRead.object(value, key));
      (key == "cohorts" ? out.cohorts : out.group_type_mapping) =
          event::replace_lone_surrogates(value);
    } else {
      return kRead.wrong("it", fmt::format("has no member {}", key));
    }
  }
  return out;
}

}  // namespace penstock::catalog
