#include "ingest/commands/decision_order.h"

#include <algorithm>
#include <limits>

#include "event/lane.h"

namespace penstock::ingest {
namespace {

constexpr size_t kFetchBytesMax = 2U << 20;
/// Events visited before others on this loop have their turn.
constexpr size_t kVisitsPerTurn = 500;

}  // namespace

std::shared_ptr<DecisionOrder> DecisionOrder::make(runtime::Loop& loop, log::Log& log,
                                                   CommandHost& host, ProjectId project,
                                                   const std::vector<int64_t>& from, Visit visit) {
  std::shared_ptr<DecisionOrder> out(new DecisionOrder(loop, log, host, project, std::move(visit)));
  for (size_t p = 0; p < from.size(); p++) {
    if (!host.decides({static_cast<int32_t>(p)})) continue;
    out->parts_[static_cast<int32_t>(p)].next = from[p];
  }
  return out;
}

uint64_t DecisionOrder::left(const std::vector<log::PartitionBounds>& ends) const {
  uint64_t out = 0;
  for (const log::PartitionBounds& b : ends) {
    const auto it = parts_.find(b.partition.value);
    if (it == parts_.end()) continue;
    out += it->second.held.size();
    out += static_cast<uint64_t>(std::max<int64_t>(b.end.value - it->second.next, 0));
  }
  return out;
}

void DecisionOrder::read(const std::vector<log::PartitionBounds>& ends, int64_t time_ms,
                         Done done) {
  for (const log::PartitionBounds& b : ends) {
    if (!host_.decides(b.partition)) continue;
    Part& part = parts_[b.partition.value];
    part.next = std::max(part.next, b.start.value);
    part.end = std::max(part.end, b.end.value);
  }
  upto_ms_ = time_ms;
  done_ = std::move(done);
  loop_.post([self = shared_from_this()] { self->step(); });
}

void DecisionOrder::step() {
  if (stopped_) return finish(fail(Code::kCancelled, "stopped"));
  auto status = std::make_shared<Status>();
  host_.off_loop([self = shared_from_this(), status] { *status = self->visit_ready(); },
                 [self = shared_from_this(), status] {
                   *status ? self->go_on() : self->finish(std::move(*status));
                 });
}

void DecisionOrder::go_on() {
  if (std::ranges::any_of(parts_, [](const auto& p) { return p.second.starved(); })) {
    return fetch();
  }
  for (const auto& [number, part] : parts_) {
    if (part.held.empty() || part.held.front().time_ms > upto_ms_) continue;
    loop_.post([self = shared_from_this()] { self->step(); });
    return;
  }
  finish({});
}

void DecisionOrder::fetch() {
  log::FetchRequest request;
  request.topic = std::string(event::kTopicProcessed);
  request.bytes_max = kFetchBytesMax;
  for (const auto& [number, part] : parts_) {
    if (part.starved()) request.positions.push_back({{number}, {part.next}});
  }
  log_.fetch(loop_, std::move(request), [self = shared_from_this()](Result<log::FetchResult> got) {
    if (!got) return self->finish(std::unexpected(std::move(got).error()));
    if (Status s = self->take(*got); !s) return self->finish(std::move(s));
    self->step();
  });
}

Status DecisionOrder::take(const log::FetchResult& got) {
  bool progress = false;
  for (const log::ReadBatch& batch : got.batches) {
    Part& part = parts_[batch.partition.value];
    for (size_t i = 0; i < batch.records.size(); i++) {
      const int64_t at = batch.base.value + static_cast<int64_t>(i);
      if (at < part.next) continue;
      if (at >= part.end) break;
      part.next = at + 1;
      progress = true;
      PENSTOCK_TRY(const auto record, event::decode_processed(batch.records[i]));
      const auto* o = std::get_if<event::Outcome>(&record);
      if (o == nullptr || o->kind != event::OutcomeKind::kAccepted || o->project != project_ ||
          o->source.lane == event::Lane::kReplay) {
        continue;
      }
      part.held.push_back({o->row.created_at_ms, batch.records[i], batch.owner});
    }
  }
  if (!progress) return fail(Code::kUnavailable, "reading the processed topic: no records came");
  return {};
}

/// While a partition is not read as far as another's next event, nobody knows who is first.
Status DecisionOrder::visit_ready() {
  for (size_t n = 0; n < kVisitsPerTurn; n++) {
    Part* first = nullptr;
    for (auto& [number, part] : parts_) {
      if (part.starved()) return {};
      if (part.held.empty() || part.held.front().time_ms > upto_ms_) continue;
      if (first == nullptr || part.held.front().time_ms < first->held.front().time_ms) {
        first = &part;
      }
    }
    if (first == nullptr) return {};
    const Held held = std::move(first->held.front());
    first->held.pop_front();
    PENSTOCK_TRY(const auto record, event::decode_processed(held.bytes));
    PENSTOCK_CHECK(visit_(std::get<event::Outcome>(record)));
  }
  return {};
}

void DecisionOrder::finish(Status status) {
  if (done_) std::exchange(done_, nullptr)(std::move(status));
}

}  // namespace penstock::ingest
