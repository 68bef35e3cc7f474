// Detour: events whose apps let them wait go round those of others, into the lane `overflow`.
//
// A cycle puts them into quarantine (stage `apps`, reason `app_waits`); from there they are
// received again at once, as a re-drive does it: the same uuid and time of receipt, the entry
// named, so that a crash in between makes no second event of it. Those of one distinct id keep
// their order. What a crash left behind goes on at the next start. Ingest loop only. Failure: the
// log's or the ledger's; retried with a growing delay. docs/decisions/0033-neighbours-of-apps.md.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "event/slice.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

struct DetourOptions {
  event::Layout layout{};
  size_t entries_per_batch_max = 500;
  size_t bytes_per_batch_max = 4U << 20;  // unless one entry is larger
  int64_t retry_ms_min = 50, retry_ms_max = 5000;
  event::Slice slice{};  // of whose projects' entries they are
};

class Detour : public std::enable_shared_from_this<Detour> {
 public:
  static std::shared_ptr<Detour> make(runtime::Loop& loop, log::Log& log, catalog::Catalog& catalog,
                                      ledger::Ledger& ledger, DetourOptions options);

  /// Looks for what was left behind.
  void start();
  void stop() { stopped_ = true; }
  /// Events of this token, received at `from_ms` or later, were put into quarantine for it.
  void look(const std::string& token, ProjectId project, int64_t from_ms);
  /// Some of the project's are not decided yet.
  bool has(ProjectId project) const;

 private:
  struct Work;
  struct Token {
    ProjectId project;
    int64_t from_ms = 0;             // of what was not looked at
    bool again = true;               // there is such
    bool renewed = false;            // since the append that is under way was gathered
    std::string after{};             // entries up to this one were looked at
    std::set<std::string> driven{};  // ids in bytes: appended, to be decided
  };

  Detour(runtime::Loop& loop, log::Log& log, catalog::Catalog& catalog, ledger::Ledger& ledger,
         DetourOptions options);
  void step();
  Status settle(Token& token) const;
  Status gather(const std::string& name, Token& token, Work& work);
  void append(std::shared_ptr<Work> work);
  void appended(Work& work, const std::vector<log::Appended>& where);
  void again_in(int64_t ms);
  void retry_later(const Error& error);

  runtime::Loop& loop_;
  log::Log& log_;
  catalog::Catalog& catalog_;
  ledger::Ledger& ledger_;
  DetourOptions options_;
  std::map<std::string, Token> tokens_;
  bool busy_ = false, stopped_ = true;
  int64_t retry_ms_ = 0;
};

}  // namespace penstock::ingest
