// IngestService::Cycle: one cycle from what it takes to what it has applied.
//
// Private to IngestService's files. Owned by the callbacks of the step that is running.
#pragma once

#include <vector>

#include "ingest/cycle/ingest_service.h"

namespace penstock::ingest {

struct IngestService::Cycle {
  LaneReader* reader = nullptr;
  std::vector<InputSlice> slices;
  AppsAnswers apps;
  Decided decided;
  std::vector<log::Batch> batches;
  std::vector<Offset> bases;  // of each output, once appended
  int64_t began_ns = 0, cpu_ns = 0;
  int64_t now_ms = 0;
  size_t bytes = 0;                // of what it took
  std::vector<int64_t> positions;  // next offsets of the processed partitions when it began
};

}  // namespace penstock::ingest
