// Progress: what a move shows while it runs: a bar for a terminal, lines of JSON for machines.
//
// Also keeps the pace: with a limit it sleeps, so that a copy leaves disk and network to others.
// main's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace penstock::cli::move {

class Progress {
 public:
  /// `bytes_per_second` 0: as fast as it goes.
  Progress(bool json, uint64_t bytes_per_second);

  /// `what` is "copying" or "comparing"; totals may be estimates, 0: not known. `items_done` were
  /// done by an earlier run.
  void begin(const std::string& part, const std::string& what, uint64_t items_total,
             uint64_t bytes_total, uint64_t items_done = 0, uint64_t bytes_done = 0);
  void add(uint64_t items, uint64_t bytes);
  /// There are so many by now.
  void reach(uint64_t items_total) { items_total_ = items_total; }
  /// The part is through: a line that stays.
  void end(const std::string& summary);
  /// A line for people; a JSON line with "note" for machines.
  void note(const std::string& text);
  bool json() const { return json_; }

 private:
  using Clock = std::chrono::steady_clock;
  void show(bool last);
  void clear_line();

  const bool json_;
  const bool bar_;
  const uint64_t pace_;
  std::string part_, what_;
  uint64_t items_total_ = 0, bytes_total_ = 0, items_ = 0, bytes_ = 0;
  uint64_t bytes_before_ = 0, items_before_ = 0;  // of an earlier run: no part of the rate
  Clock::time_point begun_, shown_;
};

}  // namespace penstock::cli::move
