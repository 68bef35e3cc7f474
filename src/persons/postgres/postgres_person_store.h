// PostgresPersonStore: PersonStore over PostHog's tables.
//
// One connection writes, and reads what ingest decides from; a few others answer people. The store
// is `caught up` when the database holds everything the log held when it was last looked at. It
// stops being so when a session was lost and the database turns out to hold less than it did (a
// standby took over), or was not there at the start: then changes are replayed from the log, and
// until that is done calls answer kUnavailable.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "log/replay.h"
#include "persons/person_store.h"
#include "persons/postgres/reduced.h"
#include "persons/postgres/session.h"
#include "persons/postgres_store.h"

namespace penstock::persons {

class PostgresPersonStore final : public PersonStore {
 public:
  explicit PostgresPersonStore(PostgresOptions options);
  ~PostgresPersonStore() override;

  Result<std::vector<std::optional<Person>>> fetch(
      const std::vector<DistinctIdKey>& keys) const override;
  Result<std::optional<Person>> get(ProjectId project, const Uuid& id) const override;
  Result<std::vector<std::string>> distinct_ids(ProjectId project, const Uuid& id,
                                                size_t ids_max) const override;
  Result<std::vector<Mapping>> mappings(ProjectId project, const Uuid& id, size_t ids_max,
                                        std::string_view after) const override;
  Result<std::vector<FoundId>> find_ids(ProjectId project, std::string_view prefix,
                                        size_t ids_max) const override;
  Result<std::vector<std::optional<Group>>> fetch_groups(
      const std::vector<GroupKey>& keys) const override;
  Result<std::vector<GroupType>> group_types(ProjectId project) const override;
  // postgres_history.cc
  Result<MergeHistory> merges(ProjectId project, const Uuid& person) const override;
  Result<LastVersions> last_versions(ProjectId project, std::string_view distinct_id,
                                     const Uuid& person) const override;
  bool has_deleted_ids(ProjectId project) const override;
  Result<std::optional<std::string>> command_report(ProjectId project,
                                                    const Uuid& id) const override;
  Result<std::vector<std::string>> command_reports(ProjectId project,
                                                   size_t reports_max) const override;
  Status caught_up() const override;
  Status apply(const PersonUpdates& updates, const std::vector<log::Position>& applied) override;
  std::vector<log::Position> applied() const override;
  void recover(log::Log& log, runtime::Loop& home, Done done) override;
  Status checkpoint(log::Log& log) override;
  Result<uint64_t> count(ProjectId project) const override;

 private:
  class Reader;

  /// The mutex is held. Opens the session, and finds out whether the database is caught up.
  Status ready() const;
  Status open_session() const;
  bool decides(Partition p) const { return !options_.decides || options_.decides(p); }
  Status load_positions() const;
  Status catch_up() const;
  void replay(Done done) const;
  Status write(const PersonUpdates& updates, const std::vector<log::Position>& applied) const;
  Status transaction(const Reduced& changes) const;
  Status one_by_one(const Reduced& changes) const;
  Status put_positions(const log::Positions& positions) const;
  Result<Rows> read(const char* statement, const Params& params) const;

  PostgresOptions options_;
  mutable std::mutex mutex_;  // of the writing connection and what follows
  mutable Connection connection_;
  mutable std::atomic<bool> migrated_ = false;
  mutable bool caught_up_ = true, replaying_ = false, unflushed_ = false;
  mutable log::Positions applied_;
  mutable std::set<int64_t> deleted_in_;  // projects, as has_deleted_ids
  log::Log* log_ = nullptr;
  runtime::Loop* home_ = nullptr;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);

  mutable std::mutex readers_mutex_;
  mutable std::vector<std::unique_ptr<Connection>> readers_;  // idle ones
  mutable size_t readers_out_ = 0;
};

}  // namespace penstock::persons
