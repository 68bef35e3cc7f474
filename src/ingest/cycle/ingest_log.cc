// What IngestService does beside its cycles: finding where to go on, choosing what one takes,
// applying what others appended, pausing for commands, and telling how far it is.
#include <algorithm>

#include "base/diag.h"
#include "base/probe.h"
#include "ingest/cycle/ingest_cycle.h"
#include "log/scan.h"

namespace penstock::ingest {

std::string IngestService::group() const {
  std::string out(event::kGroupIngest);
  return passes_over() ? out + "-" + std::to_string(slice_.index) : out;
}

Result<std::vector<log::Position>> IngestService::first_positions(event::Lane lane) const {
  const std::string topic(event::lane_topic(lane));
  PENSTOCK_TRY(const auto bounds, log_.bounds(topic));
  std::map<int32_t, int64_t> looked;  // what was only passed over leaves no outcome
  if (passes_over()) {
    for (const log::Position& p : log_.committed(group(), topic)) {
      looked[p.partition.value] = p.next.value;
    }
  }
  std::vector<log::Position> out;
  for (const log::PartitionBounds& b : bounds) {
    if (!layout_.may_have(lane, b.partition, slice_.index)) continue;
    int64_t last = log_.last_sequence(std::string(event::kTopicProcessed),
                                      outcomes_of(lane, b.partition), event::ingest_producer(lane));
    if (passes_over()) {
      // Its end is known a moment later than what others decided of it.
      last = std::max(last, std::min(looked[b.partition.value], b.end.value));
    } else if (last > b.end.value && slice_.is_all()) {
      return fail(Code::kCorrupt, "the processed topic is ahead of " +
                                      std::string(event::lane_topic(lane)) +
                                      ": they are not of the same data directory");
    }
    out.push_back({b.partition, {std::max(last, b.start.value)}});
  }
  return out;
}

/// An earlier attempt whose outcome was unknown may have decided more than the last one did.
void IngestService::advance_to_log(LaneReader& from) {
  for (const log::Position& p : from.positions()) {
    const int64_t last = log_.last_sequence(std::string(event::kTopicProcessed),
                                            outcomes_of(from.lane(), p.partition),
                                            event::ingest_producer(from.lane()));
    if (last > p.next.value) {
      probe<"ingest.log_is_ahead_of_the_cycle">();
      from.advance(p.partition, {last});
      gate_.forget(from.lane(), p.partition, {last});
    }
  }
}

Status IngestService::take(Cycle& cycle, const LaneChoice::Turn& turn,
                           const catalog::Snapshot& snapshot) {
  const bool apps = gate_.looks(snapshot);
  const size_t ahead = apps ? AppGate::kAhead : 1;
  cycle.slices = cycle.reader->peek(turn.events_max * ahead, turn.bytes_max * ahead);
  // The order of decision can be read from the log: by time, which every cycle has its own, then by
  // partition, then by offset. Undoing a merge goes by it.
  std::ranges::stable_sort(cycle.slices, {}, &InputSlice::partition);
  if (!apps) return {};
  PENSTOCK_TRY(auto admitted, gate_.admit(turn.lane, cycle.slices, snapshot, turn.events_max));
  cycle.slices = std::move(admitted.slices);
  cycle.apps = std::move(admitted.answers);
  return {};
}

/// What it decided, partition by partition, and nothing else.
void IngestService::take_again(Cycle& cycle, const Cycle& before) {
  cycle.apps = before.apps;
  for (const InputSlice& slice : before.slices) {
    const auto& outputs = before.decided.outputs;
    const auto output = std::ranges::find(outputs, slice.partition, &Output::partition);
    if (output == outputs.end() || output->next <= slice.base) continue;
    const auto decided = static_cast<size_t>(output->next.value - slice.base.value);
    InputSlice& kept = cycle.slices.emplace_back(slice);
    if (kept.records.size() > decided) kept.records.resize(decided);
  }
}

Status IngestService::apply_slice(Partition partition, Offset base,
                                  const std::vector<std::string_view>& records,
                                  size_t persons_from) {
  persons::PersonUpdates updates;
  std::vector<event::CookielessChange> visitors;
  for (size_t at = persons_from; at < records.size(); at++) {
    PENSTOCK_TRY(const auto record, event::decode_processed(records[at]));
    updates.take(record);
    if (const auto* c = std::get_if<event::CookielessChange>(&record)) visitors.push_back(*c);
  }
  const int64_t next = base.value + static_cast<int64_t>(records.size());
  PENSTOCK_CHECK(ledger_.apply_processed(partition, base, records));
  PENSTOCK_CHECK(persons_.apply(updates, {{partition, {next}}}));
  if (options_.cookieless != nullptr) {
    PENSTOCK_CHECK(options_.cookieless->apply(visitors, {{partition, {next}}}));
  }
  applied_[partition.value] = next;
  return {};
}

void IngestService::on_foreign_append(Partition partition, Offset base,
                                      const std::vector<std::string>& records) {
  if (busy_ || base.value != applied_[partition.value]) return;
  busy_ = true;
  auto outcome = std::make_shared<Status>();
  off_loop(
      [this, partition, base, records, outcome] {
        const std::vector<std::string_view> views(records.begin(), records.end());
        *outcome = apply_slice(partition, base, views, views.size());
      },
      [this, outcome] {
        if (!*outcome) {
          diag::warn("an append is applied later", {{"error", outcome->error().message}});
        }
        resume();
      });
}

void IngestService::read_back(std::move_only_function<void(Status)> done) {
  const auto bounds = log_.bounds(std::string(event::kTopicProcessed));
  if (!bounds) return done(std::unexpected(bounds.error()));
  std::vector<log::ScanRange> ranges;
  for (const log::PartitionBounds& b : *bounds) {
    if (!decides(b.partition)) continue;
    ranges.push_back({b.partition, {applied_[b.partition.value]}, b.end});
  }
  const std::weak_ptr<int> guard = alive();
  log::scan_slowly(
      log_, loop_, std::string(event::kTopicProcessed), std::move(ranges),
      [this, guard](const log::ScanSlice& slice, log::ScanNext next) {
        if (guard.expired()) return next(fail(Code::kCancelled, "ingest is gone"));
        auto outcome = std::make_shared<Status>();
        off_loop(
            [this, &slice, outcome] {
              *outcome = apply_slice(slice.partition, slice.base, slice.records, 0);
            },
            [outcome, next = std::move(next)]() mutable { next(std::move(*outcome)); });
      },
      [guard, done = std::move(done)](Status status) mutable {
        if (!guard.expired()) done(std::move(status));
      });
}

void IngestService::try_out(event::Source source, std::string record, TriedOut done) {
  if (source.lane == event::Lane::kReplay) {
    return done(fail(Code::kInvalid, "recordings are decided by another stage: drive it again"));
  }
  struct Trial {
    std::string record;
    TriedOut done;
    std::shared_ptr<const catalog::Snapshot> snapshot;
    AppsAnswers apps;
    Result<std::vector<std::string>> out = std::vector<std::string>();
  };
  auto trial =
      std::make_shared<Trial>(Trial{std::move(record), std::move(done), catalog_.snapshot(), {}});
  auto work = [this, trial, source] {
    // One of its own: what it remembers of warnings is no business of the others.
    Decider decider(persons_, ledger_, {}, options_.cookieless);
    const int64_t now_ms = std::max(runtime_.clock().wall_ms(), cycle_ms_ + 1);
    auto decided = decider.decide(source.lane, {{source.partition, source.offset, {trial->record}}},
                                  *trial->snapshot, now_ms, {}, trial->apps);
    if (!decided) {
      trial->out = std::unexpected(decided.error());
      return;
    }
    for (const Output& output : decided->outputs) {
      for (const std::string_view r : output.records()) trial->out->emplace_back(r);
    }
  };
  // The apps first, while cycles go on: they may take their time.
  gate_.dry_run(trial->record, trial->snapshot,
                [this, guard = alive(), trial, source,
                 work = std::move(work)](std::shared_ptr<const AppsAnswer> answer) mutable {
                  if (guard.expired()) return;
                  if (answer != nullptr) {
                    trial->apps[{source.partition.value, source.offset.value}] = std::move(answer);
                  }
                  pause([this, trial, work = std::move(work)]() mutable {
                    off_loop(std::move(work), [this, trial] {
                      resume();
                      trial->done(std::move(trial->out));
                    });
                  });
                });
}

void IngestService::pause(runtime::Task work) {
  pauses_.push_back(std::move(work));
  pump();
}

void IngestService::resume() {
  busy_ = false;
  const std::weak_ptr<int> guard = alive();
  loop_.post([this, guard] {
    if (!guard.expired()) pump();
  });
}

/// How far the store is behind, all partitions together.
StoreProgress IngestService::store_progress() const {
  const std::string topic(event::kTopicProcessed);
  StoreProgress out;
  std::map<int32_t, int64_t> stored;
  for (const log::Position& p : log_.committed(options_.store_group, topic)) {
    stored[p.partition.value] = p.next.value;
  }
  const auto bounds = log_.bounds(topic);
  if (!bounds) return out;
  for (const log::PartitionBounds& b : *bounds) {
    const auto it = stored.find(b.partition.value);
    out.appended += b.end.value;
    out.stored += std::max(it == stored.end() ? 0 : it->second, b.start.value);
  }
  return out;
}

IngestStats IngestService::stats() const {
  IngestStats out;
  std::map<std::pair<event::Lane, int32_t>, int64_t> decided;
  {
    const std::lock_guard lock(stats_mutex_);
    out = stats_;
    decided = decided_;
  }
  for (event::Lane lane : event::kEventLanes) {
    const auto bounds = log_.bounds(std::string(event::lane_topic(lane)));
    if (!bounds) continue;
    for (const log::PartitionBounds& b : *bounds) {
      if (!layout_.may_have(lane, b.partition, slice_.index)) continue;
      const auto it = decided.find({lane, b.partition.value});
      const int64_t next = it == decided.end() ? b.start.value : it->second;
      out.lag_records += static_cast<uint64_t>(std::max<int64_t>(b.end.value - next, 0));
    }
  }
  return out;
}

}  // namespace penstock::ingest
