// Redrive: events of an unknown token flow in once a project with that token exists.
//
// When the catalog publishes a project, its quarantined `unknown_token` entries are appended to
// their lane again, in bounded batches, with the same uuid and time of receipt; when a batch is
// durable it is counted as received and leaves quarantine. A crash in between appends it twice and
// ingest's dedup drops the second copy. Runs on the ingest loop. Failure: the log's or the
// ledger's; retried with a growing delay.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

struct RedriveOptions {
  int32_t partitions = 8;
  size_t entries_per_batch_max = 500;
  int64_t retry_ms_min = 50, retry_ms_max = 5000;
};

class Redrive : public std::enable_shared_from_this<Redrive> {
 public:
  static std::shared_ptr<Redrive> make(runtime::Loop& loop, log::Log& log,
                                       catalog::Catalog& catalog, ledger::Ledger& ledger,
                                       RedriveOptions options);

  /// Looks at every project now and at every new one later. Loop thread.
  void start();
  void stop();
  bool idle() const { return tokens_.empty() && !busy_; }

 private:
  struct Work;

  Redrive(runtime::Loop& loop, log::Log& log, catalog::Catalog& catalog, ledger::Ledger& ledger,
          RedriveOptions options);
  void look(const catalog::Snapshot& snapshot);
  void step();
  void append(std::shared_ptr<Work> work);
  void appended(const std::shared_ptr<Work>& work, const std::vector<log::Appended>& where);
  void retry_later(const Error& error);

  runtime::Loop& loop_;
  log::Log& log_;
  catalog::Catalog& catalog_;
  ledger::Ledger& ledger_;
  RedriveOptions options_;
  struct Token {
    std::string token;
    ProjectId project;
    std::string after;  // entries up to this one stay (quarantined for another reason)
  };
  std::deque<Token> tokens_;
  bool busy_ = false, stopped_ = true;
  int64_t retry_ms_ = 0;
};

}  // namespace penstock::ingest
