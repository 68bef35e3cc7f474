// MemoryStore: an EventStore in memory, for tests and simulation.
//
// Keeps rows, drops repeats of a batch id as the engine does, and can be told to fail. No SQL.
#pragma once

#include <deque>
#include <set>
#include <string>
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
  };

  struct BlockRow {
    ProjectId project;
    std::string session_id, block_url;
    uint64_t event_count = 0, message_count = 0;
  };

  struct HeatmapRow {
    ProjectId project;
    std::string session_id, distinct_id, url, type;
    int16_t x = 0, y = 0;
  };

  Status start() override { return {}; }
  void stop() override {}
  void insert(std::shared_ptr<const InsertBatch> batch, InsertDone done) override;
  void query(Query query, QueryDone done) override;
  void cancel(const std::string&) override {}
  StoreHealth health() const override;

  const std::vector<Row>& events() const { return events_; }
  const std::vector<BlockRow>& replay_blocks() const { return blocks_; }
  size_t log_entries() const { return log_entries_; }
  const std::vector<HeatmapRow>& heatmaps() const { return heatmaps_; }
  /// The next insert answers this; `stored` says whether it happens nevertheless (kMaybe).
  void fail_next(Error error, bool stored) { faults_.push_back({std::move(error), stored}); }

 private:
  struct Fault {
    Error error;
    bool stored;
  };
  std::vector<Row> events_;
  std::vector<BlockRow> blocks_;
  size_t log_entries_ = 0;
  std::vector<HeatmapRow> heatmaps_;
  std::set<std::string> seen_;
  std::deque<Fault> faults_;
};

}  // namespace penstock::store
