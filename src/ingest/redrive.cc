#include "ingest/redrive.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <map>
#include <utility>

#include "base/diag.h"
#include "base/metrics.h"
#include "base/probe.h"
#include "event/person_command.h"
#include "event/quarantine_change.h"
#include "event/raw_record.h"
#include "ingest/received_again.h"

namespace penstock::ingest {
namespace {

Counter redriven_metric{"penstock_ingest_redriven_total",
                        "Events that left quarantine and were received again."};

constexpr std::string_view kUnknownToken = "unknown_token";
constexpr int64_t kBatchesPerSecond = 4;
/// Appended and not decided: ingest is behind, and more would only wait in the log.
constexpr size_t kWaitingMax = 5000;
constexpr int64_t kSettlePollMs = 50;
constexpr size_t kSettledAtOnceMax = 500;
constexpr size_t kScannedPerStepMax = 2000;
constexpr size_t kJobsMax = 1000;

}  // namespace

/// One append: entries of one lane.
struct Redrive::Work {
  ReceivedAgain events;
  std::string after;  // of the source, when it is durable
  bool all = false;   // there are no more behind it
};

std::shared_ptr<Redrive> Redrive::make(runtime::Loop& loop, runtime::Runtime& runtime,
                                       log::Log& log, catalog::Catalog& catalog,
                                       ledger::Ledger& ledger, RedriveOptions options) {
  return std::shared_ptr<Redrive>(new Redrive(loop, runtime, log, catalog, ledger, options));
}

Redrive::Redrive(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                 catalog::Catalog& catalog, ledger::Ledger& ledger, RedriveOptions options)
    : loop_(loop),
      runtime_(runtime),
      log_(log),
      catalog_(catalog),
      ledger_(ledger),
      options_(options) {}

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
  look_for_jobs();
  look_now_and_then();
}

void Redrive::look_now_and_then() {
  loop_.after(std::chrono::milliseconds(options_.look_ms), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->stopped_) return;
    const ledger::QuarantineUsage now = self->ledger_.quarantine_usage();
    if (now.entries != self->looked_at_.entries || now.bytes != self->looked_at_.bytes) {
      self->look(*self->catalog_.snapshot());
    }
    // What was asked for in a project that was not known here yet.
    if (!self->options_.slice.is_all()) self->look_for_jobs();
    self->look_now_and_then();
  });
}

void Redrive::stop() { stopped_ = true; }

std::vector<RedriveStatus> Redrive::statuses() const {
  const std::lock_guard lock(mutex_);
  return shown_;
}

void Redrive::look(const catalog::Snapshot& snapshot) {
  looked_at_ = ledger_.quarantine_usage();
  if (looked_at_.entries == 0) return;
  for (const catalog::Project& project : snapshot.projects) {
    if (!options_.slice.has_token(project.token)) continue;
    const auto there = std::ranges::find_if(
        sources_, [&](const Source& s) { return !s.job && s.filter.token == project.token; });
    if (there != sources_.end()) {
      there->again = true;
      continue;
    }
    Source& source = sources_.emplace_back();
    source.filter.token = project.token;
    source.filter.reason = kUnknownToken;
    source.per_second = options_.per_second;
  }
  step();
}

void Redrive::look_for_tokens() {
  if (!stopped_) look(*catalog_.snapshot());
}

/// Should two slices think so, the second copy of an entry finds it gone.
bool Redrive::is_ours(const ledger::RedriveJob& job) const {
  if (options_.slice.is_all()) return true;
  const auto snapshot = catalog_.snapshot();
  const auto project = std::ranges::find(snapshot->projects, job.project, &catalog::Project::id);
  return project == snapshot->projects.end() ? options_.slice.index == 0
                                             : options_.slice.has_token(project->token);
}

void Redrive::look_for_jobs() {
  if (stopped_) return;
  const auto jobs = ledger_.redrive_jobs(kJobsMax);
  if (!jobs) return retry_later(jobs.error());
  for (const ledger::RedriveJob& job : *jobs) {
    if (!is_ours(job)) continue;
    const auto found = std::ranges::find_if(
        sources_, [&](const Source& s) { return s.job && s.job->id == job.id; });
    if (job.ended_ms != 0) {
      // Stopped by somebody; a batch that is under way ends by itself.
      if (found != sources_.end() && (found != sources_.begin() || !busy_))
        sources_.erase(found);
      else if (found != sources_.end())
        found->job->ended_ms = job.ended_ms;
      continue;
    }
    if (found != sources_.end()) continue;
    const auto body = event::JsonFields::parse(job.body);
    const auto select_text = body ? body->find("select") : std::nullopt;
    const auto select = event::JsonFields::parse(select_text.value_or("{}"));
    auto filter = select ? ledger::QuarantineFilter::parse(*select)
                         : Result<ledger::QuarantineFilter>(std::unexpected(select.error()));
    if (!filter) {
      diag::warn("a re-drive cannot be read", {{"error", filter.error().message}});
      continue;
    }
    Source source{.filter = std::move(*filter),
                  .job = job,
                  .began = ledger::RedriveBegan(job),
                  .per_second = options_.per_second};
    source.status.job = job.id;
    if (const auto rate = body->find("per_second")) {
      std::from_chars(rate->data(), rate->data() + rate->size(), source.per_second);
    }
    source.per_second = std::max<int64_t>(source.per_second, 1);
    // What somebody asked for comes before what comes by itself.
    const auto behind = std::ranges::find_if(sources_, [](const Source& s) { return !s.job; });
    sources_.insert(busy_ && behind == sources_.begin() && !sources_.empty() ? behind + 1 : behind,
                    std::move(source));
  }
  show();
  step();
}

Status Redrive::settle(Source& source) const {
  while (!source.waiting.empty()) {
    const size_t n = std::min(source.waiting.size(), kSettledAtOnceMax);
    std::vector<std::string_view> ids(source.waiting.begin(),
                                      source.waiting.begin() + static_cast<std::ptrdiff_t>(n));
    PENSTOCK_TRY(const std::vector<bool> there, ledger_.in_quarantine(ids));
    const auto first = std::ranges::find(there, true);
    const auto decided = first - there.begin();
    source.waiting.erase(source.waiting.begin(), source.waiting.begin() + decided);
    if (first != there.end()) {
      // They are decided per partition: the first may wait while others are done.
      std::deque<std::string> rest;
      for (size_t i = 0; i < source.waiting.size(); i++) {
        const size_t asked = i + static_cast<size_t>(decided);
        if (asked >= there.size() || there[asked]) rest.push_back(std::move(source.waiting[i]));
      }
      source.waiting = std::move(rest);
      return {};
    }
  }
  return {};
}

void Redrive::step() {
  if (busy_ || stopped_) return;
  while (!sources_.empty()) {
    Source& source = sources_.front();
    if (source.job && source.job->ended_ms != 0) {
      sources_.pop_front();
      continue;
    }
    source.status.running = true;
    if (Status s = settle(source); !s) return retry_later(s.error());
    source.status.waiting = source.waiting.size();
    show();
    if (source.waiting.size() >= kWaitingMax || (source.read && !source.waiting.empty())) {
      return again_in(kSettlePollMs);
    }
    if (source.read) {
      if (source.job) return end_job(source);
      if (std::exchange(source.again, false)) {
        source.after.clear();
        source.read = false;
        continue;
      }
      sources_.pop_front();
      continue;
    }
    auto work = std::make_shared<Work>();
    if (Status s = gather(source, *work); !s) return retry_later(s.error());
    if (work->events.empty()) {
      source.after = work->after;
      source.read = work->all;
      if (!source.read) return again_in(0);
      continue;
    }
    return append(std::move(work));
  }
  show();
}

/// The next entries of one lane.
Status Redrive::gather(Source& source, Work& work) {
  const size_t batch =
      std::clamp<size_t>(static_cast<size_t>(source.per_second / kBatchesPerSecond), 1,
                         options_.entries_per_batch_max);
  PENSTOCK_TRY(
      const ledger::QuarantinePage page,
      ledger::find_quarantined(ledger_, source.filter, source.after, batch, kScannedPerStepMax));
  const auto snapshot = catalog_.snapshot();
  work.after = page.next.empty() && !page.entries.empty() ? page.entries.back().id : page.next;
  work.all = page.next.empty();
  std::string last = source.after;
  for (const ledger::QuarantineEntry& entry : page.entries) {
    // What came back into quarantine since the job began is not driven round and round.
    const bool again = source.began && !source.began->had(entry);
    const catalog::Project* project = snapshot->find_token(ledger::redriven_token(entry));
    const auto record =
        ledger::redriven_record(entry, project == nullptr ? ProjectId{} : project->id);
    if (again || !record) {
      if (!record) source.status.left_out++;
      last = entry.id;
      continue;
    }
    const bool fits = work.events.bytes() + record->size() <= options_.bytes_per_batch_max;
    if (!work.events.empty() && (entry.source.lane != work.events.lane() || !fits)) {
      // Of another lane, or too much for now: met again in the next round.
      work.after = last;
      work.all = false;
      break;
    }
    last = entry.id;
    PENSTOCK_TRY(const event::RawRecord raw, event::decode_raw(*record));
    work.events.add(entry.source.lane, options_.layout, *record, raw);
  }
  return {};
}

void Redrive::append(std::shared_ptr<Work> work) {
  busy_ = true;
  std::vector<log::Batch> batches = work->events.take_batches();
  const std::weak_ptr<Redrive> weak = weak_from_this();
  log_.append(loop_, std::string(event::lane_topic(work->events.lane())), std::move(batches),
              [weak, work](Result<std::vector<log::Appended>> done) {
                const auto self = weak.lock();
                if (!self) return;
                self->busy_ = false;
                // In the log or not: what is appended again finds its entry gone.
                if (!done) return self->retry_later(done.error());
                self->appended(work, *done);
              });
}

void Redrive::appended(const std::shared_ptr<Work>& work, const std::vector<log::Appended>& where) {
  work->events.note(ledger_, where);
  probe<"ingest.redriven">();
  const std::vector<std::string>& ids = work->events.ids();
  redriven_metric.add(ids.size());
  retry_ms_ = 0;
  Source& source = sources_.front();
  const auto n = static_cast<int64_t>(ids.size());
  source.status.appended += ids.size();
  source.after = work->after;
  source.read = work->all;
  source.waiting.insert(source.waiting.end(), ids.begin(), ids.end());
  again_in(n * 1000 / source.per_second);
}

/// The log remembers that it is over, so that no restart looks for more.
void Redrive::end_job(const Source& source) {
  busy_ = true;
  event::PersonCommand c;
  std::array<uint8_t, 10> random{};
  runtime_.random().fill(random);
  c.time_ms = runtime_.clock().wall_ms();
  c.id = Uuid::v7(c.time_ms, random);
  c.project = source.job->project;
  c.kind = event::kQuarantineRedriveEnd;
  c.who = "penstock";
  const std::string body = "{\"job\":\"" + source.job->id.text() + "\",\"state\":\"done\"}";
  c.body = body;
  std::string record;
  event::encode(c, record);
  log::Batch batch;
  batch.partition = {options_.slice.index};
  batch.count = 1;
  log::encode_record(batch.data, record);
  std::vector<log::Batch> batches;
  batches.push_back(std::move(batch));
  const std::weak_ptr<Redrive> weak = weak_from_this();
  log_.append(loop_, std::string(event::kTopicPersonCommands), std::move(batches),
              [weak](const Result<std::vector<log::Appended>>& done) {
                const auto self = weak.lock();
                if (!self) return;
                self->busy_ = false;
                if (!done) return self->retry_later(done.error());
                self->sources_.pop_front();
                self->show();
                self->step();
              });
}

void Redrive::show() {
  std::vector<RedriveStatus> now;
  for (const Source& source : sources_) {
    if (source.job) now.push_back(source.status);
  }
  const std::lock_guard lock(mutex_);
  shown_ = std::move(now);
}

void Redrive::again_in(int64_t ms) {
  busy_ = true;
  const std::weak_ptr<Redrive> weak = weak_from_this();
  loop_.after(std::chrono::milliseconds(ms), [weak] {
    const auto self = weak.lock();
    if (!self) return;
    self->busy_ = false;
    self->step();
  });
}

void Redrive::retry_later(const Error& error) {
  probe<"ingest.redrive_repeated">();
  if (retry_ms_ == 0) diag::warn("redrive has to wait", {{"error", error.message}});
  retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
  if (!sources_.empty()) sources_.front().status.last_error = error.message;
  show();
  again_in(retry_ms_);
}

}  // namespace penstock::ingest
