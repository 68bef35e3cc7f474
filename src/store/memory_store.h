// MemoryStore: an EventStore in memory, for tests and simulation.
//
// Keeps rows, drops repeats of a batch id as the engine does, and can be told to fail. No SQL.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store/event_store.h"

namespace penstock::store {

class MemoryStore : public EventStore {
 public:
  struct Row {
    ProjectId project;
    Uuid uuid;
    std::string event, distinct_id, properties;
    int64_t timestamp_ms = 0;
    Uuid person_id;  // of the moment, until it is squashed
  };

  struct PersonRow {
    ProjectId project;
    Uuid id;
    uint64_t version = 0;
    bool is_deleted = false;
  };

  struct DistinctIdRow {
    ProjectId project;
    std::string distinct_id;
    Uuid person_id;
    int64_t version = 0;
    bool is_deleted = false;
  };

  struct BlockRow {
    ProjectId project;
    std::string session_id, distinct_id, block_url;
    uint64_t event_count = 0, message_count = 0;
  };

  struct HeatmapRow {
    ProjectId project;
    std::string session_id, distinct_id, url, type;
    int16_t x = 0, y = 0;
  };

  struct GroupRow {
    ProjectId project;
    uint8_t type_index = 0;
    std::string key, properties;
    uint64_t version = 0;
  };

  Status start() override { return {}; }
  void stop() override {}
  void insert(std::shared_ptr<const InsertBatch> batch, InsertDone done) override;
  void query(Query query, QueryDone done) override;
  void cancel(const std::string&) override {}
  void erase_person(EraseRequest request, EraseStep step, EraseDone done) override;
  void freeze_overrides(FreezeDone done) override;
  void squash_overrides(SquashStep step, SquashDone done) override;
  StoreHealth health() const override;

  /// The person of a row as a query sees it: by the newest override of its distinct id.
  Uuid person_of(const Row& row) const;
  const std::vector<PersonRow>& persons() const { return persons_; }
  const std::vector<DistinctIdRow>& distinct_ids() const { return distinct_ids_; }
  const std::vector<DistinctIdRow>& overrides() const { return overrides_; }
  const std::vector<Row>& events() const { return events_; }
  const std::vector<BlockRow>& replay_blocks() const { return blocks_; }
  size_t log_entries() const { return log_entries_.size(); }
  const std::vector<HeatmapRow>& heatmaps() const { return heatmaps_; }
  const std::vector<GroupRow>& groups() const { return groups_; }
  /// The next insert answers this; `stored` says whether it happens nevertheless (kMaybe).
  void fail_next(Error error, bool stored) { faults_.push_back({std::move(error), stored}); }

 private:
  struct Fault {
    Error error;
    bool stored;
  };
  struct LogRow {
    ProjectId project;
    std::string source_id;
  };
  struct WarningRow {
    ProjectId project;
    std::set<std::string> texts;  // members of its details
  };
  using IdKey = std::pair<int64_t, std::string>;
  const DistinctIdRow* newest_override(const IdKey& key) const;

  std::vector<Row> events_;
  std::vector<PersonRow> persons_;
  std::vector<DistinctIdRow> distinct_ids_, overrides_;
  std::vector<BlockRow> blocks_;
  std::vector<LogRow> log_entries_;
  std::vector<WarningRow> warnings_;
  std::map<IdKey, int64_t> frozen_;
  std::map<std::pair<std::string, std::string>, uint64_t> erased_;  // by erasure and table
  std::vector<HeatmapRow> heatmaps_;
  std::vector<GroupRow> groups_;
  std::set<std::string> seen_;
  std::deque<Fault> faults_;
};

}  // namespace penstock::store
