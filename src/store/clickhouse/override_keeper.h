// OverrideKeeper: makes sure that overrides in a server's memory are what their table says, where
// several processes refresh them.
//
// Of two that refresh the same id at once the older one may write last. So each looks afterwards,
// and refreshes again: whoever wrote last looks last. Home loop only; asks no more than it has to.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/dialect/statement.h"
#include "store/event_store.h"

namespace penstock::store::clickhouse {

class OverrideKeeper {
 public:
  using Run = std::function<void(std::string sql, TextDone done)>;
  OverrideKeeper(std::string database, Run run)
      : database_(std::move(database)), run_(std::move(run)) {}
  ~OverrideKeeper() { *alive_ = false; }

  /// `ids`: overridden_ids of a batch, refreshed once. kMaybe: repeat the batch.
  void follow(std::vector<std::string> ids, InsertDone done);

 private:
  struct Job;
  void look(const std::shared_ptr<Job>& job);
  void refresh(const std::shared_ptr<Job>& job);

  const std::string database_;
  Run run_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::store::clickhouse
