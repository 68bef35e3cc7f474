// How fast and how often what is stored beside the log is checked: the settings scrub.….
#pragma once

#include <cstdint>
#include <string>

namespace penstock::cli::scrub {

struct DataScrubOptions {
  std::string state_path;
  uint64_t bytes_per_second = 2U << 20;  // 0: never
  int64_t every_ms = 86'400'000;         // from the begin of a pass to the next
  int64_t again_ms = 1000;               // until what failed or looks damaged is asked again
};

}  // namespace penstock::cli::scrub
