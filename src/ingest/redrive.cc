#include "ingest/redrive.h"

#include <algorithm>
#include <map>

#include "base/diag.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "event/raw_record.h"

namespace penstock::ingest {
namespace {

Counter redriven_metric{"penstock_ingest_redriven_total",
                        "Events that left quarantine and were received again."};

int64_t minute_of(int64_t ms) { return ms >= 0 ? ms / 60'000 : (ms - 59'999) / 60'000; }

}  // namespace

/// One append: entries of one lane.
struct Redrive::Work {
  event::Lane lane = event::Lane::kMain;
  std::vector<log::Batch> batches;
  std::vector<std::string> ids;
  std::map<ledger::LedgerKey, uint64_t> counts;
};

std::shared_ptr<Redrive> Redrive::make(runtime::Loop& loop, log::Log& log,
                                       catalog::Catalog& catalog, ledger::Ledger& ledger,
                                       RedriveOptions options) {
  return std::shared_ptr<Redrive>(new Redrive(loop, log, catalog, ledger, options));
}

Redrive::Redrive(runtime::Loop& loop, log::Log& log, catalog::Catalog& catalog,
                 ledger::Ledger& ledger, RedriveOptions options)
    : loop_(loop), log_(log), catalog_(catalog), ledger_(ledger), options_(options) {}

void Redrive::start() {
  stopped_ = false;
  const std::weak_ptr<Redrive> weak = weak_from_this();
  runtime::Loop& loop = loop_;
  catalog_.on_change([weak, &loop](std::shared_ptr<const catalog::Snapshot> snapshot) {
    if (weak.expired()) return;
    loop.post([weak, snapshot = std::move(snapshot)] {
      if (const auto self = weak.lock(); self && !self->stopped_) self->look(*snapshot);
    });
  });
  look(*catalog_.snapshot());
}

void Redrive::stop() { stopped_ = true; }

void Redrive::look(const catalog::Snapshot& snapshot) {
  if (ledger_.quarantine_usage().entries == 0) return;
  for (const catalog::Project& project : snapshot.projects) {
    if (std::ranges::find(tokens_, project.token, &Token::token) != tokens_.end()) continue;
    tokens_.push_back({project.token, project.id, {}});
  }
  step();
}

void Redrive::step() {
  if (busy_ || stopped_) return;
  while (!tokens_.empty()) {
    Token& token = tokens_.front();
    const auto entries =
        ledger_.quarantined(token.token, token.after, options_.entries_per_batch_max);
    if (!entries) return retry_later(entries.error());
    if (entries->empty()) {
      tokens_.pop_front();
      continue;
    }
    auto work = std::make_shared<Work>();
    std::map<int32_t, log::Batch> batches;
    std::string record, key;
    for (const ledger::QuarantineEntry& entry : *entries) {
      const bool wanted = entry.reason == "unknown_token";
      const auto raw = wanted ? event::decode_raw(entry.raw) : fail(Code::kInvalid, "");
      // A batch is of one lane; entries of another one are met in the next round.
      const bool fits = work->ids.empty() || entry.source.lane == work->lane;
      if (!raw || !fits) {
        if (!raw && work->ids.empty()) token.after = entry.id;
        if (!fits) break;
        continue;
      }
      work->lane = entry.source.lane;
      event::RawRecord again = *raw;
      again.project = token.project;
      again.redriven = true;
      record.clear();
      event::encode(again, record);
      key.clear();
      event::partition_key(again, work->lane, key);
      const int32_t partition = partition_of(key, options_.partitions);
      log::Batch& batch = batches[partition];
      batch.partition = {partition};
      batch.count++;
      log::encode_record(batch.data, record);
      work->ids.push_back(entry.id);
      work->counts[{token.project, minute_of(again.now_ms), work->lane}]++;
    }
    if (work->ids.empty()) {
      token.after = entries->back().id;
      continue;
    }
    for (auto& [partition, batch] : batches) work->batches.push_back(std::move(batch));
    return append(std::move(work));
  }
}

void Redrive::append(std::shared_ptr<Work> work) {
  busy_ = true;
  std::vector<log::Batch> batches = std::move(work->batches);
  work->batches.clear();
  for (const log::Batch& b : batches) work->batches.push_back({b.partition, b.count, {}, 0, 0});
  const std::weak_ptr<Redrive> weak = weak_from_this();
  log_.append(loop_, std::string(event::lane_topic(work->lane)), std::move(batches),
              [weak, work](Result<std::vector<log::Appended>> done) {
                const auto self = weak.lock();
                if (!self) return;
                self->busy_ = false;
                if (!done) return self->retry_later(done.error());
                self->appended(work, *done);
              });
}

void Redrive::appended(const std::shared_ptr<Work>& work, const std::vector<log::Appended>& where) {
  std::vector<uint32_t> counts;
  for (const log::Batch& b : work->batches) counts.push_back(b.count);
  std::vector<ledger::Ledger::Received> received;
  for (const auto& [key, n] : work->counts) received.push_back({key, n});
  ledger_.received(work->lane, where, counts, received);
  // Appended again after a failure here, the second copies are duplicates.
  if (Status s = ledger_.take_quarantined(work->ids); !s) return retry_later(s.error());
  redriven_metric.add(work->ids.size());
  retry_ms_ = 0;
  step();
}

void Redrive::retry_later(const Error& error) {
  if (retry_ms_ == 0) diag::warn("redrive has to wait", {{"error", error.message}});
  retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
  busy_ = true;
  const std::weak_ptr<Redrive> weak = weak_from_this();
  loop_.after(std::chrono::milliseconds(retry_ms_), [weak] {
    const auto self = weak.lock();
    if (!self) return;
    self->busy_ = false;
    self->step();
  });
}

}  // namespace penstock::ingest
