// Probes: names for rare branches, so that a simulated run can say which of them it never reached.
//
//   if (torn) probe<"log.torn_tail">();
//
// A site registers itself when the program starts and counts with one relaxed addition, in every
// build: a probe sits where a branch is rare, never in a loop over events. Any thread; counts live
// as long as the process. Names are <room>.<what>; the same name twice is one probe.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace penstock {

class ProbePoint {
 public:
  explicit ProbePoint(std::string_view name);
  ProbePoint(const ProbePoint&) = delete;
  ProbePoint& operator=(const ProbePoint&) = delete;

  void hit() { count_.fetch_add(1, std::memory_order_relaxed); }
  std::string_view name() const { return name_; }
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  const ProbePoint* next() const { return next_; }

 private:
  std::string_view name_;
  const ProbePoint* next_;
  std::atomic<uint64_t> count_{0};
};

/// A literal as a template's argument.
template <size_t N>
struct ProbeName {
  consteval ProbeName(const char (&text)[N]) { std::copy_n(text, N, chars); }
  char chars[N];
};

template <ProbeName name>
inline ProbePoint probe_point{std::string_view(name.chars, sizeof name.chars - 1)};

template <ProbeName name>
inline void probe() {
  probe_point<name>.hit();
}

struct ProbeCount {
  std::string_view name;
  uint64_t count = 0;
};
/// Every probe that is linked into this program, by name.
std::vector<ProbeCount> probe_counts();

}  // namespace penstock
