#include "ingest/steps/sanitise.h"

#include "base/json_writer.h"
#include "event/timestamp.h"
#include "ingest/steps/text.h"

namespace penstock::ingest {
namespace {

constexpr size_t kSessionIdToldMax = 200;

/// Top level wins over properties; a value that is no object counts as empty (ERRATA A7).
void fold(Item& item, std::string_view key, event::JsonFields& top, bool& present) {
  const auto inner = item.properties.find(key);
  if (!inner) return;
  const bool had_top = present;
  present = true;
  if (event::json_type(*inner) != event::JsonType::kObject) return;
  auto fields = event::JsonFields::parse(*inner);
  if (!fields) return;
  if (had_top) {
    for (const event::JsonFields::Field& f : top.fields()) {
      fields->set(f.key, f.value);
    }
  }
  top = std::move(*fields);
}

void read_unset(Item& item) {
  const auto raw = item.properties.find("$unset");
  if (!raw) return;
  if (event::json_type(*raw) == event::JsonType::kArray) {
    for (std::string_view element : split_array(*raw)) {
      if (event::json_type(element) != event::JsonType::kString) continue;
      item.unset.push_back(event::decode_string(element));
    }
  } else if (event::json_type(*raw) == event::JsonType::kObject) {
    if (const auto fields = event::JsonFields::parse(*raw)) {
      for (const event::JsonFields::Field& f : fields->fields()) item.unset.emplace_back(f.key);
    }
  }
}

void lower_session_id(Item& item) {
  constexpr size_t kUuidChars = 36;
  if (item.raw.session_id.size() != kUuidChars) return;
  const auto uuid = Uuid::parse(item.raw.session_id);
  if (!uuid) return;
  const std::string lower = uuid->text();
  if (lower == item.raw.session_id) return;
  item.properties.set_string("$session_id", lower);
}

}  // namespace

void sanitise(Item& item) {
  fold(item, "$set", item.set, item.has_set);
  fold(item, "$set_once", item.set_once, item.has_set_once);
  read_unset(item);
  if (!item.raw.ip.empty() && !item.properties.contains("$ip")) {
    item.properties.set_string("$ip", item.raw.ip);
  }
  if (item.raw.sent_at_ms) {
    item.properties.set_string("$sent_at", event::format_rfc3339_ms(*item.raw.sent_at_ms));
  }
  // Only the server says who is verified (ERRATA B26).
  item.properties.erase("$verified");
  lower_session_id(item);
}

/// A project's own doing rather than a sender's, so it is told once for all.
void check_session_id(const Item& item, Warnings& warnings) {
  const auto raw = item.properties.find("$session_id");
  if (!raw || event::json_type(*raw) == event::JsonType::kNull) return;
  const std::string session = event::json_type(*raw) == event::JsonType::kString
                                  ? event::decode_string(*raw)
                                  : std::string(*raw);
  if (Uuid::parse(session)) return;
  JsonWriter w;
  w.begin_object()
      .field("eventUuid", item.raw.uuid.text())
      .field("event", item.event)
      .field("distinctId", item.raw.distinct_id)
      .field("sessionId", cut_characters(session, kSessionIdToldMax))
      .field("category", "event")
      .field("severity", "warning")
      .end_object();
  warnings.push_back({item.project->id, "invalid_event_session_id", w.take(), item.raw.now_ms});
  warnings.back().once_per_type = true;
}

}  // namespace penstock::ingest
