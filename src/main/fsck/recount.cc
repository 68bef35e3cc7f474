// The ledger, counted anew from the log, and compared with the one that was kept.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "kv/key_value.h"
#include "ledger/ledger.h"
#include "main/catalog_engine.h"
#include "main/fsck/fsck.h"
#include "main/log_engine.h"
#include "main/on_loop.h"
#include "main/stages.h"
#include "main/topics.h"
#include "runtime/real_runtime.h"

namespace penstock::cli::fsck {
namespace {

constexpr size_t kNamedMax = 5;
/// Others may write to Kafka meanwhile: books are equal when they are so at one of these looks.
constexpr int kLooks = 5;

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
    look_.reset();
    thread_.stop();
    thread_.join();
  }
  Recount(const Recount&) = delete;
  Recount& operator=(const Recount&) = delete;

  Status run(Findings& out) {
    if (kafka_) {
      // It says whose the events are that another capture wrote.
      PENSTOCK_TRY(catalog_, open_catalog(settings_, *runtime_, data_, thread_, look_));
    }
    log_ = open_log(settings_, *runtime_, thread_.loop(), data_, catalog_.get(), true);
    PENSTOCK_CHECK(log_->start(topics_of(settings_)));
    PENSTOCK_TRY(auto kept_kv, kv::open_rocks_kv({.path = data_ + "/state/ledger"}));
    kept_ = ledger::make_ledger(std::move(kept_kv), ledger_options_of(settings_));
    fresh_ = ledger::make_ledger(kv::make_memory_kv(), ledger_options_of(settings_));
    PENSTOCK_CHECK(read_on());
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
  /// Both ledgers up to where the log ends now.
  Status read_on() {
    for (ledger::Ledger* l : {kept_.get(), fresh_.get()}) {
      PENSTOCK_CHECK(
          await(thread_, [&](auto done) { l->recover(*log_, thread_.loop(), std::move(done)); }));
    }
    return {};
  }

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
    for (int look = 1;; look++) {
      PENSTOCK_TRY(const Books kept, books_of(*kept_, projects));
      PENSTOCK_TRY(const Books fresh, books_of(*fresh_, projects));
      const auto different = differences(kept, fresh);
      if (!different.empty() && kafka_ && look < kLooks) {
        PENSTOCK_CHECK(read_on());
        continue;
      }
      for (size_t i = 0; i < std::min(different.size(), kNamedMax); i++) {
        const auto& [key, a, b] = different[i];
        out.bad("ledger",
                fmt::format("Project {}, minute {}: the ledger says [{}], the log says [{}]",
                            key.project.value, key.minute, text(a), text(b)),
                kafka_ ? "If another process decides now, stop it and ask again; otherwise keep "
                         "the directory and report this."
                       : "Keep the directory and report this.",
                "ledger_imbalance.md");
      }
      if (different.empty()) {
        out.good("ledger", fmt::format("The ledger equals the log{}, counted anew: {} received, {} "
                                       "stored, {} minutes",
                                       kafka_ ? " on Kafka" : "", balance.received, balance.stored,
                                       fresh.size()));
      }
      return {};
    }
  }

  using Difference = std::tuple<ledger::LedgerKey, ledger::LedgerCounts, ledger::LedgerCounts>;
  static std::vector<Difference> differences(const Books& kept, const Books& fresh) {
    std::set<ledger::LedgerKey> keys;
    for (const auto& [key, counts] : kept) keys.insert(key);
    for (const auto& [key, counts] : fresh) keys.insert(key);
    const auto at = [](const Books& books, const ledger::LedgerKey& key) {
      const auto it = books.find(key);
      return it == books.end() ? ledger::LedgerCounts{} : it->second;
    };
    std::vector<Difference> out;
    for (const ledger::LedgerKey& key : keys) {
      auto a = at(kept, key), b = at(fresh, key);
      if (!equal(a, b)) out.emplace_back(key, std::move(a), std::move(b));
    }
    return out;
  }

  static constexpr int64_t kProjectsMax = 1000;

  const std::string& data_;
  const Settings& settings_;
  const bool kafka_ = settings_.log_engine == "kafka";
  std::unique_ptr<runtime::Runtime> runtime_ = runtime::make_real_runtime();
  runtime::LoopThread thread_{"fsck"};
  std::unique_ptr<catalog::Catalog> catalog_;
  std::optional<CatalogLook> look_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<ledger::Ledger> kept_, fresh_;
};

}  // namespace

void recount(const std::string& data_dir, const Settings& settings, const Progress& progress,
             Findings& out) {
  if (!std::filesystem::exists(data_dir + "/state/ledger")) {
    return out.note("ledger_elsewhere", "There is no ledger in this directory.",
                    "Of a process that only captures, none is expected: another one keeps it.");
  }
  progress("ledger: counting anew");
  if (const Status s = Recount(data_dir, settings).run(out); !s) {
    out.bad("ledger", "The ledger could not be counted: " + s.error().message,
            settings.log_engine == "kafka" ? "See the brokers." : "See what is damaged above.",
            settings.log_engine == "kafka" ? "kafka_down.md" : "log_corrupt.md");
  }
}

}  // namespace penstock::cli::fsck
