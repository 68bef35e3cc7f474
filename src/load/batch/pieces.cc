#include "load/batch/pieces.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/json_writer.h"

namespace penstock::load {
namespace {

constexpr char kType[] = "row_refused_by_store";
constexpr char kSource[] = "loader";

/// Rows [at, end) of the piece.
struct Bounds {
  uint64_t at, end;
};

Bounds bounds_of(const store::InsertBatch& batch, const Split& split) {
  const uint64_t rows = rows_of_table(batch, split.table);
  const uint64_t count = split.count == 0 ? rows : split.count;
  return {std::min(split.at, rows), std::min(split.at + count, rows)};
}

template <typename T>
void copy(const std::vector<T>& from, Bounds b, std::vector<T>& to) {
  to.assign(from.begin() + static_cast<ptrdiff_t>(b.at),
            from.begin() + static_cast<ptrdiff_t>(b.end));
}

struct Kept {
  std::shared_ptr<const store::InsertBatch> batch;
  std::string details;
};

}  // namespace

uint64_t rows_of_table(const store::InsertBatch& batch, uint32_t table) {
  switch (table) {
    case 0: return batch.events.size();
    case 1: return batch.persons.size();
    case 2: return batch.distinct_ids.size();
    case 3: return batch.warnings.size();
    case 4: return batch.replay_blocks.size();
    case 5: return batch.log_entries.size();
    case 6: return batch.heatmaps.size();
    case 7: return batch.groups.size();
    default: return 0;
  }
}

std::shared_ptr<store::InsertBatch> piece_of(const std::shared_ptr<const store::InsertBatch>& batch,
                                             const Split& split) {
  const Bounds b = bounds_of(*batch, split);
  auto out = std::make_shared<store::InsertBatch>();
  const bool whole = b.at == 0 && b.end == rows_of_table(*batch, split.table);
  out->id = whole ? batch->id : fmt::format("{}/{}:{}-{}", batch->id, split.table, b.at, b.end);
  out->owner = batch;
  switch (split.table) {
    case 0: copy(batch->events, b, out->events); break;
    case 1: copy(batch->persons, b, out->persons); break;
    case 2: copy(batch->distinct_ids, b, out->distinct_ids); break;
    case 3: copy(batch->warnings, b, out->warnings); break;
    case 4: copy(batch->replay_blocks, b, out->replay_blocks); break;
    case 5: copy(batch->log_entries, b, out->log_entries); break;
    case 6: copy(batch->heatmaps, b, out->heatmaps); break;
    default: copy(batch->groups, b, out->groups); break;
  }
  return out;
}

std::shared_ptr<store::InsertBatch> warning_for(
    const std::shared_ptr<const store::InsertBatch>& batch, const Split& split,
    std::string_view reason, int64_t now_ms) {
  auto kept = std::make_shared<Kept>();
  kept->batch = batch;
  ProjectId project;
  JsonWriter w;
  w.begin_object().field("reason", reason);
  const auto at = static_cast<size_t>(split.at);
  switch (split.table) {
    case 0: {
      const auto& e = batch->events[at];
      project = e.project;
      w.field("table", "events").field("eventUuid", e.uuid.text()).field("event", e.row.event);
      w.field("distinctId", e.row.distinct_id).field("timestampMs", e.row.timestamp_ms);
      w.field("properties", e.row.properties);
      break;
    }
    case 1: {
      const auto& p = batch->persons[at];
      project = p.project;
      w.field("table", "person").field("personId", p.id.text()).field("version", p.version);
      w.field("properties", p.properties);
      break;
    }
    case 2: {
      const auto& d = batch->distinct_ids[at];
      project = d.project;
      w.field("table", "person_distinct_id2").field("distinctId", d.distinct_id);
      w.field("personId", d.person_id.text()).field("version", d.version);
      break;
    }
    case 3: {
      const auto& i = batch->warnings[at];
      project = i.project;
      w.field("table", "ingestion_warnings").field("type", i.type).field("details", i.details);
      break;
    }
    case 4: {
      const auto& r = batch->replay_blocks[at];
      project = r.project;
      w.field("table", "session_replay_blocks").field("sessionId", r.session_id);
      w.field("blockUrl", r.block_url);
      break;
    }
    case 5: {
      const auto& l = batch->log_entries[at];
      project = l.project;
      w.field("table", "log_entries").field("sourceId", l.source_id).field("message", l.message);
      break;
    }
    case 6: {
      const auto& h = batch->heatmaps[at];
      project = h.project;
      w.field("table", "heatmaps").field("sessionId", h.session_id).field("url", h.point.url);
      break;
    }
    default: {
      const auto& g = batch->groups[at];
      project = g.project;
      w.field("table", "groups").field("groupTypeIndex", g.type_index).field("groupKey", g.key);
      w.field("version", g.version).field("properties", g.properties);
    }
  }
  kept->details = w.end_object().take();
  auto out = std::make_shared<store::InsertBatch>();
  out->id = fmt::format("{}/{}:{}-refused", batch->id, split.table, split.at);
  out->warnings.push_back({project, kType, kSource, kept->details, now_ms});
  out->owner = std::move(kept);
  return out;
}

Split after_stored(const store::InsertBatch& batch, Split split) {
  const Bounds b = bounds_of(batch, split);
  const uint64_t rows = rows_of_table(batch, split.table);
  if (b.end < rows) {
    // Larger steps again: bad rows are rare.
    split.count = std::min((b.end - b.at) * 2, rows - b.end);
    split.at = b.end;
    return split;
  }
  Split next{true, split.table + 1, 0, 0};
  while (next.table < kTables && rows_of_table(batch, next.table) == 0) next.table++;
  next.active = next.table < kTables;
  return next;
}

Split after_refused(const store::InsertBatch& batch, Split split) {
  const Bounds b = bounds_of(batch, split);
  split.count = std::max<uint64_t>(1, (b.end - b.at) / 2);
  return split;
}

bool is_single_row(const store::InsertBatch& batch, const Split& split) {
  const Bounds b = bounds_of(batch, split);
  return b.end - b.at == 1;
}

}  // namespace penstock::load
