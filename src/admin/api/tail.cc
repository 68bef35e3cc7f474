#include "admin/api/tail.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

#include "admin/api/reply.h"
#include "base/json_writer.h"
#include "event/messages.h"
#include "event/processed_record.h"

namespace penstock::admin {
namespace {

constexpr int64_t kWaitMs = 1000;
constexpr size_t kFetchBytes = 1U << 20;
constexpr int64_t kRetryMs = 500;

bool matches(const event::Outcome& o, const TailFilter& f) {
  if (f.project.value != 0 && o.project != f.project && o.received_for != f.project) return false;
  if (!f.outcome.empty() && f.outcome != event::outcome_name(o.kind)) return false;
  // Recordings and heatmaps come by the second and say little: they are shown to those who ask by
  // name.
  const bool quiet = o.source.lane == event::Lane::kReplay || o.row.heatmap_only;
  if (quiet && o.kind == event::OutcomeKind::kAccepted && f.event.empty()) return false;
  if (!f.event.empty() && o.row.event != f.event) return false;
  if (!f.distinct_id.empty() && o.row.distinct_id != f.distinct_id) return false;
  return o.received_ms >= f.since_ms;
}

void write_row(JsonWriter& w, const event::EventRow& row) {
  w.field("event", row.event).field("distinct_id", row.distinct_id);
  w.field("timestamp", iso_time(row.timestamp_ms));
  w.key("properties").raw(row.properties.empty() ? "{}" : row.properties);
  w.field("person_id", row.person_id.text());
  w.key("person_properties").raw(row.person_properties.empty() ? "{}" : row.person_properties);
  w.field("person_mode", event::person_mode_name(row.person_mode));
  w.field("elements_chain", row.elements_chain);
}

}  // namespace

Tail::Tail(AdminService::Parts& parts, const AdminOptions& options, TailFilter filter,
           std::vector<log::Position> from, std::shared_ptr<wire::BodyStream> stream)
    : parts_(parts),
      options_(options),
      filter_(std::move(filter)),
      positions_(std::move(from)),
      stream_(std::move(stream)) {}

void Tail::start() {
  if (!stream_->write(": connected\n\n")) return finish();
  if (!filter_.follow) {
    if (auto bounds = parts_.log.bounds(std::string(event::kTopicProcessed))) {
      until_ = std::move(*bounds);
    }
  }
  fetch();
}

void Tail::stop() {
  if (finished_) return;
  stream_->finish();
  finish();
}

void Tail::finish() {
  finished_ = true;
  stream_.reset();
}

void Tail::fetch() {
  if (finished_) return;
  if (!filter_.follow && reached_end()) {
    stream_->write("event: end\ndata: {}\n\n");
    return stop();
  }
  if (stream_->pending() > options_.tail_pending_bytes_max) {
    stream_->on_drained([self = shared_from_this()] { self->fetch(); });
    return;
  }
  log::FetchRequest request{std::string(event::kTopicProcessed), positions_, kFetchBytes, kWaitMs};
  parts_.log.fetch(parts_.loop, std::move(request),
                   [self = shared_from_this()](Result<log::FetchResult> result) {
                     self->on_fetched(std::move(result));
                   });
}

void Tail::on_fetched(Result<log::FetchResult> result) {
  if (finished_) return;
  if (!result) {
    if (result.error().code == Code::kNotFound) {
      // Retention passed the reader while it was away: say so and go on at the oldest record.
      const auto bounds = parts_.log.bounds(std::string(event::kTopicProcessed));
      if (bounds) {
        for (log::Position& p : positions_) {
          for (const auto& b : *bounds) {
            if (b.partition == p.partition && p.next < b.start) p.next = b.start;
          }
        }
      }
      if (!stream_->write("event: gap\ndata: {\"reason\":\"retention\"}\n\n")) return finish();
      return fetch();
    }
    parts_.loop.after(std::chrono::milliseconds(kRetryMs),
                      [self = shared_from_this()] { self->fetch(); });
    return;
  }
  for (const log::ReadBatch& batch : result->batches) {
    write_batch(batch);
    if (finished_) return;
  }
  for (const log::Position& next : result->next) {
    for (log::Position& p : positions_) {
      if (p.partition == next.partition && p.next < next.next) p.next = next.next;
    }
  }
  progress();
  if (!finished_) fetch();
}

void Tail::write_batch(const log::ReadBatch& batch) {
  std::string out;
  Offset offset = batch.base;
  for (const std::string_view record : batch.records) {
    write_record(record, offset, batch.partition, out);
    offset.value++;
  }
  if (!out.empty() && !stream_->write(out)) finish();
}

void Tail::write_record(std::string_view record, Offset offset, Partition partition,
                        std::string& out) {
  for (log::Position& p : positions_) {
    if (p.partition != partition) continue;
    if (offset < p.next) return;  // a batch may begin before the asked position
    p.next = Offset{offset.value + 1};
  }
  const auto decoded = event::decode_processed(record);
  if (!decoded) return;
  if (!filter_.topic.empty()) return write_messages(*decoded, out);
  const auto* o = std::get_if<event::Outcome>(&*decoded);
  if (o == nullptr || !matches(*o, filter_)) return;
  JsonWriter w;
  w.begin_object().field("uuid", o->uuid.text()).field("outcome", event::outcome_name(o->kind));
  w.field("reason", o->reason).field("received_at", iso_time(o->received_ms));
  w.field("lane", event::lane_name(o->source.lane)).field("project_id", o->project.value);
  w.field("partition", o->source.partition.value).field("offset", o->source.offset.value);
  if (o->kind == event::OutcomeKind::kAccepted) write_row(w, o->row);
  w.end_object();
  out += fmt::format("id: {}\nevent: outcome\ndata: {}\n\n", cursor_text(positions_), w.take());
}

void Tail::write_messages(const event::ProcessedRecord& record, std::string& out) const {
  if (event::message_topic(record) != filter_.topic) return;
  if (filter_.project.value != 0 && event::project_of(record) != filter_.project) return;
  std::vector<std::string> messages;
  event::append_messages(record, messages);
  for (size_t i = 0; i < messages.size(); i++) {
    // Only the last moves the cursor on: a reader that is cut off between two sees them again.
    if (i + 1 == messages.size()) out += fmt::format("id: {}\n", cursor_text(positions_));
    out += fmt::format("event: message\ndata: {}\n\n", messages[i]);
  }
}

bool Tail::reached_end() const {
  for (const log::PartitionBounds& b : until_) {
    for (const log::Position& p : positions_) {
      if (p.partition == b.partition && p.next < b.end) return false;
    }
  }
  return true;
}

void Tail::progress() {
  const int64_t now = parts_.runtime.clock().wall_ms();
  if (now - last_progress_ms_ < 1000) return;
  last_progress_ms_ = now;
  uint64_t behind = 0;
  if (const auto bounds = parts_.log.bounds(std::string(event::kTopicProcessed))) {
    for (const auto& b : *bounds) {
      for (const log::Position& p : positions_) {
        if (p.partition == b.partition && b.end > p.next) {
          behind += static_cast<uint64_t>(b.end.value - p.next.value);
        }
      }
    }
  }
  if (!stream_->write(fmt::format("id: {}\nevent: progress\ndata: {{\"behind\":{}}}\n\n",
                                  cursor_text(positions_), behind))) {
    finish();
  }
}

std::optional<std::vector<log::Position>> Tail::parse_cursor(std::string_view text,
                                                             int32_t partitions) {
  std::vector<log::Position> out;
  while (!text.empty()) {
    const size_t dash = text.find('-');
    const std::string_view part = text.substr(0, dash);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size() || value < 0) return std::nullopt;
    out.push_back({Partition{static_cast<int32_t>(out.size())}, Offset{value}});
    if (dash == std::string_view::npos) break;
    text.remove_prefix(dash + 1);
  }
  if (out.size() != static_cast<size_t>(partitions)) return std::nullopt;
  return out;
}

std::string Tail::cursor_text(const std::vector<log::Position>& positions) {
  std::string out;
  for (const log::Position& p : positions) {
    if (!out.empty()) out += '-';
    out += fmt::to_string(p.next.value);
  }
  return out;
}

}  // namespace penstock::admin
