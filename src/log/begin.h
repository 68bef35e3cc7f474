// Where topics begin that are filled with another log's records, so that offsets go on.
//
// A log that is given one makes a topic that has nothing yet as if older records had been there and
// were deleted by retention: its first record gets this offset, and stays what it is for every
// later start, in every process. Values only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace penstock::log {

struct TopicBegin {
  std::vector<int64_t> base;  // the first offset of every partition
  /// By partition and producer: sequences whose batches were deleted with the older records.
  std::map<std::pair<int32_t, uint64_t>, int64_t> sequences;
};

using Begins = std::map<std::string, TopicBegin>;  // by topic

}  // namespace penstock::log
