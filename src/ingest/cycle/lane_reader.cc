#include "ingest/cycle/lane_reader.h"

#include <algorithm>
#include <utility>

#include "base/diag.h"
#include "base/metrics.h"
#include "base/probe.h"
#include "event/raw_record.h"

namespace penstock::ingest {
namespace {

Counter passed_metric{"penstock_ingest_passed_over_total",
                      "Records looked at and left to who decides their slice."};

}  // namespace

LaneReader::LaneReader(runtime::Loop& loop, log::Log& log, event::Lane lane,
                       LaneReaderOptions options, runtime::Task on_records)
    : loop_(loop), log_(log), lane_(lane), options_(options), on_records_(std::move(on_records)) {}

LaneReader::~LaneReader() = default;

void LaneReader::start(const std::vector<log::Position>& positions) {
  for (const log::Position& p : positions) {
    decided_[p.partition.value] = p.next.value;
    fetched_[p.partition.value] = p.next.value;
  }
  stopped_ = false;
  fetch();
}

void LaneReader::stop() { stopped_ = true; }

void LaneReader::fetch() {
  if (fetching_ || stopped_ || fetched_.empty()) return;
  if (buffered_bytes_ >= options_.buffered_bytes_max) return;
  fetching_ = true;
  log::FetchRequest request;
  request.topic = event::lane_topic(lane_);
  for (const auto& [partition, next] : fetched_) request.positions.push_back({{partition}, {next}});
  request.bytes_max = options_.fetch_bytes_max;
  request.wait_ms = options_.wait_ms;
  const std::weak_ptr<int> alive = alive_;
  log_.fetch(loop_, std::move(request), [this, alive](Result<log::FetchResult> got) {
    if (alive.expired()) return;
    fetching_ = false;
    if (!stopped_) on_fetched(std::move(got));
  });
}

void LaneReader::on_fetched(Result<log::FetchResult> got) {
  if (!got) return retry_later(std::move(got).error().message);
  last_error_.clear();
  retry_ms_ = 0;
  for (const log::ReadBatch& batch : got->batches) take(batch);
  for (const log::Position& p : got->next) {
    int64_t& next = fetched_[p.partition.value];
    next = std::max(next, p.next.value);
  }
  fetch();
  if (has_records()) on_records_();
}

void LaneReader::keep(Piece piece) {
  if (piece.records.empty()) return;
  buffered_bytes_ += piece.bytes;
  buffer_.push_back(std::move(piece));
}

void LaneReader::take_slice(const log::ReadBatch& batch) {
  int64_t& next = fetched_[batch.partition.value];
  Piece piece{batch.partition, {}, {}, 0, batch.owner};
  uint64_t passed = 0;
  for (size_t i = 0; i < batch.records.size(); i++) {
    const int64_t at = batch.base.value + static_cast<int64_t>(i);
    if (at < next) continue;
    // What nobody can read belongs to somebody, too: to the first slice.
    const auto raw = event::decode_raw(batch.records[i]);
    const bool ours = raw ? options_.slice.has_token(raw->token) : options_.slice.index == 0;
    if (!ours) {
      if (!piece.records.empty()) {
        keep(std::exchange(piece, {batch.partition, {}, {}, 0, batch.owner}));
      }
      passed++;
      continue;
    }
    if (piece.records.empty()) piece.base = {at};
    piece.records.push_back(batch.records[i]);
    piece.bytes += batch.records[i].size();
  }
  keep(std::move(piece));
  next = std::max(next, batch.base.value + static_cast<int64_t>(batch.records.size()));
  passed_metric.add(passed);
}

void LaneReader::take(const log::ReadBatch& batch) {
  if (!options_.slice.is_all()) return take_slice(batch);
  int64_t& next = fetched_[batch.partition.value];
  Piece piece{batch.partition, {}, {}, 0, batch.owner};
  for (size_t i = 0; i < batch.records.size(); i++) {
    const int64_t at = batch.base.value + static_cast<int64_t>(i);
    if (at < next) continue;
    if (piece.records.empty()) piece.base = {at};
    piece.records.push_back(batch.records[i]);
    piece.bytes += batch.records[i].size();
  }
  if (piece.records.empty()) return;
  next = piece.base.value + static_cast<int64_t>(piece.records.size());
  keep(std::move(piece));
}

void LaneReader::retry_later(std::string error) {
  if (last_error_.empty()) {
    diag::warn("ingest cannot read the log", {{"lane", event::lane_name(lane_)}, {"error", error}});
  }
  probe<"ingest.fetch_repeated">();
  last_error_ = std::move(error);
  retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
  fetching_ = true;  // no other fetch until the delay is over
  const std::weak_ptr<int> alive = alive_;
  loop_.after(std::chrono::milliseconds(retry_ms_), [this, alive] {
    if (alive.expired()) return;
    fetching_ = false;
    fetch();
  });
}

std::vector<InputSlice> LaneReader::peek(size_t events_max, size_t bytes_max) const {
  std::vector<InputSlice> out;
  size_t events = 0, bytes = 0;
  for (const Piece& piece : buffer_) {
    if (events >= events_max || bytes >= bytes_max) break;
    InputSlice slice{piece.partition, piece.base, {}};
    for (std::string_view record : piece.records) {
      if (events >= events_max || (bytes >= bytes_max && events > 0)) break;
      slice.records.push_back(record);
      bytes += record.size();
      events++;
    }
    if (!slice.records.empty()) out.push_back(std::move(slice));
  }
  return out;
}

void LaneReader::advance(Partition partition, Offset next) {
  int64_t& decided = decided_[partition.value];
  if (next.value <= decided) return;
  decided = next.value;
  for (Piece& piece : buffer_) {
    if (piece.partition != partition || piece.base >= next) continue;
    const auto n =
        std::min(piece.records.size(), static_cast<size_t>(next.value - piece.base.value));
    for (size_t i = 0; i < n; i++) {
      piece.bytes -= piece.records[i].size();
      buffered_bytes_ -= piece.records[i].size();
    }
    piece.records.erase(piece.records.begin(),
                        piece.records.begin() + static_cast<std::ptrdiff_t>(n));
    piece.base.value += static_cast<int64_t>(n);
  }
  std::erase_if(buffer_, [](const Piece& p) { return p.records.empty(); });
  fetch();
}

std::vector<log::Position> LaneReader::positions() const {
  std::vector<log::Position> out;
  if (options_.slice.is_all()) {
    for (const auto& [partition, next] : decided_) out.push_back({{partition}, {next}});
    return out;
  }
  std::map<int32_t, int64_t> first = fetched_;
  for (const Piece& piece : buffer_) {
    int64_t& next = first[piece.partition.value];
    next = std::min(next, piece.base.value);
  }
  for (const auto& [partition, next] : first) out.push_back({{partition}, {next}});
  return out;
}

}  // namespace penstock::ingest
