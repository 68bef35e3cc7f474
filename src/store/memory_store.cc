#include "store/memory_store.h"

namespace penstock::store {

void MemoryStore::insert(std::shared_ptr<const InsertBatch> batch, InsertDone done) {
  Status answer;
  bool stored = true;
  if (!faults_.empty()) {
    answer = std::unexpected(faults_.front().error);
    stored = faults_.front().stored;
    faults_.pop_front();
  }
  if (stored && seen_.insert(batch->id).second) {
    for (const InsertBatch::EventEntry& e : batch->events) {
      events_.push_back({e.project, e.uuid, std::string(e.row.event),
                         std::string(e.row.distinct_id), std::string(e.row.properties),
                         e.row.timestamp_ms});
    }
    for (const event::ReplayBlock& b : batch->replay_blocks) {
      blocks_.push_back({b.project, std::string(b.session_id), std::string(b.block_url),
                         b.event_count, b.message_count});
    }
    log_entries_ += batch->log_entries.size();
    for (const InsertBatch::HeatmapEntry& h : batch->heatmaps) {
      heatmaps_.push_back({h.project, std::string(h.session_id), std::string(h.distinct_id),
                           std::string(h.point.url), std::string(h.point.type), h.point.x,
                           h.point.y});
    }
  }
  done(std::move(answer));
}

void MemoryStore::query(Query, QueryDone done) {
  done(fail(Code::kUnavailable, "the memory store has no SQL"));
}

StoreHealth MemoryStore::health() const {
  StoreHealth h;
  h.ready = true;
  h.engine = "memory";
  return h;
}

}  // namespace penstock::store
