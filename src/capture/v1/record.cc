#include "capture/v1/record.h"

#include "event/json_fields.h"
#include "event/timestamp.h"

namespace penstock::capture::v1 {
namespace {

constexpr size_t kKeptBytes = 256U << 10;
constexpr size_t kUuidBytes = 36, kQuotedUuidBytes = 38;

bool is_empty_object(std::string_view object) {
  return object.find_first_not_of(" \t\n\r", 1) == object.size() - 1;
}

/// At most so many bytes, without half a character at the end.
std::string_view cut_bytes(std::string_view text, size_t max) {
  if (text.size() <= max) return text;
  while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xc0) == 0x80) max--;
  return text.substr(0, max);
}

}  // namespace

void RecordMaker::begin(const Head& head) {
  added_.clear();
  if (!head.lib.empty()) {
    event::append_json_string(text_ = {}, head.lib);
    add_property("$lib", text_);
    event::append_json_string(text_ = {}, head.lib_version);
    add_property("$lib_version", text_);
  }
  lib_ = added_;
}

void RecordMaker::add_property(std::string_view name, std::string_view raw) {
  added_ += ",\"";
  added_ += name;
  added_ += "\":";
  added_ += raw;
}

void RecordMaker::write_data(const BatchEvent& e) {
  const auto flag = [this](std::string_view name, const std::optional<bool>& value) {
    if (value) add_property(name, *value ? "true" : "false");
  };
  added_.clear();
  if (!e.session_id.raw.empty()) add_property("$session_id", e.session_id.raw);
  if (!e.window_id.raw.empty()) add_property("$window_id", e.window_id.raw);
  flag("$cookieless_mode", e.options.cookieless);
  flag("$ignore_sent_at", e.options.disable_skew);
  if (e.options.product_tour) {
    event::append_json_string(text_ = {}, *e.options.product_tour);
    add_property("$product_tour_id", text_);
  }
  flag("$process_person_profile", e.options.person_profile);
  added_ += lib_;

  data_.clear();
  data_.reserve(e.properties.size() + added_.size() + e.event.raw.size() +
                e.distinct_id.raw.size() + 256);
  data_ += "{\"event\":";
  data_ += e.event.raw;
  data_ += ",\"distinct_id\":";
  data_ += e.distinct_id.raw;
  data_ += ",\"uuid\":";
  const std::string_view uuid = e.uuid_text.value;
  if (e.uuid_text.raw.size() == kQuotedUuidBytes && uuid.size() == kUuidBytes && uuid[8] == '-') {
    data_ += e.uuid_text.raw;
  } else {
    data_ += '"';
    e.uuid.append_to(data_);
    data_ += '"';
  }
  data_ += ",\"properties\":";
  if (e.properties.empty() || is_empty_object(e.properties)) {
    data_ += '{';
    if (!added_.empty()) data_.append(added_, 1);
    data_ += '}';
  } else if (added_.empty()) {
    data_ += e.properties;
  } else {
    data_ += e.properties.substr(0, e.properties.size() - 1);
    data_ += added_;
    data_ += '}';
  }
  data_ += ",\"timestamp\":";
  data_ += e.timestamp.raw;
  data_ += '}';
}

event::RawRecord RecordMaker::make(const BatchEvent& e, const RequestFacts& facts,
                                   const CaptureOptions& options) {
  event::RawRecord record;
  record.uuid = e.uuid;
  if (facts.project != nullptr) record.project = facts.project->id;
  record.now_ms = facts.now_ms;
  record.sent_at_ms = facts.client_ms;
  record.token = facts.token;
  record.event = e.event.value;
  record.distinct_id = cut_bytes(e.distinct_id.value, kDistinctIdBytesMax);
  record.ip = facts.ip;
  record.historical = facts.historical;
  record.request = facts.request;
  record.client_request = facts.client_request;
  record.session_id = e.session_id.raw.empty() ? e.property_session_id : e.session_id.value;
  record.cookieless = e.options.cookieless.value_or(e.property_cookieless);
  if (!e.drop.empty()) {
    record.timestamp_ms = facts.now_ms;
    record.event = cut_bytes(e.event.value, 4 * kEventNameCharsMax);
    record.disposition = event::Disposition::kDrop;
    record.reason = e.drop;
    return record;
  }
  if (e.options.disable_skew.value_or(false)) {
    record.timestamp_ms = event::bounded_timestamp_ms(e.timestamp_ms);
  } else {
    event::TimestampInput time;
    time.timestamp_ms = e.timestamp_ms;
    time.sent_at_ms = facts.client_ms;
    time.now_ms = facts.now_ms;
    time.rule = options.skew_rule;
    record.timestamp_ms = event::corrected_timestamp_ms(time);
  }
  write_data(e);
  record.data = data_;
  return record;
}

void RecordMaker::trim() {
  if (data_.capacity() > kKeptBytes) data_ = std::string();
  if (added_.capacity() > kKeptBytes) added_ = std::string();
}

}  // namespace penstock::capture::v1
