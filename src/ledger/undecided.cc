#include "ledger/undecided.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "log/scan.h"

namespace penstock::ledger {
namespace {

/// Records of a partition that slices which share it may lie apart, for what is looked at again.
constexpr int64_t kApartMax = 20'000;

struct Search {
  log::Log& log;
  runtime::Loop& loop;
  UndecidedQuery query;
  UndecidedDone done;
  std::vector<TraceEntry> found;
  size_t lane = 0;
  /// The first that is not decided, of a lane's partition and a partition of `processed`.
  std::map<std::pair<int32_t, int32_t>, int64_t> next{};

  /// Where the outcomes of a record go.
  Partition outcomes(event::Lane where, Partition in_lane, std::string_view token) const {
    const bool all = where == event::Lane::kReplay;  // taken by who has the first slice
    const int32_t slice = all ? 0 : event::slice_of(token, query.layout.slices);
    return query.layout.outcomes(slice, where, in_lane);
  }

  /// From where on a lane's partition may have what is not decided, as far as it is looked for.
  int64_t first(event::Lane where, Partition in_lane) {
    const event::Layout& l = query.layout;
    const bool one = l.is_apart(where) || where == event::Lane::kReplay;
    int64_t nearest = std::numeric_limits<int64_t>::max(), furthest = -1;
    for (int32_t slice = 0; slice < (one ? 1 : l.slices); slice++) {
      const Partition p = l.outcomes(slice, where, in_lane);
      const int64_t decided =
          log.last_sequence(std::string(event::kTopicProcessed), p, event::ingest_producer(where));
      next[{in_lane.value, p.value}] = decided;
      nearest = std::min(nearest, decided);
      furthest = std::max(furthest, decided);
    }
    return std::max(nearest, furthest - kApartMax);
  }
};

void search_lane(const std::shared_ptr<Search>& search);

Status visit(Search& search, event::Lane lane, const log::ScanSlice& slice) {
  for (size_t i = 0; i < slice.records.size(); i++) {
    const auto raw = event::decode_raw(slice.records[i]);
    if (!raw) return std::unexpected(raw.error());
    if (search.found.size() >= search.query.found_max) break;
    if (!search.query.matches(*raw, lane)) continue;
    const int64_t at = slice.base.value + static_cast<int64_t>(i);
    const Partition outcomes = search.outcomes(lane, slice.partition, raw->token);
    const auto next = search.next.find({slice.partition.value, outcomes.value});
    if (next != search.next.end() && at < next->second) continue;
    TraceEntry entry;
    entry.processed_in = outcomes;
    entry.uuid = raw->uuid;
    entry.state = "in_flight";
    entry.stage = lane == event::Lane::kReplay ? "replay" : "ingest";
    entry.project = raw->project;
    entry.received_ms = raw->now_ms;
    entry.source = {lane, slice.partition, {at}};
    entry.event = raw->event;
    entry.distinct_id = raw->distinct_id;
    search.found.push_back(std::move(entry));
  }
  return {};
}

void search_lane(const std::shared_ptr<Search>& search) {
  if (search->lane == event::kLanes.size()) return search->done(std::move(search->found));
  const event::Lane lane = event::kLanes[search->lane++];
  search->next.clear();
  std::string topic(event::lane_topic(lane));
  std::vector<log::ScanRange> ranges;
  if (const auto bounds = search->log.bounds(topic)) {
    for (const log::PartitionBounds& b : *bounds) {
      const int64_t from = std::max({search->first(lane, b.partition), b.start.value,
                                     b.end.value - search->query.records_max});
      ranges.push_back({b.partition, {std::min(from, b.end.value)}, b.end});
    }
  }
  log::scan(
      search->log, search->loop, std::move(topic), std::move(ranges),
      [search, lane](const log::ScanSlice& slice) { return visit(*search, lane, slice); },
      [search](Status status) {
        if (!status) return search->done(std::unexpected(std::move(status).error()));
        search_lane(search);
      });
}

}  // namespace

void scan_undecided(log::Log& log, runtime::Loop& loop, UndecidedQuery query, UndecidedDone done) {
  auto search =
      std::make_shared<Search>(Search{log, loop, std::move(query), std::move(done), {}, 0});
  search_lane(search);
}

}  // namespace penstock::ledger
