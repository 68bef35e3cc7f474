#include "ledger/follow.h"

#include <chrono>

#include "base/diag.h"

namespace penstock::ledger {

std::shared_ptr<LedgerFollow> LedgerFollow::make(runtime::Loop& loop, log::Log& log, Ledger& ledger,
                                                 int64_t period_ms) {
  return std::shared_ptr<LedgerFollow>(new LedgerFollow(loop, log, ledger, period_ms));
}

void LedgerFollow::start() {
  stopped_ = false;
  turn();
}

void LedgerFollow::turn() {
  if (stopped_) return;
  const std::weak_ptr<LedgerFollow> weak = weak_from_this();
  ledger_.recover(log_, loop_, [weak](const Status& status) {
    const auto self = weak.lock();
    if (!self || self->stopped_) return;
    if (!status && !self->failing_) {
      diag::warn("the ledger cannot follow other processes", {{"error", status.error().message}});
    }
    self->failing_ = !status;
    self->loop_.after(std::chrono::milliseconds(self->period_ms_), [weak] {
      if (const auto again = weak.lock()) again->turn();
    });
  });
}

}  // namespace penstock::ledger
