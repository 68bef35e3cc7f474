// LedgerFollow: lets a ledger take, again and again, what other processes wrote to the log.
//
// Where stages run as processes of their own every ledger is whole: it reads what is decided,
// stored and refused elsewhere (LedgerOptions say which). Loop thread; stop before the ledger ends.
// Failure: said once, and tried again at the next turn.
#pragma once

#include <cstdint>
#include <memory>

#include "ledger/ledger.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::ledger {

class LedgerFollow : public std::enable_shared_from_this<LedgerFollow> {
 public:
  static std::shared_ptr<LedgerFollow> make(runtime::Loop& loop, log::Log& log, Ledger& ledger,
                                            int64_t period_ms = 250);
  void start();
  void stop() { stopped_ = true; }

 private:
  LedgerFollow(runtime::Loop& loop, log::Log& log, Ledger& ledger, int64_t period_ms)
      : loop_(loop), log_(log), ledger_(ledger), period_ms_(period_ms) {}
  void turn();

  runtime::Loop& loop_;
  log::Log& log_;
  Ledger& ledger_;
  int64_t period_ms_;
  bool stopped_ = true, failing_ = false;
};

}  // namespace penstock::ledger
