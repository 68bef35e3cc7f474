// The ledger, counted anew from the log, and compared with the one that was kept.
#include <fmt/format.h>

#include <map>
#include <set>

#include "kv/key_value.h"
#include "ledger/ledger.h"
#include "main/fsck/fsck.h"
#include "main/log_engine.h"
#include "main/on_loop.h"
#include "main/topics.h"
#include "runtime/real_runtime.h"

namespace penstock::cli::fsck {
namespace {

constexpr size_t kNamedMax = 5;

std::string text(const ledger::LedgerCounts& c) {
  return fmt::format(
      "received {} accepted {} stored {} repeats {} quarantined {} re-driven {} dropped {}",
      c.received, c.accepted, c.stored, c.deduplicated, c.quarantined, c.redriven,
      c.dropped_total());
}

/// Stored is left out: it is the loader's progress, which the log hears of a little later.
bool equal(const ledger::LedgerCounts& a, const ledger::LedgerCounts& b) {
  return a.received == b.received && a.accepted == b.accepted && a.stored <= a.accepted &&
         a.deduplicated == b.deduplicated && a.quarantined == b.quarantined &&
         a.redriven == b.redriven && a.dropped == b.dropped;
}

using Books = std::map<ledger::LedgerKey, ledger::LedgerCounts>;

Result<Books> books_of(const ledger::Ledger& ledger, const std::set<int64_t>& projects) {
  Books out;
  for (const int64_t project : projects) {
    PENSTOCK_TRY(const auto rows, ledger.rows({project}, INT64_MIN / 2, INT64_MAX / 2, SIZE_MAX));
    for (const ledger::LedgerRow& row : rows) out.emplace(row.key, row.counts);
  }
  return out;
}

class Recount {
 public:
  Recount(const std::string& data, const Settings& settings) : data_(data), settings_(settings) {
    thread_.start();
  }
  ~Recount() {
    if (log_) log_->stop();
    thread_.stop();
    thread_.join();
  }
  Recount(const Recount&) = delete;
  Recount& operator=(const Recount&) = delete;

  Status run(Findings& out) {
    log_ = open_log(settings_, *runtime_, thread_.loop(), data_, nullptr);
    PENSTOCK_CHECK(log_->start(topics_of(settings_)));
    PENSTOCK_TRY(auto kept_kv, kv::open_rocks_kv({.path = data_ + "/state/ledger"}));
    kept_ = ledger::make_ledger(std::move(kept_kv), settings_.ledger);
    fresh_ = ledger::make_ledger(kv::make_memory_kv(), settings_.ledger);
    for (ledger::Ledger* l : {kept_.get(), fresh_.get()}) {
      PENSTOCK_CHECK(
          await(thread_, [&](auto done) { l->recover(*log_, thread_.loop(), std::move(done)); }));
    }
    const ledger::LedgerBalance balance = kept_->balance(*log_);
    if (!balance.balanced) {
      out.bad("ledger", "The ledger does not balance: " + balance.detail,
              "Keep the directory and report this.", "ledger_imbalance.md");
      return {};
    }
    if (!whole()) {
      out.good("ledger", fmt::format("The ledger balances: {} received", balance.received));
      out.note(
          "ledger_not_recounted",
          "The log's oldest segments are gone by retention, so the ledger cannot be counted anew "
          "from its beginning.",
          "Nothing; the balance above holds.");
      return {};
    }
    return compare(balance, out);
  }

 private:
  /// Does the log still hold everything since the beginning?
  bool whole() const {
    for (const log::TopicSpec& topic : topics_of(settings_)) {
      const auto bounds = log_->bounds(topic.name);
      if (!bounds) return false;
      for (const log::PartitionBounds& b : *bounds) {
        if (b.start.value != 0) return false;
      }
    }
    return true;
  }

  Status compare(const ledger::LedgerBalance& balance, Findings& out) {
    // Projects are numbered from 1; the catalog may be what is damaged, so a few more are asked.
    std::set<int64_t> projects;
    for (int64_t p = 0; p <= kProjectsMax; p++) projects.insert(p);
    PENSTOCK_TRY(const Books kept, books_of(*kept_, projects));
    PENSTOCK_TRY(const Books fresh, books_of(*fresh_, projects));
    size_t different = 0;
    std::set<ledger::LedgerKey> keys;
    for (const auto& [key, counts] : kept) keys.insert(key);
    for (const auto& [key, counts] : fresh) keys.insert(key);
    const auto at = [](const Books& books, const ledger::LedgerKey& key) {
      const auto it = books.find(key);
      return it == books.end() ? ledger::LedgerCounts{} : it->second;
    };
    for (const ledger::LedgerKey& key : keys) {
      const auto a = at(kept, key), b = at(fresh, key);
      if (equal(a, b) || ++different > kNamedMax) continue;
      out.bad("ledger",
              fmt::format("Project {}, minute {}: the ledger says [{}], the log says [{}]",
                          key.project.value, key.minute, text(a), text(b)),
              "Keep the directory and report this.", "ledger_imbalance.md");
    }
    if (different == 0) {
      out.good("ledger",
               fmt::format("The ledger equals the log, counted anew: {} received, {} stored, "
                           "{} minutes",
                           balance.received, balance.stored, keys.size()));
    }
    return {};
  }

  static constexpr int64_t kProjectsMax = 1000;

  const std::string& data_;
  const Settings& settings_;
  std::unique_ptr<runtime::Runtime> runtime_ = runtime::make_real_runtime();
  runtime::LoopThread thread_{"fsck"};
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<ledger::Ledger> kept_, fresh_;
};

}  // namespace

void recount(const std::string& data_dir, const Settings& settings, const Progress& progress,
             Findings& out) {
  progress("ledger: counting anew");
  if (const Status s = Recount(data_dir, settings).run(out); !s) {
    out.bad("ledger", "The ledger could not be counted: " + s.error().message,
            "See what is damaged above.", "log_corrupt.md");
  }
}

}  // namespace penstock::cli::fsck
