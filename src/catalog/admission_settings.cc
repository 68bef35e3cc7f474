#include "catalog/admission_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "event/json_fields.h"
#include "event/timestamp.h"

namespace penstock::catalog {
namespace {

using event::JsonFields;
using event::JsonType;

constexpr size_t kRestrictionsMax = 1000;
constexpr size_t kListMax = 10'000;
constexpr uint64_t kWeightMax = 1000;
constexpr uint64_t kRateMax = 10'000'000;
constexpr uint64_t kBytesMax = uint64_t{1} << 40;
constexpr uint64_t kDaysMax = 36'500;

constexpr std::array<std::string_view, kQuotaResources> kResourceNames{
    "events", "exceptions", "surveys", "llm_events", "recordings", "feature_flags"};
constexpr std::array<std::string_view, 5> kTypeNames{
    "drop_event_from_ingestion", "force_overflow_from_ingestion", "redirect_to_dlq",
    "skip_person_processing", "redirect_to_topic"};
constexpr std::array<std::pair<std::string_view, Pipeline>, 4> kPipelines{{
    {"analytics", Pipeline::kAnalytics},
    {"session_recordings", Pipeline::kRecordings},
    {"ai", Pipeline::kAi},
    {"errortracking", Pipeline::kErrorTracking},
}};

std::unexpected<Error> wrong(std::string_view where, std::string_view what) {
  return fail(Code::kInvalid, fmt::format("admission: {} {}", where, what));
}

Result<JsonFields> object(std::string_view raw, std::string_view where) {
  auto fields = JsonFields::parse(raw);
  if (!fields) return wrong(where, "is not an object");
  return fields;
}

Result<uint64_t> number(std::string_view raw, std::string_view where, uint64_t min, uint64_t max) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error != std::errc() || end != raw.data() + raw.size() || value < min || value > max) {
    return wrong(where, fmt::format("is not a whole number from {} to {}", min, max));
  }
  return value;
}

Result<std::string> text(std::string_view raw, std::string_view where) {
  if (event::json_type(raw) != JsonType::kString) return wrong(where, "is not a string");
  return event::decode_string(raw);
}

Result<std::vector<std::string_view>> list(std::string_view raw, std::string_view where,
                                           size_t count_max) {
  if (event::json_type(raw) != JsonType::kArray) return wrong(where, "is not a list");
  auto items = event::split_array(raw);
  if (!items) return wrong(where, "is not a list");
  if (items->size() > count_max) {
    return wrong(where, fmt::format("has more than {} entries", count_max));
  }
  return items;
}

Result<std::vector<std::string>> texts(std::string_view raw, std::string_view where) {
  PENSTOCK_TRY(const auto items, list(raw, where, kListMax));
  std::vector<std::string> out;
  for (const std::string_view item : items) {
    PENSTOCK_TRY(auto one, text(item, where));
    out.push_back(std::move(one));
  }
  std::ranges::sort(out);
  return out;
}

Result<std::vector<Uuid>> uuids(std::string_view raw, std::string_view where) {
  PENSTOCK_TRY(const auto items, texts(raw, where));
  std::vector<Uuid> out;
  for (const std::string& item : items) {
    const auto uuid = Uuid::parse(item);
    if (!uuid) return wrong(where, "holds something that is not a UUID: " + item);
    out.push_back(*uuid);
  }
  std::ranges::sort(out);
  return out;
}

Status read_overflow(std::string_view raw, AdmissionSettings& out) {
  PENSTOCK_TRY(const auto fields, object(raw, "overflow"));
  OverflowLimit limit;
  for (const auto& [key, value] : fields.fields()) {
    PENSTOCK_TRY(const uint64_t n, number(value, "overflow." + std::string(key), 0, kRateMax));
    if (key == "events_per_second") {
      limit.events_per_second = static_cast<uint32_t>(n);
    } else if (key == "burst") {
      limit.burst = static_cast<uint32_t>(n);
    } else {
      return wrong("overflow", fmt::format("has no member {}", key));
    }
  }
  out.overflow = limit;
  return {};
}

Status read_ai_bytes(std::string_view raw, AdmissionSettings& out) {
  PENSTOCK_TRY(const auto fields, object(raw, "ai_bytes"));
  ByteRate rate;
  for (const auto& [key, value] : fields.fields()) {
    PENSTOCK_TRY(const uint64_t n, number(value, "ai_bytes." + std::string(key), 1, kBytesMax));
    if (key == "bytes_per_second") {
      rate.bytes_per_second = n;
    } else if (key == "burst") {
      rate.burst = n;
    } else {
      return wrong("ai_bytes", fmt::format("has no member {}", key));
    }
  }
  out.ai_bytes = rate;
  return {};
}

Status read_quota(std::string_view raw, AdmissionSettings& out) {
  PENSTOCK_TRY(const auto fields, object(raw, "an entry of quotas"));
  std::optional<QuotaResource> resource;
  Quota quota;
  for (const auto& [key, value] : fields.fields()) {
    if (key == "resource") {
      PENSTOCK_TRY(const std::string name, text(value, "quotas.resource"));
      resource = quota_resource_named(name);
      if (!resource) {
        return wrong("quotas.resource", fmt::format("is {}; it can be events, exceptions, surveys, "
                                                    "llm_events, recordings or feature_flags",
                                                    name));
      }
    } else if (key == "events_per_month_max") {
      if (event::json_type(value) == JsonType::kNull) continue;
      PENSTOCK_TRY(quota.events_per_month_max,
                   number(value, "quotas.events_per_month_max", 0, INT64_MAX));
    } else if (key == "limited_until") {
      if (event::json_type(value) == JsonType::kNull) continue;
      PENSTOCK_TRY(const std::string when, text(value, "quotas.limited_until"));
      const auto ms = event::parse_timestamp_ms(when);
      if (!ms) return wrong("quotas.limited_until", "is not a time");
      quota.limited_until_ms = *ms;
    } else {
      return wrong("quotas", fmt::format("has no member {}", key));
    }
  }
  if (!resource) return wrong("an entry of quotas", "has no resource");
  out.quotas[static_cast<size_t>(*resource)] = quota;
  return {};
}

Result<uint8_t> pipelines(std::string_view raw) {
  PENSTOCK_TRY(const auto names, texts(raw, "restrictions.pipelines"));
  uint8_t bits = 0;
  for (const std::string& name : names) {
    const auto* found =
        std::ranges::find(kPipelines, name, &decltype(kPipelines)::value_type::first);
    if (found == kPipelines.end()) {
      return wrong("restrictions.pipelines",
                   fmt::format("holds {}; there are analytics, session_recordings, ai and "
                               "errortracking",
                               name));
    }
    bits |= static_cast<uint8_t>(found->second);
  }
  return bits == 0 ? uint8_t{0xff} : bits;
}

bool is_topic_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

Status read_restriction_member(std::string_view key, std::string_view value, EventRestriction& out,
                               bool& typed) {
  if (key == "type") {
    PENSTOCK_TRY(const std::string name, text(value, "restrictions.type"));
    const auto* found = std::ranges::find(kTypeNames, name);
    if (found == kTypeNames.end()) {
      return wrong("restrictions.type",
                   fmt::format("is {}; it can be {}", name, fmt::join(kTypeNames, ", ")));
    }
    out.type = static_cast<RestrictionType>(found - kTypeNames.begin());
    typed = true;
  } else if (key == "pipelines") {
    PENSTOCK_TRY(out.pipelines, pipelines(value));
  } else if (key == "distinct_ids") {
    PENSTOCK_TRY(out.distinct_ids, texts(value, "restrictions.distinct_ids"));
  } else if (key == "session_ids") {
    PENSTOCK_TRY(out.session_ids, texts(value, "restrictions.session_ids"));
  } else if (key == "event_names") {
    PENSTOCK_TRY(out.event_names, texts(value, "restrictions.event_names"));
  } else if (key == "event_uuids") {
    PENSTOCK_TRY(out.event_uuids, uuids(value, "restrictions.event_uuids"));
  } else if (key == "topic") {
    PENSTOCK_TRY(out.topic, text(value, "restrictions.topic"));
  } else {
    return wrong("restrictions", fmt::format("has no member {}", key));
  }
  return {};
}

Status read_restriction(std::string_view raw, AdmissionSettings& out) {
  PENSTOCK_TRY(const auto fields, object(raw, "an entry of restrictions"));
  EventRestriction restriction;
  bool typed = false;
  for (const auto& [key, value] : fields.fields()) {
    PENSTOCK_CHECK(read_restriction_member(key, value, restriction, typed));
  }
  if (!typed) return wrong("an entry of restrictions", "has no type");
  const bool redirects = restriction.type == RestrictionType::kRedirectTopic;
  if (redirects != is_topic_name(restriction.topic)) {
    return wrong("restrictions.topic", redirects ? "is needed: 1 to 64 of a-z, 0-9 and _"
                                                 : "is only for redirect_to_topic");
  }
  out.restrictions.push_back(std::move(restriction));
  return {};
}

Status read_origins(std::string_view raw, AdmissionSettings& out) {
  PENSTOCK_TRY(out.cors_origins, texts(raw, "cors_origins"));
  for (std::string& origin : out.cors_origins) {
    std::ranges::transform(origin, origin.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    const size_t at = origin.find("://");
    if (at == std::string::npos || origin.find('/', at + 3) != std::string::npos) {
      return wrong("cors_origins", fmt::format("holds {}; an origin is a scheme and a host, such "
                                               "as https://app.example.com",
                                               origin));
    }
  }
  std::ranges::sort(out.cors_origins);
  return {};
}

Status read_member(std::string_view key, std::string_view value, AdmissionSettings& out) {
  if (key == "weight") {
    PENSTOCK_TRY(const uint64_t n, number(value, key, 1, kWeightMax));
    out.weight = static_cast<uint32_t>(n);
  } else if (key == "cors_origins") {
    return read_origins(value, out);
  } else if (key == "overflow") {
    if (event::json_type(value) == JsonType::kNull) return {};
    return read_overflow(value, out);
  } else if (key == "ai_bytes") {
    if (event::json_type(value) == JsonType::kNull) return {};
    return read_ai_bytes(value, out);
  } else if (key == "historical_only") {
    if (event::json_type(value) != JsonType::kBool) return wrong(key, "is not true or false");
    out.historical_only = value == "true";
  } else if (key == "historical_after_days") {
    if (event::json_type(value) == JsonType::kNull) return {};
    PENSTOCK_TRY(const uint64_t n, number(value, key, 0, kDaysMax));
    out.historical_after_days = static_cast<int32_t>(n);
  } else if (key == "quotas") {
    PENSTOCK_TRY(const auto items, list(value, key, kQuotaResources));
    for (const std::string_view item : items) PENSTOCK_CHECK(read_quota(item, out));
  } else if (key == "restrictions") {
    PENSTOCK_TRY(const auto items, list(value, key, kRestrictionsMax));
    for (const std::string_view item : items) PENSTOCK_CHECK(read_restriction(item, out));
  } else {
    return wrong("it", fmt::format("has no member {}", key));
  }
  return {};
}

}  // namespace

std::string_view quota_resource_name(QuotaResource resource) {
  return kResourceNames[static_cast<size_t>(resource)];
}

std::optional<QuotaResource> quota_resource_named(std::string_view name) {
  const auto* found = std::ranges::find(kResourceNames, name);
  if (found == kResourceNames.end()) return std::nullopt;
  return static_cast<QuotaResource>(found - kResourceNames.begin());
}

std::string_view restriction_type_name(RestrictionType type) {
  return kTypeNames[static_cast<size_t>(type)];
}

Result<AdmissionSettings> parse_admission(std::string_view json) {
  PENSTOCK_TRY(const auto fields, object(json, "the setting"));
  AdmissionSettings out;
  for (const auto& [key, value] : fields.fields()) PENSTOCK_CHECK(read_member(key, value, out));
  return out;
}

}  // namespace penstock::catalog
