// The population and the events of the ingest bench, computed from numbers: person k is the same in
// every run, so that nothing of them has to be kept.
//
// Three in four persons are identified and have two distinct ids, the fourth is an anonymous
// visitor. Of the events 70 % say nothing new about a known person, 20 % change a property, 5 % are
// of a new visitor, 5 % identify: half of them merge a visitor's person into a known one.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "event/processed_record.h"
#include "persons/person_store.h"

namespace penstock::bench {

inline constexpr std::string_view kToken = "phc_BenchBenchBenchBenchBenchBenchBenchBenchBen";
inline constexpr ProjectId kProject{1};
inline constexpr int64_t kNowMs = 1'785'585'600'000;

std::string visitor_id(uint64_t k);  // the device's id
std::string user_id(uint64_t k);
inline bool is_anonymous(uint64_t k) { return k % 4 == 3; }

/// Persons [from, to) as changes; texts lie in `arena`.
struct Group {
  persons::PersonUpdates updates;
  std::vector<std::string> arena;
};
Group make_persons(uint64_t from, uint64_t to);

class Mix {
 public:
  Mix(uint64_t persons, uint64_t seed) : persons_(persons), random_(seed) {}

  /// Appends the next event as capture would have written it; `key` receives its partition key.
  void next(std::string& record, std::string& key);

 private:
  uint64_t below(uint64_t n) { return random_() % n; }
  void properties(uint64_t k, std::string_view distinct_id, std::string& out);

  uint64_t persons_;
  std::mt19937_64 random_;
  uint64_t made_ = 0, fresh_ = 0, taken_ = 0;
};

}  // namespace penstock::bench
