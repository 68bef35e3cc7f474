// Splitting a batch's data into its records. Private to the implementations of Log.
#pragma once

#include <string_view>
#include <vector>

#include "base/codec.h"

namespace penstock::log {

/// The same from where the records end, without reading them.
inline bool split_records_at(std::string_view data, const std::vector<uint32_t>& ends,
                             std::vector<std::string_view>& out) {
  out.reserve(ends.size());
  size_t begin = 0;
  for (const uint32_t end : ends) {
    if (end <= begin || end > data.size()) return false;
    // The length stands before the record, in as few bytes as it needs.
    size_t prefix = varint_size(end - begin);
    if (prefix > 1 && varint_size(end - begin - (prefix - 1)) < prefix) prefix--;
    out.push_back(data.substr(begin + prefix, end - begin - prefix));
    begin = end;
  }
  return begin == data.size();
}

/// Views into `data`; false when it does not hold exactly `count` records.
inline bool split_records(std::string_view data, uint32_t count,
                          std::vector<std::string_view>& out) {
  ByteReader in(data);
  out.reserve(count);
  for (uint32_t i = 0; i < count; i++) out.push_back(in.bytes());
  return in.ok() && in.at_end();
}

}  // namespace penstock::log
