// WarningLimit: at most one warning an hour of a type and sender, so that a faulty client does not
// fill the table (contract section 10). Bounded; forgets when full. Ingest loop only.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "ingest/steps/item.h"

namespace penstock::ingest {

class WarningLimit {
 public:
  bool admits(const Warning& warning, std::string_view distinct_id, int64_t now_ms);

 private:
  std::unordered_map<uint64_t, int64_t> last_ms_;
};

}  // namespace penstock::ingest
