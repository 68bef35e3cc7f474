// RefusalTally: tells a project's people how many of its requests were refused, and why.
//
// A refused request is no event: nothing of it is in a lane or in the ledger. It is counted here by
// project, reason, status and path; the counts go into a topic of their own, from which ingest
// makes ingestion warnings. A new kind of refusal is told within a second, and again at most once a
// minute, so that a client that cannot stop costs one warning a minute. Bounded: refusals of
// further kinds are only counted in a metric. Best effort, as a refusal is: what was not told when
// the process dies is forgotten.
//
// One per shard, loop thread only. Failure: an append that fails is forgotten as well.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

#include "catalog/catalog.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::capture {

class RefusalTally {
 public:
  RefusalTally(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log)
      : loop_(loop), runtime_(runtime), log_(log) {}
  ~RefusalTally() { *alive_ = false; }

  struct Refused {
    std::string_view reason;  // a tag: "invalid_json", "billing_limit_exceeded", …
    int status = 400;
    std::string_view path, message;
  };
  /// Nothing when `project` is null: nobody could be told.
  void note(const catalog::Project* project, const Refused& refused);
  /// Tells everything now: the process is about to stop.
  void flush() { tell(true); }

  /// Whose request this was, by the first key in `text` that names a project; null: nobody's.
  static const catalog::Project* project_in(std::string_view text,
                                            const catalog::Snapshot& projects);

 private:
  using Key = std::tuple<int64_t, std::string, int, std::string>;  // project, reason, status, path
  struct Count {
    uint64_t requests = 0;  // not told yet
    std::string message;    // of the last
    int64_t last_ms = 0;
    int64_t next_ms = 0;  // not told again before
  };
  void schedule();
  void tell(bool all);

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  std::map<Key, Count> counts_;
  bool scheduled_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::capture
