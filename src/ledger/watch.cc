#include "ledger/watch.h"

#include <fmt/format.h>

#include <chrono>

#include "base/diag.h"
#include "base/metrics.h"

namespace penstock::ledger {
namespace {

Counter checks_metric{"penstock_ledger_checks_total", "Checks of the ledger's balance."};
Gauge wrong_metric{"penstock_ledger_imbalances",
                   "1 while the ledger does not balance, else 0; see runbooks/ledger_imbalance."};

constexpr int64_t kRecentMinutes = 120;

}  // namespace

std::shared_ptr<LedgerWatch> LedgerWatch::make(runtime::Loop& loop, runtime::Runtime& runtime,
                                               log::Log& log, Ledger& ledger,
                                               LedgerWatchOptions options) {
  return std::shared_ptr<LedgerWatch>(new LedgerWatch(loop, runtime, log, ledger, options));
}

void LedgerWatch::start() {
  stopped_ = false;
  check(false);
}

void LedgerWatch::stop() { stopped_ = true; }

LedgerCheck LedgerWatch::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

/// In the pool.
LedgerCheck LedgerWatch::look(bool full) const {
  LedgerCheck out;
  out.at_ms = runtime_.clock().wall_ms();
  const LedgerBalance balance = ledger_.balance(log_);
  std::vector<std::string> wrong;
  if (!balance.balanced) wrong.push_back(balance.detail);
  const int64_t from = out.at_ms / 60'000 - kRecentMinutes;
  const auto audit = ledger_.audit(full ? std::nullopt : std::optional(from));
  if (audit) {
    out.rows = audit->rows;
    wrong.insert(wrong.end(), audit->wrong.begin(), audit->wrong.end());
  } else {
    wrong.push_back(audit.error().message);
  }
  out.balanced = wrong.empty();
  out.detail = fmt::format("{}", fmt::join(wrong, "; "));
  return out;
}

void LedgerWatch::check(bool confirming) {
  if (stopped_) return;
  const std::weak_ptr<LedgerWatch> weak = weak_from_this();
  auto found = std::make_shared<LedgerCheck>();
  // An imbalance that only the whole shows must show in the check that confirms it.
  if (!confirming) full_ = last().checks % options_.checks_per_full == 0 || !last().balanced;
  const Status taken = runtime_.pool().submit(
      [self = shared_from_this(), found, full = full_] { *found = self->look(full); }, loop_,
      [weak, found, confirming] {
        if (const auto self = weak.lock(); self && !self->stopped_) {
          self->checked(std::move(*found), confirming);
        }
      });
  if (!taken) check_after(options_.confirm_ms, confirming);
}

void LedgerWatch::checked(LedgerCheck found, bool confirming) {
  if (!found.balanced && !confirming && last().balanced) {
    return check_after(options_.confirm_ms, true);
  }
  checks_metric.add();
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    found.checks = last_.checks + 1;
    news = last_.balanced != found.balanced;
    if (!found.balanced) found.since_ms = last_.balanced ? found.at_ms : last_.since_ms;
    last_ = found;
  }
  wrong_metric.set(found.balanced ? 0 : 1);
  if (news && !found.balanced) {
    diag::error("the ledger does not balance; see docs/runbooks/ledger_imbalance.md",
                {{"detail", found.detail}});
  } else if (news) {
    diag::info("the ledger balances again", {});
  }
  check_after(options_.period_ms, false);
}

void LedgerWatch::check_after(int64_t ms, bool confirming) {
  const std::weak_ptr<LedgerWatch> weak = weak_from_this();
  loop_.after(std::chrono::milliseconds(ms), [weak, confirming] {
    if (const auto self = weak.lock()) self->check(confirming);
  });
}

}  // namespace penstock::ledger
