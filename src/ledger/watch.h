// LedgerWatch: checks every minute that the books balance, and says so when they do not.
//
// A check compares the books with the log's own offsets, looks through the rows of the last two
// hours, and once an hour (and at the start) through all rows and their sum. What is found must
// still be there some seconds later before it is an alarm: the metric penstock_ledger_imbalances,
// a line in the log, and `last()` for the Health page (docs/runbooks/ledger_imbalance.md). Checks
// run in the pool. Threads: `start` and `stop` on the loop, `last` anywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "ledger/ledger.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::ledger {

struct LedgerCheck {
  int64_t at_ms = 0;  // of the last check; 0: none yet
  bool balanced = true;
  std::string detail;    // what does not balance
  int64_t since_ms = 0;  // when that was seen first
  uint64_t checks = 0;
  uint64_t rows = 0;  // looked through by the last check
};

struct LedgerWatchOptions {
  int64_t period_ms = 60'000;
  int64_t confirm_ms = 5'000;
  uint64_t checks_per_full = 60;
};

class LedgerWatch : public std::enable_shared_from_this<LedgerWatch> {
 public:
  static std::shared_ptr<LedgerWatch> make(runtime::Loop& loop, runtime::Runtime& runtime,
                                           log::Log& log, Ledger& ledger,
                                           LedgerWatchOptions options = {});
  void start();
  void stop();
  LedgerCheck last() const;

 private:
  LedgerWatch(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log, Ledger& ledger,
              LedgerWatchOptions options)
      : loop_(loop), runtime_(runtime), log_(log), ledger_(ledger), options_(options) {}
  void check(bool confirming);
  void checked(LedgerCheck found, bool confirming);
  void check_after(int64_t ms, bool confirming);
  LedgerCheck look(bool full) const;

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  Ledger& ledger_;
  LedgerWatchOptions options_;
  bool stopped_ = true, full_ = false;
  mutable std::mutex mutex_;
  LedgerCheck last_;
};

}  // namespace penstock::ledger
