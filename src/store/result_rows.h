// An answer's rows and cells (QueryFormat::kJsonCompact), and events among them.
//
// Pure functions. Cells are views into the answer they came from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "event/processed_record.h"
#include "store/event_store.h"

namespace penstock::store {

/// A row of an answer: each cell's raw JSON.
using Cells = std::vector<std::string_view>;
Result<std::vector<Cells>> rows_of(const QueryResult& result);

/// A cell without its quotes, which the engine puts around 64-bit numbers too.
std::string_view unquoted(std::string_view cell);
/// 0 when the cell is no whole number.
int64_t cell_number(std::string_view cell);
/// A text decoded; of anything else its JSON.
std::string cell_text(std::string_view cell);

/// An event's row, as much of it as apps are shown.
struct StoredEvent {
  Uuid uuid, person_id;
  std::string event, distinct_id, properties, elements_chain, person_properties;
  int64_t timestamp_us = 0, person_created_at_ms = 0;
  bool propertyless = false;  // its person mode

  /// Borrows the texts.
  event::EventRow row() const;
};
/// What to select for `stored_event`, from `events`.
inline constexpr std::string_view kStoredEventColumns =
    "toString(uuid), event, distinct_id, toUnixTimestamp64Micro(timestamp), properties, "
    "elements_chain, toString(person_id), person_properties, toString(person_mode), "
    "toUnixTimestamp64Milli(toDateTime64(person_created_at, 3, 'UTC'))";
/// kCorrupt: these are other columns, or hold no ids.
Result<StoredEvent> stored_event(const Cells& cells);

}  // namespace penstock::store
