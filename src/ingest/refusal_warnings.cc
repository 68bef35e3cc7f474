#include "ingest/refusal_warnings.h"

#include <algorithm>

#include "base/diag.h"
#include "base/probe.h"
#include "event/lane.h"
#include "event/processed_record.h"
#include "event/raw_record.h"
#include "ingest/steps/edge.h"

namespace penstock::ingest {
namespace {

/// Of both topics: there are few refusals.
constexpr Partition kPartition{0};

std::string counts_topic() { return std::string(event::kTopicRefusalCounts); }
std::string processed_topic() { return std::string(event::kTopicProcessed); }

}  // namespace

std::shared_ptr<RefusalWarnings> RefusalWarnings::make(runtime::Loop& loop, log::Log& log,
                                                       RefusalWarningsOptions options,
                                                       Appended appended) {
  return std::shared_ptr<RefusalWarnings>(
      new RefusalWarnings(loop, log, options, std::move(appended)));
}

Status RefusalWarnings::start() {
  const auto bounds = log_.bounds(counts_topic());
  if (!bounds && bounds.error().code == Code::kNotFound) return {};  // a log that has it not
  if (!bounds) return std::unexpected(bounds.error());
  const int64_t last =
      log_.last_sequence(processed_topic(), kPartition, event::kRefusalCountsProducer);
  if (!options_.shared && last > bounds->front().end.value) {
    return fail(Code::kCorrupt, "the processed topic is ahead of " + counts_topic() +
                                    ": they are not of the same data directory");
  }
  next_ = std::max(last, bounds->front().start.value);
  stopped_ = false;
  fetch();
  return {};
}

void RefusalWarnings::fetch() {
  if (stopped_) return;
  const std::weak_ptr<RefusalWarnings> weak = weak_from_this();
  log_.fetch(loop_,
             {counts_topic(), {{kPartition, {next_}}}, options_.fetch_bytes_max, options_.wait_ms},
             [weak](const Result<log::FetchResult>& got) {
               const auto self = weak.lock();
               if (!self || self->stopped_) return;
               if (!got) return self->retry_later(got.error(), &RefusalWarnings::fetch);
               self->take(*got);
             });
}

void RefusalWarnings::take(const log::FetchResult& got) {
  records_.clear();
  end_ = next_;
  for (const log::ReadBatch& batch : got.batches) {
    for (size_t i = 0; i < batch.records.size(); i++) {
      const int64_t at = batch.base.value + static_cast<int64_t>(i);
      if (at < end_) continue;
      end_ = at + 1;
      const auto count = event::decode_refusal_count(batch.records[i]);
      if (!count) {
        diag::warn("a refusal count cannot be read", {{"error", count.error().message}});
        continue;
      }
      std::string details;
      event::encode(warning_of(*count, details), records_.emplace_back());
    }
  }
  if (records_.empty()) {
    next_ = end_;
    return fetch();
  }
  append();
}

void RefusalWarnings::append() {
  if (stopped_) return;
  log::Batch batch;
  batch.partition = kPartition;
  batch.count = static_cast<uint32_t>(records_.size());
  batch.producer = event::kRefusalCountsProducer;
  batch.sequence = end_;
  for (const std::string& record : records_) log::encode_record(batch.data, record);
  std::vector<log::Batch> batches;
  batches.push_back(std::move(batch));
  const std::weak_ptr<RefusalWarnings> weak = weak_from_this();
  log_.append(loop_, processed_topic(), std::move(batches),
              [weak](const Result<std::vector<log::Appended>>& done) {
                const auto self = weak.lock();
                if (!self || self->stopped_) return;
                if (!done) return self->retry_later(done.error(), &RefusalWarnings::append);
                const log::Appended& where = done->front();
                if (where.duplicate) probe<"ingest.refusals_were_told_before">();
                if (!where.duplicate) self->appended_(kPartition, where.base, self->records_);
                self->next_ = self->end_;
                self->retry_ms_ = 0;
                const Status committed =
                    self->log_.commit(std::string(event::kGroupIngest), counts_topic(),
                                      {{kPartition, {self->next_}}});
                if (!committed) {
                  diag::warn("progress not committed", {{"error", committed.error().message}});
                }
                self->fetch();
              });
}

void RefusalWarnings::retry_later(const Error& error, void (RefusalWarnings::*step)()) {
  probe<"ingest.refusals_repeated">();
  if (retry_ms_ == 0) diag::warn("refusals cannot be told", {{"error", error.message}});
  retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
  const std::weak_ptr<RefusalWarnings> weak = weak_from_this();
  loop_.after(std::chrono::milliseconds(retry_ms_), [weak, step] {
    if (const auto self = weak.lock()) (self.get()->*step)();
  });
}

}  // namespace penstock::ingest
