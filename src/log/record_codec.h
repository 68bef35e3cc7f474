// Splitting a batch's data into its records. Private to the implementations of Log.
#pragma once

#include <string_view>
#include <vector>

#include "base/codec.h"

namespace penstock::log {

/// Views into `data`; false when it does not hold exactly `count` records.
inline bool split_records(std::string_view data, uint32_t count,
                          std::vector<std::string_view>& out) {
  ByteReader in(data);
  out.reserve(count);
  for (uint32_t i = 0; i < count; i++) out.push_back(in.bytes());
  return in.ok() && in.at_end();
}

}  // namespace penstock::log
