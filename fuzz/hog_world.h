// A small world for fuzzed Hog programs: tight limits, a clock that every look moves.
#pragma once

#include <memory>

#include "fuzz/fuzz.h"
#include "hog/machine.h"

namespace penstock::fuzz {

class HogHost : public hog::Host {
 public:
  int64_t now_ms() override { return 1'700'000'000'000; }
  int64_t clock_us() override { return clock_ += 10; }
  double random() override { return 0.25; }
  Has has(std::string_view name) override {
    return name == "fetch" ? Has::kAsyncFunction : Has::kNothing;
  }

 private:
  int64_t clock_ = 0;
};

/// Runs it, and when it suspends, from its saved state to the end; never more than its limits.
inline void run_hog(const std::shared_ptr<const hog::Program>& program) {
  hog::Limits limits;
  limits.time_us = 3000;  // 300 looks at the clock
  limits.memory_bytes = 1 << 20;
  limits.heap_bytes = 8 << 20;
  limits.async_steps = 3;
  HogHost host;
  hog::JsonGlobals globals(R"({"event":{"properties":{"a":[1,"b",null],"c":{"d":2}}},"n":1})");
  hog::Machine machine;
  const hog::Outcome* outcome = &machine.run(program, globals, host, limits);
  while (outcome->state == hog::Outcome::State::kSuspended) {
    const auto state = machine.save();
    hold(state.has_value(), "a suspended run can be saved");
    if (!machine.restore(*state)) return;  // nested deeper than JSON may be
    outcome = &machine.resume({}, globals, host, limits);
  }
  if (outcome->finished()) {
    static_cast<void>(hog::print_value(machine.heap(), hog::Value()));
    static_cast<void>(hog::to_json(machine.heap(), outcome->result));
  } else {
    hold(!outcome->error.empty(), "a failure has a reason");
  }
  hold(outcome->heap_bytes_max <= limits.heap_bytes + (1U << 20), "memory is bounded");
}

}  // namespace penstock::fuzz
