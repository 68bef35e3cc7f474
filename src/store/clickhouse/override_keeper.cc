#include "store/clickhouse/override_keeper.h"

#include <utility>

#include "base/probe.h"
#include "store/dialect/upkeep_sql.h"

namespace penstock::store::clickhouse {
namespace {

constexpr int kRoundsMax = 10;

}  // namespace

struct OverrideKeeper::Job {
  std::vector<std::string> ids;
  InsertDone done;
  size_t at = 0;
  int rounds = 0;
};

void OverrideKeeper::follow(std::vector<std::string> ids, InsertDone done) {
  look(std::make_shared<Job>(std::move(ids), std::move(done)));
}

void OverrideKeeper::look(const std::shared_ptr<Job>& job) {
  if (job->at == job->ids.size()) return job->done(Status{});
  if (job->rounds == kRoundsMax) {
    return job->done(fail(Code::kMaybe, "overrides keep changing under another loader's hands"));
  }
  run_(sql::not_refreshed(database_, job->ids[job->at]),
       [this, alive = alive_, job](const Result<std::string>& stale) {
         if (!stale) return job->done(fail(Code::kMaybe, stale.error().message));
         if (!*alive) return job->done(fail(Code::kCancelled, "the store has stopped"));
         if (!stale->starts_with('0')) return refresh(job);
         job->at++;
         job->rounds = 0;
         look(job);
       });
}

void OverrideKeeper::refresh(const std::shared_ptr<Job>& job) {
  probe<"store.override_is_refreshed_again">();
  job->rounds++;
  run_(sql::refresh(job->ids[job->at]),
       [this, alive = alive_, job](const Result<std::string>& done) {
         if (!done) return job->done(fail(Code::kMaybe, done.error().message));
         if (!*alive) return job->done(fail(Code::kCancelled, "the store has stopped"));
         look(job);
       });
}

}  // namespace penstock::store::clickhouse
