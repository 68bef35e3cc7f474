#include "capture/turn.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/codec.h"
#include "base/diag.h"
#include "base/hash.h"
#include "base/probe.h"
#include "capture/metrics.h"

namespace penstock::capture {
namespace {

constexpr size_t kLengthBytesMax = 10;
constexpr size_t kFlushBytes = 6U << 20;     // an append larger than this goes at once
constexpr size_t kRestBytesMax = 64U << 10;  // of a record: what Turn::fits does not look at

}  // namespace

struct Turn::Flight {
  event::Lane lane;
  bool counted = true;  // in the ledger: what is redirected is counted by its stub
  FairShare::Sent sent;
  std::vector<uint32_t> record_counts;
  std::vector<ledger::Ledger::Received> counts;
  std::vector<std::shared_ptr<Waiting>> requests;
  size_t bytes = 0;
};

Turn::Turn(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log, ledger::Ledger* ledger,
           const CaptureOptions& options)
    : loop_(loop),
      runtime_(runtime),
      log_(log),
      ledger_(ledger),
      options_(options),
      share_(options.bytes_waiting_max, options.requests_waiting_max) {
  if (options.layout) {
    layout_ = *options.layout;
  } else if (const auto bounds = log.bounds(std::string(event::kTopicMain));
             bounds && !bounds->empty()) {
    layout_.partitions = static_cast<int32_t>(bounds->size());
  }
  for (const event::Lane lane : event::kLanes) {
    lanes_[static_cast<size_t>(lane)].parts.resize(static_cast<size_t>(layout_.of_lane(lane)));
  }
  std::array<uint8_t, sizeof request_number_> random{};
  runtime.random().fill(random);
  std::memcpy(&request_number_, random.data(), random.size());
}

bool Turn::fits(size_t record_bytes) { return record_bytes + kRestBytesMax <= log::kBatchBytesMax; }

/// Whether the record has to go into the next append, because this one would become too large.
bool Turn::overfills(const Lane& lane, const event::RawRecord& r) {
  return lane.bytes > 0 && !fits(lane.bytes + r.data.size() + r.event.size() + r.session_id.size());
}

Status Turn::room() const {
  if (requests_waiting_ >= options_.requests_waiting_max ||
      bytes_waiting_ >= options_.bytes_waiting_max) {
    probe<"capture.too_much_waits">();
    return fail(Code::kBusy, "too many events are waiting for the disk; try again soon");
  }
  return {};
}

Status Turn::room(const catalog::Project* project, size_t bytes) const {
  const ProjectId id = project == nullptr ? ProjectId{} : project->id;
  const uint32_t weight = project == nullptr ? 1 : project->settings->admission.weight;
  if (share_.admits(id, weight, bytes, runtime_.clock().mono_ns())) return {};
  metrics().over_share.add();
  return fail(Code::kBusy, "this project has its share of what waits for the disk; try again soon");
}

void Turn::begin(const std::shared_ptr<Waiting>& request, const catalog::Project* project) {
  requests_waiting_++;
  if (project == nullptr) return;
  request->project = project->id;
  request->weight = project->settings->admission.weight;
}

void Turn::add(const std::shared_ptr<Waiting>& request, const event::RawRecord& record,
               const Admitted& admitted) {
  if (!admitted.topic.empty()) return redirect(request, record, admitted);
  Lane& lane = lanes_[static_cast<size_t>(admitted.lane)];
  if (overfills(lane, record)) flush(admitted.lane);
  event::partition_key(record, admitted.lane, key_);
  add_to(lane, layout_.in_lane(admitted.lane, record.token, key_), request, record);
  const ledger::LedgerKey key{record.project, record.now_ms / 60'000, admitted.lane};
  if (lane.counts.empty() || lane.counts.back().key != key) lane.counts.push_back({key, 0});
  lane.counts.back().count++;
  metrics().events.add();
  if (lane.bytes >= kFlushBytes) flush(admitted.lane);
  schedule();
}

void Turn::add_to(Lane& lane, int32_t partition, const std::shared_ptr<Waiting>& request,
                  const event::RawRecord& record) {
  Part& part = lane.parts[static_cast<size_t>(partition)];
  const size_t size = event::encoded_size(record);
  if (part.data.empty()) {
    part.data.reserve(std::max(part.usual, size + kLengthBytesMax));
    part.ends.reserve(std::max<size_t>(part.usual_count, 1));
  }
  const size_t before = part.data.size();
  log::begin_record(part.data, size);
  event::encode(record, part.data);
  part.ends.push_back(static_cast<uint32_t>(part.data.size()));
  part.count++;
  const size_t grown = part.data.size() - before;
  lane.bytes += grown;
  bytes_waiting_ += grown;
  request->bytes += grown;
  if (!lane.requests.empty() && lane.requests.back() == request) return;
  lane.requests.push_back(request);
  request->appends++;
}

void Turn::redirect(const std::shared_ptr<Waiting>& request, const event::RawRecord& record,
                    const Admitted& admitted) {
  event::RawRecord whole = record;
  whole.disposition = event::Disposition::kProcess;
  whole.reason = {};
  const Redirect where{std::string(event::kRedirectPrefix) + std::string(admitted.topic),
                       admitted.lane};
  const auto there = redirects_.find(where);
  if (there != redirects_.end() && overfills(there->second, whole)) flush_all();
  Lane& lane = redirects_[where];
  lane.parts.resize(static_cast<size_t>(layout_.partitions));
  event::partition_key(whole, admitted.lane, key_);
  add_to(lane, partition_of(key_, layout_.partitions), request, whole);
  event::RawRecord stub = record;
  stub.data = {};
  add(request, stub, {admitted.lane, {}, {}});
  if (lane.bytes >= kFlushBytes) flush_all();
}

void Turn::end(const std::shared_ptr<Waiting>& request) {
  request->closed = true;
  if (request->appends == 0) return answer(request);
  share_.hold(request->project, request->weight, request->bytes);
  request->held = true;
}

void Turn::schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  loop_.at_turn_end([this, alive = alive_] {
    if (!*alive) return;
    scheduled_ = false;
    flush_all();
    flush_refused();
  });
}

void Turn::flush_all() {
  for (const event::Lane lane : event::kLanes) flush(lane);
  for (auto& [where, lane] : redirects_) {
    auto flight = std::make_shared<Flight>();
    flight->lane = where.second;
    flight->counted = false;
    send(lane, flight, where.first);
  }
  redirects_.clear();
}

void Turn::flush(event::Lane where) {
  Lane& lane = lanes_[static_cast<size_t>(where)];
  if (lane.requests.empty()) return;
  auto flight = std::make_shared<Flight>();
  flight->lane = where;
  send(lane, flight, std::string(event::lane_topic(where)));
}

void Turn::send(Lane& lane, const std::shared_ptr<Flight>& flight, std::string topic) {
  flight->bytes = std::exchange(lane.bytes, 0);
  flight->counts = std::exchange(lane.counts, {});
  flight->requests.reserve(lane.requests.size());  // of their own, so that the lane keeps its room
  std::ranges::move(lane.requests, std::back_inserter(flight->requests));
  lane.requests.clear();
  flight->sent = share_.sent(flight->bytes, runtime_.clock().mono_ns());
  std::vector<log::Batch> batches;
  batches.reserve(lane.parts.size());
  for (size_t p = 0; p < lane.parts.size(); p++) {
    Part& part = lane.parts[p];
    if (part.count == 0) continue;
    flight->record_counts.push_back(part.count);
    batches.push_back({.partition = {static_cast<int32_t>(p)},
                       .count = part.count,
                       .data = std::move(part.data),
                       .ends = std::move(part.ends)});
    // Rises at once and sinks slowly, so that a burst does not copy itself while it grows.
    part.usual = std::max(batches.back().data.size(), part.usual - part.usual / 8);
    part.usual_count = std::max(part.count, part.usual_count - part.usual_count / 8);
    part.data = {};
    part.ends = {};
    part.count = 0;
  }
  log_.append(loop_, std::move(topic), std::move(batches),
              [this, alive = alive_, flight](Result<std::vector<log::Appended>> result) {
                if (*alive) landed(*flight, std::move(result));
              });
}

void Turn::landed(Flight& flight, Result<std::vector<log::Appended>> result) {
  bytes_waiting_ -= flight.bytes;
  share_.landed(flight.sent, runtime_.clock().mono_ns());
  if (result && flight.counted && ledger_ != nullptr) {
    ledger_->received(flight.lane, *result, flight.record_counts, flight.counts);
  }
  // Those who wait are many, and have left the processor's caches since.
  constexpr size_t kAhead = 4;
  const auto& requests = flight.requests;
  for (size_t i = 0; i < requests.size(); i++) {
    if (i + kAhead < requests.size()) __builtin_prefetch(requests[i + kAhead].get(), 1);
    const auto& request = requests[i];
    if (!result) {
      if (request->status) request->status = std::unexpected(result.error());
      request->failed_lanes |= static_cast<uint8_t>(1U << static_cast<unsigned>(flight.lane));
    }
    request->appends--;
    if (request->appends == 0 && request->closed) answer(request);
  }
}

void Turn::answer(const std::shared_ptr<Waiting>& request) {
  requests_waiting_--;
  if (request->held) share_.release(request->project, request->bytes);
  metrics().latency.record_us(runtime_.clock().wall_us() - request->received_us);
  (request->status ? metrics().ok : metrics().unavailable).add();
  if (request->reply) {
    request->reply->send(request->responder, request->failed_lanes);
  } else if (request->status) {
    answer_ok(request->responder, request->context);
  } else {
    const bool full = request->status.error().code == Code::kExhausted;
    full ? probe<"capture.answers_full_disk">() : probe<"capture.answers_not_now">();
    answer_unavailable(request->responder, request->context,
                       full ? "the disk is full; nothing was accepted, try again later"
                            : "the events could not be stored now; try again soon");
  }
  if (requests_waiting_ > 0 || idle_.empty()) return;
  for (runtime::Task& t : std::exchange(idle_, {})) t();
}

void Turn::when_idle(runtime::Task done) {
  if (idle()) return done();
  idle_.push_back(std::move(done));
}

void Turn::add_refused(const event::RefusedRecord& record) {
  const int64_t second = record.now_ms / 1000;
  if (second != refused_second_) {
    refused_second_ = second;
    refused_this_second_ = 0;
  }
  if (refused_this_second_ >= options_.refused_records_per_second_max) {
    metrics().refused_unrecorded.add();
    return;
  }
  refused_this_second_++;
  std::string bytes;
  event::encode(record, bytes);
  refused_.push_back(std::move(bytes));
  schedule();
}

void Turn::note_refused(const wire::Request& request, int status, std::string_view tag,
                        std::string_view text, uint32_t number, const Uuid& client) {
  const int64_t now_ms = request.received_us / 1000;
  size_t found = 0;
  for (size_t at = text.find("\"uuid\"");
       at != std::string_view::npos && found < options_.refused_uuids_max;
       at = text.find("\"uuid\"", at + 6)) {
    const size_t open = text.find('"', at + 6);
    if (open == std::string_view::npos || open > at + 16) continue;
    const size_t close = text.find('"', open + 1);
    if (close == std::string_view::npos) break;
    const auto uuid = Uuid::parse(text.substr(open + 1, close - open - 1));
    if (!uuid) continue;
    found++;
    add_refused({*uuid, now_ms, status, {}, tag, request.path, number, client});
  }
  // Whoever has the request's id alone is answered too.
  if (found == 0 && number != 0) {
    add_refused({{}, now_ms, status, {}, tag, request.path, number, client});
  }
}

void Turn::flush_refused() {
  if (refused_.empty()) return;
  auto owner = std::make_shared<std::vector<std::string>>(std::exchange(refused_, {}));
  log::Batch batch;
  for (const std::string& r : *owner) log::encode_record(batch.data, r);
  batch.count = static_cast<uint32_t>(owner->size());
  std::vector<log::Batch> batches;
  batches.push_back(std::move(batch));
  log_.append(loop_, std::string(event::kTopicRefused), std::move(batches),
              [this, alive = alive_, owner](Result<std::vector<log::Appended>> result) {
                if (!*alive || ledger_ == nullptr || !result || result->empty()) return;
                if (result->front().base.value < 0) return;  // the ledger finds them in the log
                log::ReadBatch read{
                    result->front().partition, result->front().base, 0, 0, {}, owner};
                for (const std::string& r : *owner) read.records.push_back(r);
                if (const auto done = ledger_->apply_refused(read); !done) {
                  diag::warn("refusals not indexed", {{"error", done.error().message}});
                }
              });
}

}  // namespace penstock::capture
