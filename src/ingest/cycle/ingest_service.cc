#include "ingest/cycle/ingest_service.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/diag.h"
#include "base/metrics.h"
#include "base/probe.h"
#include "ingest/cycle/ingest_cycle.h"
#include "log/scan.h"

namespace penstock::ingest {
namespace {

Counter events_metric{"penstock_ingest_events_total", "Events decided."};
Counter accepted_metric{"penstock_ingest_accepted_total", "Events that become rows."};
Counter dropped_metric{"penstock_ingest_dropped_total", "Events dropped by a rule."};
Counter duplicate_metric{"penstock_ingest_duplicates_total", "Events accepted before."};
Counter quarantined_metric{"penstock_ingest_quarantined_total", "Events put into quarantine."};
Counter warnings_metric{"penstock_ingest_warnings_total", "Ingestion warnings written."};
Counter heatmap_metric{"penstock_ingest_heatmap_points_total", "Points of heatmaps written."};
Counter cycles_metric{"penstock_ingest_cycles_total", "Cycles finished."};
Counter retries_metric{"penstock_ingest_retries_total", "Cycles repeated after a failure."};
Counter cpu_metric{"penstock_ingest_decide_ns_total", "Time spent deciding, in nanoseconds."};
Gauge slices_metric{"penstock_ingest_slices", "Slices of the projects that are decided here."};
LatencyHistogram cycle_metric{"penstock_ingest_cycle_us", "Time of a cycle from take to applied."};

/// How often bulk lanes ask whether the store has come nearer.
constexpr auto kLookAtStore = std::chrono::milliseconds(10);

LaneChoiceOptions choice_options(const IngestOptions& options) {
  LaneChoiceOptions out;
  out.events_max = options.events_per_cycle_max;
  out.bytes_max = options.bytes_per_cycle_max;
  out.share_percent = options.historical_share_percent;
  if (!options.store_group.empty()) out.unstored_max = options.bulk_unstored_max;
  return out;
}

}  // namespace

IngestService::IngestService(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                             catalog::Catalog& catalog, persons::PersonStore& persons,
                             ledger::Ledger& ledger, event::Slice slice, IngestOptions options)
    : loop_(loop),
      runtime_(runtime),
      log_(log),
      catalog_(catalog),
      persons_(persons),
      ledger_(ledger),
      slice_(slice),
      options_(options),
      layout_(options.layout()),
      choice_(choice_options(options_)),
      decider_(persons, ledger,
               {.output_bytes_max = options.bytes_per_cycle_max,
                .slice = layout_.apart ? slice : event::Slice{}},
               options.cookieless),
      gate_(
          options.apps, runtime, ledger, options.cookieless, {}, [this] { pump(); },
          [this](ProjectId project) { return detour_->has(project); }) {
  LaneReaderOptions reading;
  reading.fetch_bytes_max = std::min<size_t>(options.bytes_per_cycle_max, 4U << 20);
  reading.retry_ms_min = options.retry_ms_min;
  reading.retry_ms_max = options.retry_ms_max;
  if (passes_over()) reading.slice = slice_;
  for (event::Lane lane : event::kEventLanes) {
    readers_[static_cast<size_t>(lane)] =
        std::make_unique<LaneReader>(loop, log, lane, reading, [this, lane] {
          gate_.look_again(lane);
          pump();
        });
  }
  redrive_ = Redrive::make(loop, runtime, log, catalog, ledger,
                           {.layout = layout_,
                            .entries_per_batch_max = options.redrive_entries_max,
                            .bytes_per_batch_max = options.redrive_bytes_max,
                            .per_second = options.redrive_per_second,
                            .retry_ms_min = options.retry_ms_min,
                            .retry_ms_max = options.retry_ms_max,
                            .slice = slice_});
  detour_ = Detour::make(loop, log, catalog, ledger,
                         {.layout = layout_,
                          .entries_per_batch_max = options.redrive_entries_max,
                          .bytes_per_batch_max = options.redrive_bytes_max,
                          .retry_ms_min = options.retry_ms_min,
                          .retry_ms_max = options.retry_ms_max,
                          .slice = slice_});
  refusals_ = RefusalWarnings::make(
      loop, log,
      {.retry_ms_min = options.retry_ms_min,
       .retry_ms_max = options.retry_ms_max,
       .shared = !slice_.is_all()},
      [this](Partition partition, Offset base, const std::vector<std::string>& records) {
        on_foreign_append(partition, base, records);
      });
  executor_ =
      CommandExecutor::make(loop, runtime, log, persons, *this, {slice_.index},
                            layout_.other_outcomes(slice_.index), std::move(options_.commands));
}

IngestService::~IngestService() {
  if (started_) slices_metric.add(-1);
  executor_->stop();
  redrive_->stop();
  detour_->stop();
  refusals_->stop();
}

Status IngestService::start() {
  PENSTOCK_ASSERT(!started_);
  PENSTOCK_TRY(const auto bounds, log_.bounds(std::string(event::kTopicProcessed)));
  // The ledger and the person store have recovered: all that is in the topic is applied.
  for (const log::PartitionBounds& b : bounds) {
    if (decides(b.partition)) applied_[b.partition.value] = b.end.value;
  }
  std::array<std::vector<log::Position>, event::kLanes.size()> positions;
  for (event::Lane lane : event::kEventLanes) {
    auto first = first_positions(lane);
    if (!first && first.error().code == Code::kNotFound) continue;  // a lane this log has not
    if (!first) return std::unexpected(std::move(first).error());
    positions[static_cast<size_t>(lane)] = std::move(*first);
  }
  started_ = true;
  slices_metric.add(1);
  for (event::Lane lane : event::kEventLanes)
    reader(lane).start(positions[static_cast<size_t>(lane)]);
  note_positions();
  redrive_->start();
  detour_->start();
  if (slice_.index == 0) PENSTOCK_CHECK(refusals_->start());
  PENSTOCK_CHECK(executor_->start());
  schedule_checkpoint();
  return {};
}

void IngestService::look_at_store_later() {
  if (std::exchange(looking_, true)) return;
  const std::weak_ptr<int> guard = alive();
  loop_.after(kLookAtStore, [this, guard] {
    if (guard.expired()) return;
    looking_ = false;
    pump();
  });
}

void IngestService::pump() {
  if (busy_ || !started_) return;
  if (stopping_) return stop_when_quiet();
  if (!pauses_.empty()) {
    busy_ = true;
    runtime::Task work = std::move(pauses_.front());
    pauses_.pop_front();
    return work();
  }
  const auto turn = choice_.next(
      [this](event::Lane lane) { return reader(lane).has_records() && !gate_.waits(lane); },
      runtime_.clock().mono_ns() / 1'000'000, [this] { return store_progress(); });
  if (turn) {
    busy_ = true;
    return run(*turn, nullptr);
  }
  if (choice_.waits()) look_at_store_later();
}

void IngestService::run(LaneChoice::Turn turn, const std::shared_ptr<Cycle>& before) {
  auto cycle = std::make_shared<Cycle>();
  cycle->reader = &reader(turn.lane);
  auto outcome = std::make_shared<Status>();
  auto snapshot = catalog_.snapshot();
  if (before != nullptr) {
    take_again(*cycle, *before);
  } else if (const Status taken = take(*cycle, turn, *snapshot); !taken) {
    return retry(taken.error(), [this, turn] { run(turn, nullptr); });
  }
  if (cycle->slices.empty()) return resume();
  cycle->now_ms = cycle_ms_ = std::max(runtime_.clock().wall_ms(), cycle_ms_ + 1);
  // Undoing a merge asks only for those of its project's slice.
  if (!applied_.empty()) cycle->positions.resize(static_cast<size_t>(applied_.rbegin()->first) + 1);
  for (const auto& [partition, next] : applied_) {
    cycle->positions[static_cast<size_t>(partition)] = next;
  }
  auto work = [this, cycle, outcome, snapshot = std::move(snapshot)] {
    *outcome = decide(*cycle, *snapshot);
  };
  off_loop(std::move(work), [this, cycle, outcome, turn, before] {
    if (*outcome) return append(cycle);
    retry(outcome->error(), [this, turn, before] { run(turn, before); });
  });
}

Status IngestService::decide(Cycle& cycle, const catalog::Snapshot& snapshot) {
  cycle.began_ns = runtime_.clock().mono_ns();
  for (const InputSlice& s : cycle.slices) {
    for (const std::string_view record : s.records) cycle.bytes += record.size();
  }
  const event::Lane lane = cycle.reader->lane();
  PENSTOCK_TRY(cycle.decided, decider_.decide(lane, cycle.slices, snapshot, cycle.now_ms,
                                              cycle.positions, cycle.apps));
  for (const Output& output : cycle.decided.outputs) {
    log::Batch batch;
    batch.partition = outcomes_of(lane, output.partition);
    batch.producer = event::ingest_producer(lane);
    batch.sequence = output.next.value;
    batch.count = static_cast<uint32_t>(output.ends.size());
    batch.shared = output.text;
    batch.ends = output.ends;
    cycle.batches.push_back(std::move(batch));
  }
  cycle.cpu_ns = runtime_.clock().mono_ns() - cycle.began_ns;
  return {};
}

void IngestService::off_loop(std::move_only_function<void()> work, runtime::Task then) {
  if (!options_.persons_block) {
    work();
    return then();
  }
  const std::weak_ptr<int> guard = alive();
  struct Job {
    std::move_only_function<void()> work;
    runtime::Task then;
  };
  auto job = std::make_shared<Job>(Job{std::move(work), std::move(then)});
  jobs_++;
  const Status taken = runtime_.pool().submit([job] { job->work(); }, loop_,
                                              [this, job, guard] {
                                                if (guard.expired()) return;
                                                jobs_--;
                                                job->then();
                                                if (!guard.expired() && stopping_)
                                                  stop_when_quiet();
                                              });
  if (taken) return;
  jobs_--;
  probe<"ingest.pool_is_full">();
  // The pool's queue is full: a little later it has room.
  loop_.after(std::chrono::milliseconds(options_.retry_ms_min), [this, guard, job] {
    if (!guard.expired()) off_loop(std::move(job->work), std::move(job->then));
  });
}

void IngestService::append(std::shared_ptr<Cycle> cycle) {
  const std::weak_ptr<int> guard = alive();
  std::vector<log::Batch> batches = std::move(cycle->batches);
  log_.append(loop_, std::string(event::kTopicProcessed), std::move(batches),
              [this, guard, cycle](Result<std::vector<log::Appended>> appended) {
                if (guard.expired()) return;
                on_appended(cycle, std::move(appended));
              });
}

void IngestService::on_appended(std::shared_ptr<Cycle> cycle,
                                Result<std::vector<log::Appended>> appended) {
  if (!appended) {
    appended.error().code == Code::kMaybe ? probe<"ingest.append_maybe">()
                                          : probe<"ingest.append_refused">();
    // Exactly these records are decided anew: what was decided now may be in the log or not, and
    // the sequence tells the log, which keeps the first. A partition that had gone further now
    // would carry a new sequence over records that are there already.
    const LaneChoice::Turn again{cycle->reader->lane(), 0, 0};
    return retry(appended.error(), [this, again, cycle] { run(again, cycle); });
  }
  const event::Lane lane = cycle->reader->lane();
  bool as_expected = appended->size() == cycle->decided.outputs.size();
  for (const Output& output : cycle->decided.outputs) {
    const Partition to = outcomes_of(lane, output.partition);
    const auto it = std::ranges::find(*appended, to, &log::Appended::partition);
    if (it == appended->end() || it->duplicate || it->base.value != applied_[to.value]) {
      as_expected = false;
      break;
    }
    cycle->bases.push_back(it->base);
  }
  if (as_expected) return apply(std::move(cycle));
  probe<"ingest.cycle_reads_back">();
  catch_up(std::move(cycle));
}

void IngestService::apply(std::shared_ptr<Cycle> cycle) {
  auto outcome = std::make_shared<Status>();
  off_loop([this, cycle, outcome] { *outcome = apply_outputs(*cycle); },
           [this, cycle, outcome] {
             if (!*outcome) {
               probe<"ingest.apply_repeated">();
               return retry(outcome->error(), [this, cycle] { apply(cycle); });
             }
             const event::Lane lane = cycle->reader->lane();
             for (size_t i = 0; i < cycle->bases.size(); i++) {
               const Output& output = cycle->decided.outputs[i];
               const auto count = static_cast<int64_t>(output.ends.size());
               applied_[outcomes_of(lane, output.partition).value] = cycle->bases[i].value + count;
             }
             finish(*cycle);
           });
}

Status IngestService::apply_outputs(const Cycle& cycle) {
  const event::Lane lane = cycle.reader->lane();
  const std::vector<Output>& outputs = cycle.decided.outputs;
  std::vector<std::vector<std::string_view>> records;
  records.reserve(outputs.size());
  std::vector<ledger::ProcessedSlice> slices;
  persons::PersonUpdates updates;
  std::vector<event::CookielessChange> visitors;
  std::vector<log::Position> applied;
  for (size_t i = 0; i < outputs.size(); i++) {
    records.push_back(outputs[i].records());
    const Partition to = outcomes_of(lane, outputs[i].partition);
    slices.push_back({to, cycle.bases[i], &records.back()});
    const int64_t next = cycle.bases[i].value + static_cast<int64_t>(records.back().size());
    applied.push_back({to, {next}});
    for (const size_t at : outputs[i].merges) {
      PENSTOCK_TRY(const auto record, event::decode_processed(records.back()[at]));
      updates.take(record);
    }
    for (size_t at = outputs[i].persons_from; at < records.back().size(); at++) {
      PENSTOCK_TRY(const auto record, event::decode_processed(records.back()[at]));
      updates.take(record);
      if (const auto* c = std::get_if<event::CookielessChange>(&record)) visitors.push_back(*c);
    }
  }
  updates.current = true;
  updates.stored.insert(cycle.decided.stored_persons.begin(), cycle.decided.stored_persons.end());
  PENSTOCK_CHECK(ledger_.apply_processed_many(slices));
  PENSTOCK_CHECK(persons_.apply(updates, applied));
  if (options_.cookieless == nullptr) return {};
  return options_.cookieless->apply(visitors, applied);
}

void IngestService::catch_up(std::shared_ptr<Cycle> cycle) {
  read_back([this, cycle](const Status& status) {
    if (!status) return retry(status.error(), [this, cycle] { catch_up(cycle); });
    advance_to_log(*cycle->reader);
    finish(*cycle);
  });
}

void IngestService::finish(Cycle& cycle) {
  const Decided& d = cycle.decided;
  for (const Output& output : d.outputs) {
    cycle.reader->advance(output.partition, output.next);
    gate_.forget(cycle.reader->lane(), output.partition, output.next);
  }
  for (const auto& [token, aside] : d.aside) detour_->look(token, aside.project, aside.from_ms);
  choice_.decided(cycle.reader->lane(), d.events, cycle.bytes);
  // The first to end after a change of the catalog may have begun before it.
  const auto before = std::exchange(seen_, catalog_.snapshot());
  if (before != seen_) redrive_->look_for_tokens();
  events_metric.add(d.events);
  accepted_metric.add(d.accepted);
  dropped_metric.add(d.dropped);
  duplicate_metric.add(d.duplicates);
  quarantined_metric.add(d.quarantined);
  warnings_metric.add(d.warnings);
  heatmap_metric.add(d.heatmap_points);
  cycles_metric.add();
  cpu_metric.add(static_cast<uint64_t>(cycle.cpu_ns));
  cycle_metric.record_us((runtime_.clock().mono_ns() - cycle.began_ns) / 1000);
  {
    const std::lock_guard lock(stats_mutex_);
    stats_.events += d.events;
    stats_.accepted += d.accepted;
    stats_.dropped += d.dropped;
    stats_.duplicates += d.duplicates;
    stats_.quarantined += d.quarantined;
    stats_.cycles++;
    stats_.cpu_ns += cycle.cpu_ns;
    stats_.last_error.clear();
  }
  note_positions();
  cycle.decided.outputs.clear();
  finished_ms_ = cycle_ms_;
  retry_ms_ = 0;
  busy_ = false;
  // Through the queue, so that others on this loop have their turn.
  const std::weak_ptr<int> guard = alive();
  loop_.post([this, guard] {
    if (!guard.expired()) pump();
  });
}

void IngestService::note_positions() {
  const std::lock_guard lock(stats_mutex_);
  for (event::Lane lane : event::kEventLanes) {
    for (const log::Position& p : reader(lane).positions()) {
      decided_[{lane, p.partition.value}] = p.next.value;
    }
  }
}

void IngestService::retry(const Error& error, runtime::Task again) {
  retries_metric.add();
  {
    const std::lock_guard lock(stats_mutex_);
    if (stats_.last_error.empty()) {
      diag::warn("an ingest cycle failed and is repeated", {{"error", error.message}});
    }
    stats_.last_error = error.message;
  }
  if (stopping_) {
    probe<"ingest.stopped_while_repeating">();
    // Whatever was not applied is applied from the log at the next start.
    busy_ = false;
    return stop_when_quiet();
  }
  retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
  const std::weak_ptr<int> guard = alive();
  loop_.after(std::chrono::milliseconds(retry_ms_),
              [this, guard, again = std::move(again)]() mutable {
                if (guard.expired()) return;
                if (stopping_) {
                  busy_ = false;
                  return stop_when_quiet();
                }
                again();
              });
}

void IngestService::schedule_checkpoint() {
  const std::weak_ptr<int> guard = alive();
  checkpoint_timer_ = loop_.after(std::chrono::milliseconds(options_.checkpoint_ms), [this, guard] {
    if (guard.expired() || stopping_) return;
    checkpoint([this] {
      if (!stopping_) schedule_checkpoint();
    });
  });
}

void IngestService::checkpoint(runtime::Task done) {
  checkpointing_ = true;
  if (passes_over()) note_positions();  // others' records pass without a cycle
  std::map<event::Lane, std::vector<log::Position>> positions;
  for (event::Lane lane : event::kEventLanes) positions[lane] = reader(lane).positions();
  auto job = [&log = log_, &ledger = ledger_, &persons = persons_, cookieless = options_.cookieless,
              group = group(), positions] {
    Status status = ledger.checkpoint(log);
    if (status) status = persons.checkpoint(log);
    if (status && cookieless != nullptr) status = cookieless->checkpoint(log);
    for (const auto& [lane, at] : positions) {
      if (!status || at.empty()) continue;
      status = log.commit(group, std::string(event::lane_topic(lane)), at);
    }
    if (status) return;
    probe<"ingest.checkpoint_failed">();
    diag::warn("a checkpoint failed", {{"error", status.error().message}});
  };
  const std::weak_ptr<int> guard = alive();
  auto shared_done = std::make_shared<runtime::Task>(std::move(done));
  auto after = [this, guard, shared_done] {
    if (guard.expired()) return;
    checkpointing_ = false;
    (*shared_done)();  // may be the owner's last word
    if (guard.expired()) return;
    if (stopping_) stop_when_quiet();
  };
  // A full queue only postpones it: the log keeps what is not checkpointed.
  if (!runtime_.pool().submit(std::move(job), loop_, after)) loop_.post(after);
}

void IngestService::stop(runtime::Task done) {
  stopped_ = std::move(done);
  stopping_ = true;
  loop_.cancel(checkpoint_timer_);
  redrive_->stop();
  detour_->stop();
  refusals_->stop();
  executor_->stop();
  for (const event::Lane lane : event::kEventLanes) reader(lane).stop();
  stop_when_quiet();
}

void IngestService::stop_when_quiet() {
  if (busy_ || checkpointing_ || jobs_ > 0 || !stopped_) return;
  auto done = std::make_shared<runtime::Task>(std::exchange(stopped_, nullptr));
  if (!started_) {
    loop_.post([done] { (*done)(); });
    return;
  }
  checkpoint([done] { (*done)(); });
}

}  // namespace penstock::ingest
