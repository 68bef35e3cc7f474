#include "apps/script/batch_answer.h"

#include <climits>

#include "apps/script/frames.h"

namespace penstock::apps {

bool BatchAnswer::read(std::string_view operands) {
  ByteReader in(operands);
  events.clear();
  steps.clear();
  batch = in.u64();
  for (uint64_t n = in.varint(); n > 0 && in.ok(); n--) {
    EventAnswer& event = events.emplace_back();
    const uint8_t fate = in.u8();
    event.elsewhere = fate == kElsewhere;
    if (fate > static_cast<uint8_t>(Fate::kDropped) && !event.elsewhere) return false;
    event.fate = event.elsewhere ? Fate::kUnchanged : static_cast<Fate>(fate);
    if (event.fate == Fate::kChanged) event.patch = read_patch(in);
    if (event.fate == Fate::kDropped || event.elsewhere) event.dropped_by = in.u64();
    event.first_step = steps.size();
    for (uint64_t k = in.varint(); k > 0 && in.ok(); k--) {
      StepAnswer& step = steps.emplace_back();
      step.instance = in.u64();
      const uint8_t did = in.u8();
      if (did > static_cast<uint8_t>(AppStep::Did::kSkipped)) return false;
      step.did = static_cast<AppStep::Did>(did);
      const uint64_t cpu_us = in.varint();
      if (cpu_us > uint64_t{LLONG_MAX}) return false;
      step.cpu_us = static_cast<int64_t>(cpu_us);
      step.error = in.bytes();
      step.after = in.bytes();
    }
    event.steps = steps.size() - event.first_step;
  }
  memory_bytes = in.u64();
  return in.ok() && in.at_end();
}

}  // namespace penstock::apps
