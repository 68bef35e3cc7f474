#include "ledger/undecided.h"

#include <algorithm>
#include <memory>
#include <string>

#include "log/scan.h"

namespace penstock::ledger {
namespace {

struct Search {
  log::Log& log;
  runtime::Loop& loop;
  UndecidedQuery query;
  UndecidedDone done;
  std::vector<TraceEntry> found;
  size_t lane = 0;
};

void search_lane(const std::shared_ptr<Search>& search);

Status visit(Search& search, event::Lane lane, const log::ScanSlice& slice) {
  for (size_t i = 0; i < slice.records.size(); i++) {
    const auto raw = event::decode_raw(slice.records[i]);
    if (!raw) return std::unexpected(raw.error());
    if (search.found.size() >= search.query.found_max) break;
    if (!search.query.matches(*raw, lane)) continue;
    TraceEntry entry;
    entry.uuid = raw->uuid;
    entry.state = "in_flight";
    entry.stage = lane == event::Lane::kReplay ? "replay" : "ingest";
    entry.project = raw->project;
    entry.received_ms = raw->now_ms;
    entry.source = {lane, slice.partition, {slice.base.value + static_cast<int64_t>(i)}};
    entry.event = raw->event;
    entry.distinct_id = raw->distinct_id;
    search.found.push_back(std::move(entry));
  }
  return {};
}

void search_lane(const std::shared_ptr<Search>& search) {
  if (search->lane == event::kLanes.size()) return search->done(std::move(search->found));
  const event::Lane lane = event::kLanes[search->lane++];
  std::string topic(event::lane_topic(lane));
  std::vector<log::ScanRange> ranges;
  if (const auto bounds = search->log.bounds(topic)) {
    for (const log::PartitionBounds& b : *bounds) {
      const int64_t decided = search->log.last_sequence(std::string(event::kTopicProcessed),
                                                        b.partition, event::ingest_producer(lane));
      const int64_t from =
          std::max({decided, b.start.value, b.end.value - search->query.records_max});
      ranges.push_back({b.partition, {from}, b.end});
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
