#include "ingest/steps/normalise.h"

#include <algorithm>

#include "base/json_writer.h"
#include "event/timestamp.h"
#include "ingest/steps/key_lists.h"

namespace penstock::ingest {
namespace {

constexpr int64_t kYear0Ms = -62'167'219'200'000;
constexpr int64_t kYear9999EndMs = 253'402'300'799'999;
constexpr int64_t kDayMs = 86'400'000;

void add(event::JsonFields& to, bool& present, std::string_view key, std::string_view raw) {
  present = true;
  // The raw record and the key table outlive the item.
  if (!to.contains(key)) to.set_borrowed(key, raw);
}

/// Facebook's click id in the form its conversion API wants (ERRATA A6).
void derive_fbc(Item& item, std::string_view fbclid_raw) {
  constexpr size_t kFbclidMax = 400;
  if (event::json_type(fbclid_raw) != event::JsonType::kString) return;
  const std::string fbclid = event::decode_string(fbclid_raw);
  const auto allowed = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  if (fbclid.empty() || fbclid.size() > kFbclidMax || !std::ranges::all_of(fbclid, allowed)) return;
  if (item.set.contains("$fbc")) return;
  const int64_t click = std::min(item.raw.now_ms, item.timestamp_ms);
  item.has_set = true;
  item.set.set_string("$fbc",
                      "fb.1." + std::to_string(event::day_of(click) * kDayMs) + "." + fbclid);
}

struct Lift {
  const LiftedKey* key;
  std::string_view raw;
};

/// `$os_name` counts as `$os` where there is no `$os`.
void lift_os_name(Item& item, std::string_view raw) {
  if (!item.properties.contains("$os")) item.properties.set("$os", raw);
  add(item.set, item.has_set, "$os", raw);
  item.set.erase("$os_name");
  if (event::json_type(raw) != event::JsonType::kNull) {
    add(item.set_once, item.has_set_once, "$initial_os", raw);
  }
  item.set_once.erase("$initial_os_name");
}

void lift(Item& item) {
  const auto server = item.properties.find("$is_server");
  const bool is_server = server && *server == "true";
  std::vector<Lift> found;
  for (const event::JsonFields::Field& f : item.properties.fields()) {
    const LiftedKey* key = find_lifted(f.key);
    if (key != nullptr) found.push_back({key, f.value});
  }
  std::optional<std::string_view> os_name;
  for (const Lift& l : found) {
    const std::string_view name = l.key->key;
    // A server's own system says nothing about the person (ERRATA A4).
    if (is_server && (name == "$os" || name == "$os_version")) continue;
    if (name == "$os_name" && !is_server) {
      os_name = l.raw;
      continue;
    }
    add(item.set, item.has_set, name, l.raw);
    // An explicit null must not freeze the initial value (ERRATA A5).
    if (event::json_type(l.raw) != event::JsonType::kNull) {
      add(item.set_once, item.has_set_once, l.key->initial, l.raw);
    }
    if (name == "fbclid") derive_fbc(item, l.raw);
  }
  if (os_name) lift_os_name(item, *os_name);
}

void date_survey(Item& item) {
  constexpr std::string_view kDate = "$survey_last_seen_date";
  if (item.event != "survey shown" || item.set.contains(kDate)) return;
  item.has_set = true;
  item.set.set_string(kDate, event::format_rfc3339_ms(item.timestamp_ms));
}

}  // namespace

void bound_timestamp(Item& item, int64_t now_ms, Warnings& warnings) {
  if (item.timestamp_ms >= kYear0Ms && item.timestamp_ms <= kYear9999EndMs) return;
  item.timestamp_ms = now_ms;
  JsonWriter w;
  w.begin_object()
      .field("eventUuid", item.raw.uuid.text())
      .field("event", item.event)
      .field("category", "event")
      .field("severity", "warning")
      .end_object();
  warnings.push_back({item.project->id, "ignored_invalid_timestamp", w.take(), now_ms});
}

void normalise(Item& item) {
  if (item.event == "$snapshot" || item.event == "$performance_event") return;
  if (item.processing == PersonProcessing::kFull && item.event != "$groupidentify") {
    lift(item);
    date_survey(item);
  }
  if (item.has_set) {
    item.set_text = item.set.text();
    item.properties.set_borrowed("$set", item.set_text);
  }
  if (item.has_set_once) {
    item.set_once_text = item.set_once.text();
    item.properties.set_borrowed("$set_once", item.set_once_text);
  }
}

}  // namespace penstock::ingest
