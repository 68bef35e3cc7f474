#include "ingest/steps/parse.h"

#include "base/json_writer.h"
#include "base/probe.h"
#include "ingest/steps/text.h"

namespace penstock::ingest {
namespace {

constexpr std::string_view kParse = "parse";
constexpr std::string_view kBadMessage = "failed_parse_message";

/// False: the value is there and is no object.
bool read_object(std::optional<std::string_view> raw, event::JsonFields& out, bool& present) {
  present = false;
  if (!raw || event::json_type(*raw) == event::JsonType::kNull) return true;
  if (event::json_type(*raw) != event::JsonType::kObject) return false;
  auto fields = event::JsonFields::parse(*raw);
  if (!fields) return false;
  out = std::move(*fields);
  present = true;
  return true;
}

}  // namespace

Verdict resolve(Item& item, const catalog::Snapshot& snapshot, const event::Slice& slice) {
  item.event = cut_characters(item.raw.event, kEventNameCharsMax);
  item.timestamp_ms = item.raw.timestamp_ms;
  item.project = snapshot.find_token(item.raw.token);
  if (item.project == nullptr) return Verdict::quarantine("team", "unknown_token");
  if (item.raw.uuid.is_nil()) return Verdict::quarantine(kParse, "empty_uuid");
  // What the edge decided is only written down here, so that one stage counts all outcomes.
  switch (item.raw.disposition) {
    case event::Disposition::kProcess: break;
    case event::Disposition::kDrop: return Verdict::drop(item.raw.reason);
    case event::Disposition::kQuarantine: return Verdict::quarantine("capture", item.raw.reason);
  }
  if (!slice.has_token(item.raw.token)) {
    probe<"ingest.record_lies_with_another_slice">();
    return Verdict::quarantine("decode", "wrong_slice");
  }
  return {};
}

Verdict parse(Item& item) {
  const auto top = event::JsonFields::parse_with(item.raw.data, "properties", item.properties);
  if (!top) return Verdict::quarantine(kParse, kBadMessage);
  const auto properties = top->find("properties");
  if (properties && event::json_type(*properties) != event::JsonType::kObject &&
      event::json_type(*properties) != event::JsonType::kNull) {
    return Verdict::quarantine(kParse, kBadMessage);
  }
  if (!read_object(top->find("$set"), item.set, item.has_set) ||
      !read_object(top->find("$set_once"), item.set_once, item.has_set_once)) {
    return Verdict::quarantine(kParse, kBadMessage);
  }
  return {};
}

std::vector<std::string> merged_ids(const event::RawRecord& raw, std::string_view event) {
  std::vector<std::string> out;
  if (!is_merge_event(event)) return out;
  const auto top = event::JsonFields::parse(raw.data);
  if (!top) return out;
  event::JsonFields properties;
  bool present = false;
  if (!read_object(top->find("properties"), properties, present)) return out;
  for (const std::string_view key : {"$anon_distinct_id", "alias", "$device_id"}) {
    const auto id = properties.find(key);
    if (!id || event::json_type(*id) != event::JsonType::kString) continue;
    if (id->size() <= kDistinctIdCharsMax) out.push_back(event::decode_string(*id));
  }
  return out;
}

Verdict check_distinct_id(const Item& item, Warnings& warnings) {
  if (!longer_than(item.raw.distinct_id, kDistinctIdCharsMax)) return {};
  JsonWriter w;
  w.begin_object()
      .field("eventUuid", item.raw.uuid.text())
      .field("event", item.event)
      .field("distinctId", cut_characters(item.raw.distinct_id, kDistinctIdCharsMax))
      .field("category", "event")
      .field("severity", "error")
      .end_object();
  warnings.push_back(
      {item.project->id, "skipping_event_invalid_distinct_id", w.take(), item.raw.now_ms});
  return Verdict::drop("invalid_distinct_id");
}

}  // namespace penstock::ingest
