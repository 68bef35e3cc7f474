#include "store/memory_store.h"

#include <algorithm>

#include "event/json_fields.h"

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
                         e.row.timestamp_ms, e.row.person_id});
    }
    for (const event::PersonChange& p : batch->persons) {
      persons_.push_back({p.project, p.id, p.version, p.is_deleted});
    }
    for (const event::DistinctIdChange& d : batch->distinct_ids) {
      distinct_ids_.push_back(
          {d.project, std::string(d.distinct_id), d.person_id, d.version, d.is_deleted});
      if (d.version > 0) overrides_.push_back(distinct_ids_.back());
    }
    for (const event::ReplayBlock& b : batch->replay_blocks) {
      blocks_.push_back({b.project, std::string(b.session_id), std::string(b.distinct_id),
                         std::string(b.block_url), b.event_count, b.message_count});
    }
    for (const event::LogEntry& l : batch->log_entries) {
      log_entries_.push_back({l.project, std::string(l.source_id)});
    }
    for (const event::IngestionWarning& w : batch->warnings) {
      WarningRow& row = warnings_.emplace_back(WarningRow{w.project, {}});
      const auto details = event::JsonFields::parse(w.details);
      if (!details) continue;
      for (const event::JsonFields::Field& f : details->fields()) {
        if (event::json_type(f.value) == event::JsonType::kString) {
          row.texts.insert(event::decode_string(f.value));
        }
      }
    }
    for (const InsertBatch::HeatmapEntry& h : batch->heatmaps) {
      heatmaps_.push_back({h.project, std::string(h.session_id), std::string(h.distinct_id),
                           std::string(h.point.url), std::string(h.point.type), h.point.x,
                           h.point.y});
    }
    for (const event::GroupChange& g : batch->groups) {
      groups_.push_back(
          {g.project, g.type_index, std::string(g.key), std::string(g.properties), g.version});
    }
  }
  done(std::move(answer));
}

void MemoryStore::query(Query, QueryDone done) {
  done(fail(Code::kUnavailable, "the memory store has no SQL"));
}

const MemoryStore::DistinctIdRow* MemoryStore::newest_override(const IdKey& key) const {
  const DistinctIdRow* best = nullptr;
  for (const DistinctIdRow& o : overrides_) {
    if (o.project.value != key.first || o.distinct_id != key.second) continue;
    if (best == nullptr || o.version > best->version) best = &o;
  }
  return best;
}

Uuid MemoryStore::person_of(const Row& row) const {
  const DistinctIdRow* o = newest_override({row.project.value, row.distinct_id});
  return o == nullptr || o->is_deleted ? row.person_id : o->person_id;
}

void MemoryStore::erase_person(EraseRequest request, EraseStep step, EraseDone done) {
  if (request.distinct_ids.size() > kEraseIdsMax) {
    return done(fail(Code::kInvalid, "too many distinct ids to erase at once"));
  }
  std::set<std::string> ids(request.distinct_ids.begin(), request.distinct_ids.end());
  for (const DistinctIdRow& o : overrides_) {
    const DistinctIdRow* newest = newest_override({o.project.value, o.distinct_id});
    if (o.project == request.project && !newest->is_deleted &&
        newest->person_id == request.person_id) {
      ids.insert(o.distinct_id);
    }
  }
  std::set<std::string> sessions;
  for (const BlockRow& b : blocks_) {
    if (b.project == request.project && ids.contains(b.distinct_id)) sessions.insert(b.session_id);
  }
  std::vector<ErasedTable> out;
  const auto erase = [&](const char* table, auto& rows, const auto& matches) {
    const size_t found = std::erase_if(
        rows, [&](const auto& row) { return row.project == request.project && matches(row); });
    uint64_t& kept = erased_[{request.id, table}];
    kept = std::max<uint64_t>(kept, found);
    out.push_back({table, kept});
    if (step) step(out.back());
  };
  const auto by_id = [&](const auto& row) { return ids.contains(row.distinct_id); };
  const auto by_either = [&](const DistinctIdRow& row) {
    return by_id(row) || row.person_id == request.person_id;
  };
  erase("events", events_,
        [&](const Row& row) { return by_id(row) || person_of(row) == request.person_id; });
  erase("log_entries", log_entries_,
        [&](const LogRow& row) { return sessions.contains(row.source_id); });
  erase("session_replay_blocks", blocks_, by_id);
  erase("heatmaps", heatmaps_, by_id);
  erase("ingestion_warnings", warnings_, [&](const WarningRow& row) {
    return row.texts.contains(request.person_id.text()) ||
           std::ranges::any_of(row.texts, [&](const auto& text) { return ids.contains(text); });
  });
  erase("person_distinct_id_overrides", overrides_, by_either);
  erase("person_distinct_id2", distinct_ids_, by_either);
  erase("person", persons_, [&](const PersonRow& row) { return row.id == request.person_id; });
  done(std::move(out));
}

void MemoryStore::freeze_overrides(FreezeDone done) {
  frozen_.clear();
  for (const DistinctIdRow& o : overrides_) {
    int64_t& version = frozen_[{o.project.value, o.distinct_id}];
    version = std::max(version, o.version);
  }
  done(static_cast<uint64_t>(frozen_.size()));
}

void MemoryStore::squash_overrides(SquashStep step, SquashDone done) {
  SquashProgress progress{frozen_.size(), 0, 1, 0};
  for (Row& row : events_) {
    const Uuid person = person_of(row);
    if (person == row.person_id) continue;
    row.person_id = person;
    progress.rows_rewritten++;
  }
  progress.partitions_done = 1;
  if (step) step(progress);
  std::erase_if(overrides_, [this](const DistinctIdRow& o) {
    const auto it = frozen_.find({o.project.value, o.distinct_id});
    return it != frozen_.end() && o.version <= it->second;
  });
  frozen_.clear();
  done(progress);
}

StoreHealth MemoryStore::health() const {
  StoreHealth h;
  std::set<IdKey> keys;
  for (const DistinctIdRow& o : overrides_) keys.insert({o.project.value, o.distinct_id});
  h.overrides = keys.size();
  h.ready = true;
  h.engine = "memory";
  return h;
}

}  // namespace penstock::store
