// GET /api/projects/{id}/tail and …/messages: where a live view begins, and how many there may be.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "admin/api/service.h"
#include "event/messages.h"

namespace penstock::admin {
namespace {

// How far back `since=-5m` looks at most: the log has no index by time.
constexpr int64_t kLookBackRecordsMax = 50'000;

}  // namespace

std::vector<log::Position> Service::tail_start(std::string_view since, int64_t& since_ms) const {
  std::vector<log::Position> from;
  const auto bounds = parts_.log.bounds(std::string(event::kTopicProcessed));
  if (!bounds) return from;
  const bool back = since.starts_with('-');
  for (const log::PartitionBounds& b : *bounds) {
    Offset start = b.end;
    if (since == "start") start = b.start;
    if (back) start = Offset{std::max(b.start.value, b.end.value - kLookBackRecordsMax)};
    from.push_back({b.partition, start});
  }
  if (back) {
    const auto span = config::parse_quantity(since.substr(1), "ms");
    since_ms = parts_.runtime.clock().wall_ms() - (span ? *span : 0);
  }
  std::sort(from.begin(), from.end(),
            [](const auto& a, const auto& b) { return a.partition < b.partition; });
  return from;
}

void Service::tail(Call& call, wire::Responder& r) {
  TailFilter filter;
  const std::string_view query = call.request.query;
  wire::query_param(query, "event", filter.event);
  wire::query_param(query, "distinct_id", filter.distinct_id);
  wire::query_param(query, "outcome", filter.outcome);
  std::string since;
  wire::query_param(query, "since", since);
  open_tail(call, r, std::move(filter), std::move(since));
}

void Service::messages(Call& call, wire::Responder& r) {
  TailFilter filter;
  const std::string_view query = call.request.query;
  wire::query_param(query, "topic", filter.topic);
  if (std::ranges::find(event::kMessageTopics, filter.topic) == event::kMessageTopics.end()) {
    return reply_error(r, {Code::kInvalid, fmt::format("the topics of messages are {}",
                                                       fmt::join(event::kMessageTopics, ", "))});
  }
  std::string since = "start", follow;
  wire::query_param(query, "since", since);
  wire::query_param(query, "follow", follow);
  filter.follow = follow == "1";
  open_tail(call, r, std::move(filter), std::move(since));
}

void Service::open_tail(Call& call, wire::Responder& r, TailFilter filter, std::string since) {
  std::erase_if(tails_, [](const auto& t) { return t->finished(); });
  if (stopping_ || tails_.size() >= options_.tails_max) {
    return reply_error(r, {Code::kBusy, "too many live views are open"});
  }
  filter.project = call.project;
  std::vector<log::Position> from = tail_start(since, filter.since_ms);
  std::string cursor(call.request.find("last-event-id"));
  if (cursor.empty()) wire::query_param(call.request.query, "cursor", cursor);
  if (!cursor.empty()) {
    auto resumed = Tail::parse_cursor(cursor, static_cast<int32_t>(from.size()));
    if (!resumed) return reply_error(r, {Code::kInvalid, "the cursor is not one of ours"});
    for (size_t i = 0; i < from.size(); i++) from[i].next = (*resumed)[i].next;
  }
  wire::Response head;
  head.content_type = "text/event-stream";
  head.headers.emplace_back("Cache-Control", "no-store");
  tails_.push_back(std::make_shared<Tail>(parts_, options_, std::move(filter), std::move(from),
                                          r.stream(std::move(head))));
  tails_.back()->start();
}

}  // namespace penstock::admin
