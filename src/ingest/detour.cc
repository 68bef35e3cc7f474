#include "ingest/detour.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/diag.h"
#include "base/metrics.h"
#include "base/probe.h"
#include "event/raw_record.h"
#include "ingest/received_again.h"
#include "ingest/steps/app_event.h"
#include "ledger/quarantine_filter.h"

namespace penstock::ingest {
namespace {

Counter detour_metric{
    "penstock_ingest_detour_total",
    "Events received again in the lane overflow because their apps let them wait."};

constexpr int64_t kSettlePollMs = 50;
constexpr size_t kSettledAtOnceMax = 500, kScannedPerStepMax = 2000;

}  // namespace

struct Detour::Work {
  std::string token;
  ReceivedAgain events;
  std::string after;
  bool all = false;
};

std::shared_ptr<Detour> Detour::make(runtime::Loop& loop, log::Log& log, catalog::Catalog& catalog,
                                     ledger::Ledger& ledger, DetourOptions options) {
  return std::shared_ptr<Detour>(new Detour(loop, log, catalog, ledger, options));
}

Detour::Detour(runtime::Loop& loop, log::Log& log, catalog::Catalog& catalog,
               ledger::Ledger& ledger, DetourOptions options)
    : loop_(loop), log_(log), catalog_(catalog), ledger_(ledger), options_(options) {}

void Detour::start() {
  stopped_ = false;
  if (ledger_.quarantine_usage().entries == 0) return;
  for (const catalog::Project& project : catalog_.snapshot()->projects) {
    if (options_.slice.has_token(project.token)) look(project.token, project.id, 0);
  }
}

void Detour::look(const std::string& token, ProjectId project, int64_t from_ms) {
  if (stopped_) return;
  Token& known = tokens_.try_emplace(token, Token{project, from_ms}).first->second;
  known.from_ms = known.again ? std::min(known.from_ms, from_ms) : from_ms;
  known.again = known.renewed = true;
  known.after.clear();
  step();
}

bool Detour::has(ProjectId project) const {
  return std::ranges::any_of(tokens_,
                             [&](const auto& one) { return one.second.project == project; });
}

/// Forgets what has been decided.
Status Detour::settle(Token& token) const {
  for (auto at = token.driven.begin(); at != token.driven.end();) {
    std::vector<std::string_view> ids;
    for (auto end = at; end != token.driven.end() && ids.size() < kSettledAtOnceMax; ++end) {
      ids.push_back(*end);
    }
    PENSTOCK_TRY(const std::vector<bool> there, ledger_.in_quarantine(ids));
    for (const bool waits : there) at = waits ? std::next(at) : token.driven.erase(at);
  }
  return {};
}

void Detour::step() {
  if (busy_ || stopped_) return;
  for (auto at = tokens_.begin(); at != tokens_.end();) {
    auto& [name, token] = *at;
    if (token.again) {
      auto work = std::make_shared<Work>();
      if (Status s = gather(name, token, *work); !s) return retry_later(s.error());
      if (!work->events.empty()) return append(std::move(work));
      token.after = work->after;
      token.again = !work->all;
      if (token.again) return again_in(0);
    }
    if (Status s = settle(token); !s) return retry_later(s.error());
    at = token.driven.empty() ? tokens_.erase(at) : std::next(at);
  }
  if (!tokens_.empty()) again_in(kSettlePollMs);
}

/// The next entries, in the order in which they were received.
Status Detour::gather(const std::string& name, Token& token, Work& work) {
  token.renewed = false;
  ledger::QuarantineFilter filter;
  filter.token = name;
  filter.reason = kAppWaits;
  if (token.after.empty()) token.after = ledger::quarantine_id_before(token.from_ms);
  PENSTOCK_TRY(const ledger::QuarantinePage page,
               ledger::find_quarantined(ledger_, filter, token.after,
                                        options_.entries_per_batch_max, kScannedPerStepMax));
  work.token = name;
  work.after = page.next.empty() && !page.entries.empty() ? page.entries.back().id : page.next;
  work.all = page.next.empty();
  const auto snapshot = catalog_.snapshot();
  std::string last = token.after;
  for (const ledger::QuarantineEntry& entry : page.entries) {
    const catalog::Project* project = snapshot->find_token(ledger::redriven_token(entry));
    const auto record =
        ledger::redriven_record(entry, project == nullptr ? ProjectId{} : project->id);
    if (!record) continue;  // it stays where people see it
    PENSTOCK_TRY(const event::RawRecord raw, event::decode_raw(*record));
    const size_t bytes = work.events.bytes() + record->size();
    if (!work.events.empty() && bytes > options_.bytes_per_batch_max) {
      work.after = last;
      work.all = false;
      break;
    }
    last = entry.id;
    if (token.driven.contains(std::string(raw.quarantine_entry))) continue;
    work.events.add(event::Lane::kOverflow, options_.layout, *record, raw);
  }
  return {};
}

void Detour::append(std::shared_ptr<Work> work) {
  busy_ = true;
  std::vector<log::Batch> batches = work->events.take_batches();
  const std::weak_ptr<Detour> weak = weak_from_this();
  log_.append(loop_, std::string(event::kTopicOverflow), std::move(batches),
              [weak, work](Result<std::vector<log::Appended>> done) {
                const auto self = weak.lock();
                if (!self) return;
                self->busy_ = false;
                // In the log or not: what is appended again finds its entry gone.
                if (!done) return self->retry_later(done.error());
                self->appended(*work, *done);
              });
}

void Detour::appended(Work& work, const std::vector<log::Appended>& where) {
  work.events.note(ledger_, where);
  probe<"ingest.detour">();
  detour_metric.add(work.events.ids().size());
  retry_ms_ = 0;
  Token& token = tokens_.at(work.token);
  token.driven.insert(work.events.ids().begin(), work.events.ids().end());
  if (!token.renewed) {
    token.after = work.after;
    token.again = !work.all;
  }
  step();
}

void Detour::again_in(int64_t ms) {
  busy_ = true;
  const std::weak_ptr<Detour> weak = weak_from_this();
  loop_.after(std::chrono::milliseconds(ms), [weak] {
    const auto self = weak.lock();
    if (!self) return;
    self->busy_ = false;
    self->step();
  });
}

void Detour::retry_later(const Error& error) {
  probe<"ingest.detour_repeated">();
  if (retry_ms_ == 0) diag::warn("events that go round have to wait", {{"error", error.message}});
  retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
  again_in(retry_ms_);
}

}  // namespace penstock::ingest
