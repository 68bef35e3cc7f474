#include "capture/browser/flags_answer.h"

#include <algorithm>

#include "base/json_writer.h"

namespace penstock::capture {
namespace {

void write_value(JsonWriter& w, const FlagDecision& d) {
  if (d.variant.empty()) {
    w.boolean(d.enabled);
  } else {
    w.string(d.variant);
  }
}

void write_reason(JsonWriter& w, const FlagDecision& d) {
  w.key("reason").begin_object().field("code", d.reason_code).key("condition_index");
  if (d.condition_index) {
    w.number(*d.condition_index);
  } else {
    w.null();
  }
  w.field("description", d.description).end_object();
}

void write_metadata(JsonWriter& w, const FlagDecision& d, bool typed) {
  w.key("metadata").begin_object().field("id", d.flag->id).field("version", d.flag->version);
  if (typed) w.field("config_version", 1);
  w.key("description").null().key("payload");
  if (const std::string* payload = d.payload()) {
    w.raw(*payload);
  } else {
    w.null();
  }
  w.field("has_experiment", d.flag->has_experiment);
  if (typed && !d.variant.empty()) w.field("variant_key", d.variant);
  w.end_object();
}

void write_details(JsonWriter& w, const FlagsAnswer& answer, bool typed) {
  w.key("flags").begin_object();
  for (const FlagDecision& d : answer.decisions) {
    w.key(d.flag->key).begin_object().field("key", d.flag->key);
    if (typed) {
      w.key("value");
      write_value(w, d);
    } else {
      w.field("enabled", d.enabled).key("variant");
      if (d.variant.empty()) {
        w.null();
      } else {
        w.string(d.variant);
      }
    }
    if (d.failed) w.field("failed", true);
    write_reason(w, d);
    write_metadata(w, d, typed);
    w.end_object();
  }
  w.end_object();
}

void write_legacy(JsonWriter& w, const FlagsAnswer& answer) {
  w.key("featureFlags").begin_object();
  for (const FlagDecision& d : answer.decisions) {
    if (d.failed) continue;
    w.key(d.flag->key);
    write_value(w, d);
  }
  w.end_object().key("featureFlagPayloads").begin_object();
  for (const FlagDecision& d : answer.decisions) {
    if (const std::string* payload = d.payload()) w.key(d.flag->key).raw(*payload);
  }
  w.end_object();
}

void write_enabled_values(JsonWriter& w, const FlagsAnswer& answer) {
  w.key("featureFlags").begin_object();
  for (const FlagDecision& d : answer.decisions) {
    if (!d.enabled) continue;
    w.key(d.flag->key);
    write_value(w, d);
  }
  w.end_object();
}

void write_enabled_keys(JsonWriter& w, const FlagsAnswer& answer) {
  w.key("featureFlags").begin_array();
  for (const FlagDecision& d : answer.decisions) {
    if (d.enabled) w.string(d.flag->key);
  }
  w.end_array();
}

}  // namespace

std::string flags_body(FlagsShape shape, const FlagsAnswer& answer) {
  JsonWriter w;
  w.begin_object();
  if (shape <= FlagsShape::kLegacy) {
    w.field("errorsWhileComputingFlags",
            std::ranges::any_of(answer.decisions, &FlagDecision::failed));
  }
  switch (shape) {
    case FlagsShape::kValues: write_details(w, answer, true); break;
    case FlagsShape::kDetails: write_details(w, answer, false); break;
    case FlagsShape::kLegacy: write_legacy(w, answer); break;
    case FlagsShape::kEnabledValues: write_enabled_values(w, answer); break;
    case FlagsShape::kEnabledKeys: write_enabled_keys(w, answer); break;
  }
  if (answer.quota_limited) {
    // The Go SDK reads the second spelling.
    w.key("quotaLimited")
        .raw(R"(["feature_flags"])")
        .key("quota_limited")
        .raw(R"(["feature_flags"])");
  }
  w.field("requestId", answer.request_id).field("evaluatedAt", answer.evaluated_at_ms);
  std::string out = w.end_object().take();
  if (!answer.config.empty()) {
    out.pop_back();
    out += ',';
    out += answer.config;
    out += R"(,"config":{"enable_collect_everything":true}})";
  }
  return out;
}

}  // namespace penstock::capture
