// BatchAnswer: kBatchDone as the parent reads it. The worker runs other people's programs: whatever
// it sends is read as if they had written it. Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "apps/apps.h"
#include "apps/script/patch.h"

namespace penstock::apps {

struct StepAnswer {
  uint64_t instance = 0;
  AppStep::Did did = AppStep::Did::kSkipped;
  int64_t cpu_us = 0;
  std::string_view error{}, after{};
};

struct EventAnswer {
  Fate fate = Fate::kUnchanged;
  Patch patch{};            // of kChanged; not compared with its event yet
  bool elsewhere = false;   // it has to be asked again
  uint64_t dropped_by = 0;  // an instance, of kDropped and `elsewhere`
  size_t first_step = 0, steps = 0;
};

/// Views of the frame that it was read from.
struct BatchAnswer {
  uint64_t batch = 0;
  std::vector<EventAnswer> events{};
  std::vector<StepAnswer> steps{};
  uint64_t memory_bytes = 0;

  /// False: that is no such frame. Room of an earlier answer is used again.
  bool read(std::string_view operands);
};

}  // namespace penstock::apps
