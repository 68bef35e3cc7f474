// Item: one event on its way through the steps of a cycle.
//
// Views point into the raw record's bytes, which the cycle holds. A step reads and changes the item
// and answers a Verdict; the first one that is not kGoOn decides what becomes of the event. Items
// belong to one cycle on the ingest loop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "event/json_fields.h"
#include "event/processed_record.h"
#include "event/raw_record.h"

namespace penstock::ingest {

/// What a step decided. `reason` is a fixed tag.
struct Verdict {
  enum class Kind : uint8_t {
    kGoOn,
    kDrop,
    kQuarantine,
    kHeatmap,   // accepted: its points are the rows
    kDuplicate  // accepted before
  };
  Kind kind = Kind::kGoOn;
  std::string_view reason{};
  std::string_view stage{};  // for kQuarantine

  static Verdict go_on() { return {}; }
  static Verdict drop(std::string_view reason) { return {Kind::kDrop, reason, {}}; }
  static Verdict quarantine(std::string_view stage, std::string_view reason) {
    return {Kind::kQuarantine, reason, stage};
  }
  static Verdict heatmap() { return {Kind::kHeatmap, {}, {}}; }
  static Verdict duplicate() { return {Kind::kDuplicate, {}, {}}; }
  bool decided() const { return kind != Kind::kGoOn; }
};

/// A warning for the project's people (contract section 10).
struct Warning {
  ProjectId project;
  std::string_view type;
  std::string details;  // JSON object text
  int64_t timestamp_ms = 0;
  std::string_view source = "plugin-server";  // or "capture"
  bool once_per_type = false;  // at most one an hour of this type, whoever the sender is
};
using Warnings = std::vector<Warning>;

enum class PersonProcessing : uint8_t {
  kFull,
  kPersonless,      // asked for: an existing person is still looked up
  kPersonlessBlind  // forced by capture: nobody is looked up
};

struct Item {
  event::RawRecord raw;
  std::string_view bytes;  // the raw record as it lies in the log
  event::Source source;
  const catalog::Project* project = nullptr;
  std::string_view event;                // at most kEventNameCharsMax characters
  std::optional<uint64_t> content_hash;  // once it was read
  Verdict verdict;

  event::JsonFields properties;
  event::JsonFields set, set_once;  // of the person, top level and properties folded together
  bool has_set = false, has_set_once = false;
  std::vector<std::string> unset;
  PersonProcessing processing = PersonProcessing::kFull;
  bool opted_out = false;                 // the project does no person processing at all
  std::optional<std::string> merge_with;  // the other distinct id of an identify or alias
  int64_t timestamp_ms = 0;
  std::string elements_chain;
  std::string set_text, set_once_text;  // what `properties` borrows
  // What `raw` and `event` point to once they were rewritten.
  std::string new_distinct_id, new_session_id, new_event, new_ip;
};

inline constexpr size_t kEventNameCharsMax = 200;
inline constexpr size_t kDistinctIdCharsMax = 400;

inline bool is_merge_event(std::string_view event) {
  return event == "$identify" || event == "$create_alias" || event == "$merge_dangerously";
}

}  // namespace penstock::ingest
