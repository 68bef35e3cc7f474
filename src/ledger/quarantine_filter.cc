#include "ledger/quarantine_filter.h"

#include <algorithm>
#include <charconv>

#include "event/timestamp.h"
#include "ledger/books/keys.h"

namespace penstock::ledger {
namespace {

constexpr size_t kPage = 500;
/// What one piece holds, beside its last entry.
constexpr size_t kBytesMax = 16U << 20;

size_t bytes_of(const QuarantineEntry& entry) { return entry.raw.size() + entry.edited.size(); }

std::optional<std::string> text_in(const event::JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  if (!raw || event::json_type(*raw) != event::JsonType::kString) return std::nullopt;
  return event::decode_string(*raw);
}

/// What was changed, and the texts that the record then points to.
struct Edited {
  std::string token, event, distinct_id, session_id;
};

void apply_edit(const QuarantineEntry& entry, event::RawRecord& raw, Edited& texts) {
  if (entry.edited.empty()) return;
  raw.data = entry.edited;
  const auto fields = event::JsonFields::parse(entry.edited);
  if (!fields) return;  // the decision will say what is wrong with it
  const auto take = [](std::optional<std::string> text, std::string& kept, std::string_view& to) {
    if (!text || text->empty()) return;
    kept = std::move(*text);
    to = kept;
  };
  take(text_in(*fields, "event"), texts.event, raw.event);
  const auto properties_text = fields->find("properties");
  const auto properties = event::JsonFields::parse(properties_text.value_or("{}"));
  auto distinct_id = text_in(*fields, "distinct_id");
  if (!distinct_id && properties) distinct_id = text_in(*properties, "distinct_id");
  take(std::move(distinct_id), texts.distinct_id, raw.distinct_id);
  if (properties) take(text_in(*properties, "$session_id"), texts.session_id, raw.session_id);
  auto token = text_in(*fields, "token");
  if (!token) token = text_in(*fields, "api_key");
  take(std::move(token), texts.token, raw.token);
  const auto timestamp = text_in(*fields, "timestamp");
  const auto time = timestamp ? event::parse_timestamp_ms(*timestamp) : std::nullopt;
  if (!time) return;
  event::TimestampInput input;
  input.timestamp_ms = time;
  input.sent_at_ms = raw.sent_at_ms;
  input.now_ms = raw.now_ms;
  raw.timestamp_ms = event::corrected_timestamp_ms(input);
}

}  // namespace

Result<QuarantineFilter> QuarantineFilter::parse(const event::JsonFields& fields) {
  QuarantineFilter out;
  for (const auto& [key, to] :
       {std::pair{"token", &out.token}, std::pair{"reason", &out.reason},
        std::pair{"stage", &out.stage}, std::pair{"event", &out.event},
        std::pair{"distinct_id", &out.distinct_id}, std::pair{"text", &out.text}}) {
    if (auto given = text_in(fields, key)) *to = std::move(*given);
  }
  for (const auto& [key, to] : {std::pair{"from", &out.from_ms}, std::pair{"to", &out.to_ms}}) {
    const auto raw = fields.find(key);
    if (!raw || event::json_type(*raw) == event::JsonType::kNull) continue;
    const auto [end, error] = std::from_chars(raw->data(), raw->data() + raw->size(), *to);
    if (error != std::errc() || end != raw->data() + raw->size()) {
      return fail(Code::kInvalid, "from and to are milliseconds since 1970");
    }
  }
  const auto ids = fields.find("ids");
  if (!ids || event::json_type(*ids) == event::JsonType::kNull) return out;
  PENSTOCK_TRY(const auto items, event::split_array(*ids));
  if (items.size() > kIdsMax) return fail(Code::kInvalid, "at most 1000 ids");
  for (const std::string_view item : items) {
    out.ids.push_back(event::decode_string(item));
    if (!QuarantineId::parse(out.ids.back())) {
      return fail(Code::kInvalid, "this is not the id of a quarantined event");
    }
  }
  if (out.ids.empty()) return fail(Code::kInvalid, "ids names nothing");
  return out;
}

void QuarantineFilter::write(JsonWriter& w) const {
  w.begin_object();
  for (const auto& [key, part] :
       {std::pair{"token", &token}, std::pair{"reason", &reason}, std::pair{"stage", &stage},
        std::pair{"event", &event}, std::pair{"distinct_id", &distinct_id},
        std::pair{"text", &text}}) {
    if (!part->empty()) w.field(key, *part);
  }
  if (from_ms != 0) w.field("from", from_ms);
  if (to_ms != std::numeric_limits<int64_t>::max()) w.field("to", to_ms);
  if (!ids.empty()) {
    w.key("ids").begin_array();
    for (const std::string& id : ids) w.string(id);
    w.end_array();
  }
  w.end_object();
}

bool QuarantineFilter::matches(const QuarantineEntry& entry) const {
  if (!token.empty() && entry.token != token) return false;
  if (!reason.empty() && entry.reason != reason) return false;
  if (!stage.empty() && entry.stage != stage) return false;
  if (entry.received_ms < from_ms || entry.received_ms >= to_ms) return false;
  if (!ids.empty() && std::ranges::find(ids, entry.id) == ids.end()) return false;
  if (event.empty() && distinct_id.empty() && text.empty()) return true;
  const auto raw = event::decode_raw(entry.raw);
  if (!raw) return event.empty() && distinct_id.empty() && entry.raw.contains(text);
  if (!event.empty() && raw->event != event) return false;
  if (!distinct_id.empty() && raw->distinct_id != distinct_id) return false;
  return text.empty() || raw->data.contains(text) || entry.uuid.text() == text ||
         entry.edited.contains(text);
}

RedriveBegan::RedriveBegan(const RedriveJob& job) : ms_(job.began_ms) {
  const auto body = event::JsonFields::parse(job.body);
  const auto list = body ? body->find(kRedrivePositions) : std::nullopt;
  const auto parts = event::split_array(list.value_or("[]"));
  if (!parts) return;
  for (const std::string_view part : *parts) {
    int64_t& next = next_.emplace_back();
    std::from_chars(part.data(), part.data() + part.size(), next);
  }
}

bool RedriveBegan::had(const QuarantineEntry& entry) const {
  const auto partition = static_cast<size_t>(entry.processed_in.value);
  if (partition < next_.size()) return entry.processed.value < next_[partition];
  return entry.decided_ms <= ms_;
}

Result<QuarantinePage> find_quarantined(const Ledger& ledger, const QuarantineFilter& filter,
                                        std::string_view after, size_t entries_max,
                                        size_t scanned_max) {
  QuarantinePage out;
  size_t bytes = 0;
  const auto full = [&] { return out.entries.size() >= entries_max || bytes >= kBytesMax; };
  if (!filter.ids.empty()) {
    std::vector<std::string> ids = filter.ids;
    std::ranges::sort(ids);
    for (const std::string& id : ids) {
      if (id <= after) continue;
      if (full()) {
        out.next = out.entries.back().id;
        break;
      }
      PENSTOCK_TRY(auto entry, ledger.quarantine_entry(id));
      if (!entry || !filter.matches(*entry)) continue;
      bytes += bytes_of(*entry);
      out.entries.push_back(std::move(*entry));
    }
    return out;
  }
  std::string at(after);
  for (size_t scanned = 0; scanned < scanned_max;) {
    PENSTOCK_TRY(auto entries, ledger.quarantined(filter.token, at, std::min(kPage, scanned_max)));
    if (entries.empty()) return out;
    for (QuarantineEntry& entry : entries) {
      at = entry.id;
      scanned++;
      if (!filter.matches(entry)) continue;
      bytes += bytes_of(entry);
      out.entries.push_back(std::move(entry));
      if (!full()) continue;
      out.next = at;
      return out;
    }
  }
  out.next = at;
  return out;
}

std::string quarantine_id_before(int64_t received_ms) {
  if (received_ms <= 0) return {};
  return QuarantineId{received_ms - 1, {0}, {0}}.text();
}

std::string redriven_token(const QuarantineEntry& entry) {
  const auto raw = event::decode_raw(entry.raw);
  if (!raw) return entry.token;
  event::RawRecord again = *raw;
  Edited texts;
  apply_edit(entry, again, texts);
  return std::string(again.token);
}

Result<std::string> redriven_record(const QuarantineEntry& entry, ProjectId project) {
  const auto raw = event::decode_raw(entry.raw);
  if (!raw) return fail(Code::kInvalid, "the record cannot be read, and so not driven again");
  event::RawRecord again = *raw;
  Edited texts;
  apply_edit(entry, again, texts);
  again.project = project;
  again.redriven = true;
  again.disposition = event::Disposition::kProcess;
  again.reason = {};
  const std::string id = QuarantineId::parse(entry.id).value_or(QuarantineId{}).bytes();
  again.quarantine_entry = id;
  std::string out;
  event::encode(again, out);
  return out;
}

}  // namespace penstock::ledger
