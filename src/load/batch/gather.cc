#include "load/batch/gather.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

#include "event/processed_record.h"

namespace penstock::load {
namespace {

constexpr int64_t kMinuteMs = 60'000;

}  // namespace

Gather::Gather(const std::vector<Offset>& positions)
    : counts_(positions.size()), rows_(positions.size()) {
  for (size_t p = 0; p < positions.size(); p++) {
    ranges_.push_back({{static_cast<int32_t>(p)}, positions[p], positions[p]});
  }
}

void Gather::limit_to(const std::vector<Range>& ranges) {
  limits_.clear();
  for (const Range& own : ranges_) limits_.push_back(own.to);
  for (const Range& r : ranges) limits_[static_cast<size_t>(r.partition.value)] = r.to;
}

void Gather::leave_out_all_but(const std::vector<bool>& mine) {
  limits_.clear();
  for (size_t p = 0; p < ranges_.size(); p++) {
    limits_.push_back(mine[p] ? Offset{INT64_MAX} : ranges_[p].to);
  }
}

bool Gather::complete() const {
  for (size_t p = 0; p < limits_.size(); p++) {
    if (ranges_[p].to < limits_[p]) return false;
  }
  return true;
}

std::vector<log::Position> Gather::wanted() const {
  std::vector<log::Position> out;
  for (size_t p = 0; p < ranges_.size(); p++) {
    if (!limits_.empty() && ranges_[p].to >= limits_[p]) continue;
    out.push_back({ranges_[p].partition, ranges_[p].to});
  }
  return out;
}

std::vector<Offset> Gather::next() const {
  std::vector<Offset> out;
  for (const Range& r : ranges_) out.push_back(r.to);
  return out;
}

void Gather::skip_to(Partition partition, Offset to) {
  Range& range = ranges_[static_cast<size_t>(partition.value)];
  range.from = range.to = to;
}

Status Gather::take(const log::ReadBatch& batch) {
  const auto p = static_cast<size_t>(batch.partition.value);
  if (p >= ranges_.size()) return {};
  Range& range = ranges_[p];
  bool used = false;
  Status status;
  for (size_t i = 0; i < batch.records.size(); i++) {
    const Offset at{batch.base.value + static_cast<int64_t>(i)};
    if (at < range.to) continue;
    if (!limits_.empty() && at >= limits_[p]) break;
    if (status = add(batch.records[i], p); !status) {
      status =
          fail(Code::kCorrupt,
               fmt::format("record {} of partition {} of the processed topic cannot be read: {}",
                           at.value, p, status.error().message));
      break;
    }
    range.to.value = at.value + 1;
    used = true;
  }
  if (used) owners_.push_back(batch.owner);
  return status;
}

Status Gather::add(std::string_view record, size_t partition) {
  store::InsertBatch& rows = rows_[partition];
  PENSTOCK_TRY(const event::ProcessedRecord decoded, event::decode_processed(record));
  if (const auto* o = std::get_if<event::Outcome>(&decoded)) {
    const event::Lane lane = o->source.lane;
    if (lane == event::Lane::kHistorical || lane == event::Lane::kOverflow) bulk_records_++;
    if (o->kind == event::OutcomeKind::kAccepted) {
      // Of a recording the rows are its blocks, of a heatmap's event its points.
      if (o->source.lane != event::Lane::kReplay && !o->row.heatmap_only) {
        rows.events.push_back({o->project, o->uuid, o->row});
      }
      counts_[partition][{o->received_for, o->received_ms / kMinuteMs, o->source.lane}]++;
    }
  } else if (const auto* person = std::get_if<event::PersonChange>(&decoded)) {
    rows.persons.push_back(*person);
  } else if (const auto* id = std::get_if<event::DistinctIdChange>(&decoded)) {
    rows.distinct_ids.push_back(*id);
  } else if (const auto* warning = std::get_if<event::IngestionWarning>(&decoded)) {
    rows.warnings.push_back(*warning);
  } else if (const auto* block = std::get_if<event::ReplayBlock>(&decoded)) {
    rows.replay_blocks.push_back(*block);
  } else if (const auto* line = std::get_if<event::LogEntry>(&decoded)) {
    rows.log_entries.push_back(*line);
  } else if (const auto* group = std::get_if<event::GroupChange>(&decoded)) {
    rows.groups.push_back(*group);
  } else if (const auto* heatmap = std::get_if<event::Heatmap>(&decoded)) {
    for (const event::HeatmapPoint& point : heatmap->points) {
      rows.heatmaps.push_back({heatmap->project, heatmap->session_id, heatmap->distinct_id,
                               heatmap->timestamp_ms, heatmap->viewport_width,
                               heatmap->viewport_height, point});
    }
    records_ += heatmap->points.size();  // a batch is bounded by its rows
  }
  records_++;
  bytes_ += record.size();
  return {};
}

std::shared_ptr<store::InsertBatch> Gather::seal(std::string id) {
  auto out = std::make_shared<store::InsertBatch>();
  const auto append = [](auto& to, auto& from) {
    if (to.empty()) return to.swap(from);
    to.insert(to.end(), from.begin(), from.end());
    from.clear();
  };
  for (store::InsertBatch& rows : rows_) {
    append(out->events, rows.events);
    append(out->persons, rows.persons);
    append(out->distinct_ids, rows.distinct_ids);
    append(out->warnings, rows.warnings);
    append(out->replay_blocks, rows.replay_blocks);
    append(out->log_entries, rows.log_entries);
    append(out->heatmaps, rows.heatmaps);
    append(out->groups, rows.groups);
  }
  out->id = std::move(id);
  out->owner = std::make_shared<std::vector<std::shared_ptr<const void>>>(std::move(owners_));
  return out;
}

std::vector<ledger::Ledger::Received> Gather::counts(Partition partition) const {
  std::vector<ledger::Ledger::Received> out;
  for (const auto& [key, n] : counts_[static_cast<size_t>(partition.value)])
    out.push_back({key, n});
  return out;
}

}  // namespace penstock::load
