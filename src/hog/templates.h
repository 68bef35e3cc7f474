// Stock transformations: what a project can switch on without writing Hog.
//
// Each is Hog source that gets an `event` (event, distinct_id, properties, …) and `inputs`, and
// returns the event to keep or null to drop it, with the schema of its inputs as the UI shows them.
// Their host functions (geoipLookup, cleanNullValues, isKnownBotUserAgent, isKnownBotIp) are the
// ingest step's. Data that lives as long as the process.
#pragma once

#include <span>
#include <string_view>

namespace penstock::hog {

struct StockTemplate {
  std::string_view id;           // template-geoip
  std::string_view name;         // GeoIP
  std::string_view description;  // one sentence
  std::string_view source;       // Hog
  std::string_view inputs;       // JSON: a list of {key, type, label, default, …}
};

std::span<const StockTemplate> stock_templates();
/// Nullptr: no such id.
const StockTemplate* stock_template(std::string_view id);

/// Functions that transformations may call beside the library.
std::span<const std::string_view> transformation_functions();

}  // namespace penstock::hog
