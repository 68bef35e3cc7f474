// LaneChoice: which lane has the next cycle, and how much of it.
//
// Live lanes (main, exceptions) are never held back. What comes in bulk (historical: backfills;
// overflow: hot keys and floods) stands in the same processed log in front of live records, and a
// large insert in front of a small one, so beside live traffic it goes in small cycles and no
// further ahead of the store than a bound: then it fills what the machine has left and live records
// find a short queue. A share of what live lanes decide is theirs whatever the store does, so that
// they always move. Without live traffic nothing is bounded. docs/decisions/0015-bulk-lanes.md.
// Ingest loop only; plain arithmetic.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "event/lane.h"

namespace penstock::ingest {

/// Records of the processed topic, all partitions together.
struct StoreProgress {
  int64_t appended = 0, stored = 0;
};

struct LaneChoiceOptions {
  size_t events_max = 2000, bytes_max = 16U << 20;          // of a cycle
  size_t bulk_events_max = 500, bulk_bytes_max = 1U << 20;  // of one beside live traffic
  size_t unstored_max = 0, unstored_bytes_max = 4U << 20;   // 0: the store is not looked at
  size_t share_percent = 20;                                // of what live lanes decide
  int64_t live_ms = 5000;  // live traffic counts as there for so long after a record
};

class LaneChoice {
 public:
  struct Turn {
    event::Lane lane;
    size_t events_max, bytes_max;
  };
  using HasRecords = std::function<bool(event::Lane)>;
  using Progress = std::function<StoreProgress()>;

  explicit LaneChoice(LaneChoiceOptions options) : options_(options) {}

  std::optional<Turn> next(const HasRecords& has, int64_t now_ms, const Progress& progress);
  /// After `next` gave no turn: there are records and they wait for the store.
  bool waits() const { return waits_; }
  /// Of a cycle that is through; bytes of what it took.
  void decided(event::Lane lane, size_t events, size_t bytes);

 private:
  bool is_held(const StoreProgress& progress);
  std::optional<Turn> on_credit(event::Lane lane);
  Turn bulk_turn(event::Lane lane, bool beside_live) const;
  double& credit(event::Lane lane) { return credit_[lane == event::Lane::kOverflow ? 1 : 0]; }

  LaneChoiceOptions options_;
  size_t turn_ = 0;                 // of the lanes that take turns, the last one
  std::array<double, 2> credit_{};  // events: historical, overflow
  std::optional<int64_t> live_ms_;  // when a live record was last there
  bool waits_ = false;
  struct Ahead {
    int64_t end = 0;  // stored once the store has this many records
    size_t bytes = 0;
  };
  std::deque<Ahead> ahead_;  // of bulk cycles; at most `unstored_max` of them wait
  size_t ahead_bytes_ = 0, new_bytes_ = 0;
};

}  // namespace penstock::ingest
