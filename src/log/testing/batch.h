// Batches for tests, from records as they are. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "log/log.h"

namespace penstock::log {

inline Batch batch_of(int32_t partition, const std::vector<std::string>& records,
                      uint64_t producer = 0, int64_t sequence = 0) {
  Batch out;
  out.partition = {partition};
  out.count = static_cast<uint32_t>(records.size());
  for (const std::string& record : records) encode_record(out.data, record);
  out.producer = producer;
  out.sequence = sequence;
  return out;
}

}  // namespace penstock::log
