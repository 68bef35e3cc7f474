#include "ingest/cycle/app_gate.h"

#include <algorithm>

#include "base/assert.h"
#include "base/metrics.h"
#include "base/probe.h"
#include "ingest/steps/app_event.h"
#include "ingest/steps/cookieless.h"
#include "ingest/steps/parse.h"

namespace penstock::ingest {
namespace {

Counter asked_metric{"penstock_ingest_app_events_total", "Events handed to a project's apps."};
Counter waits_metric{"penstock_ingest_app_waits_total",
                     "Times a lane had nothing but events whose apps had not answered."};

}  // namespace

struct AppGate::Candidate {
  Item item;
  Place place;
};

AppGate::AppGate(EventApps* apps, runtime::Runtime& runtime, const ledger::Ledger& ledger,
                 CookielessStore* cookieless, AppGateOptions options, runtime::Task on_answers)
    : apps_(apps),
      runtime_(runtime),
      ledger_(ledger),
      cookieless_(cookieless),
      options_(options),
      on_answers_(std::move(on_answers)) {}

bool AppGate::lanes_are_idle() const {
  return std::ranges::all_of(lanes_, [](const LaneState& lane) { return lane.answers.empty(); });
}

Result<AppGate::Admitted> AppGate::admit(event::Lane lane, const std::vector<InputSlice>& slices,
                                         const catalog::Snapshot& snapshot, size_t events_max) {
  LaneState& state = lane_of(lane);
  PENSTOCK_CHECK(look(lane, slices, snapshot));
  hand_over(lane);
  Admitted out;
  std::vector<Partition> stopped;  // by an event that waits
  for (const InputSlice& slice : slices) {
    if (events_max == 0) break;
    if (std::ranges::find(stopped, slice.partition) != stopped.end()) continue;
    const size_t most = std::min(events_max, slice.records.size());
    size_t ready = 0;
    for (auto it = state.answers.lower_bound({slice.partition, slice.base}); ready < most;
         ready++) {
      const int64_t offset = slice.base.value + static_cast<int64_t>(ready);
      if (it == state.answers.end() || it->first.partition != slice.partition) {
        ready = most;
        break;
      }
      if (it->first.offset.value != offset) continue;
      if (it->second == nullptr) {
        stopped.push_back(slice.partition);
        break;
      }
      out.answers.emplace(std::pair(slice.partition.value, offset), it->second);
      ++it;
    }
    if (ready == 0) continue;
    InputSlice& kept = out.slices.emplace_back(slice);
    kept.records.resize(ready);
    events_max -= ready;
  }
  state.waits = out.slices.empty() && !slices.empty();
  if (state.waits) {
    probe<"ingest.lane_waits_for_apps">();
    waits_metric.add();
  }
  return out;
}

Status AppGate::look(event::Lane lane, const std::vector<InputSlice>& slices,
                     const catalog::Snapshot& snapshot) {
  if (!snapshot.any_apps) return {};
  LaneState& state = lane_of(lane);
  std::vector<Candidate> candidates;
  std::vector<ledger::EventIdentity> identities;
  std::map<Partition, Offset> looked;
  for (const InputSlice& slice : slices) {
    Offset& next = looked.try_emplace(slice.partition, state.looked[slice.partition]).first->second;
    for (size_t i = 0; i < slice.records.size(); i++) {
      const Offset at{slice.base.value + static_cast<int64_t>(i)};
      if (at < next) continue;
      next = {at.value + 1};
      const auto raw = event::decode_raw(slice.records[i]);
      if (!raw) continue;
      Candidate one;
      one.item.raw = *raw;
      one.place = {slice.partition, at};
      if (resolve(one.item, snapshot).decided() || one.item.project->apps == nullptr) continue;
      if (!apps_->transforms(*one.item.project)) continue;
      identities.push_back({one.item.project->id, raw->uuid});
      candidates.push_back(std::move(one));
    }
  }
  if (!candidates.empty()) {
    // What was accepted before is a copy or a conflict whatever apps would make of it.
    PENSTOCK_TRY(const auto before, ledger_.accepted(identities));
    for (size_t i = 0; i < candidates.size(); i++) {
      if (!before[i]) enqueue(lane, candidates[i]);
    }
  }
  for (const auto& [partition, next] : looked) state.looked[partition] = next;
  return {};
}

void AppGate::enqueue(event::Lane lane, Candidate& candidate) {
  LaneState& state = lane_of(lane);
  Item& item = candidate.item;
  const int64_t now_ms = runtime_.clock().wall_ms();
  Warnings unsaid;
  CookielessStep cookieless(cookieless_, zones_, now_ms, unsaid);
  auto event = app_event(item, now_ms, cookieless);
  if (!event) return;
  state.answers.emplace(candidate.place, nullptr);
  ProjectQueue& queue = state.projects[item.project->id];
  if (queue.project == nullptr || queue.project->apps != item.project->apps) {
    queue.project = std::make_shared<const catalog::Project>(*item.project);
  }
  queue.events.push_back({candidate.place, std::move(*event), std::string(item.raw.distinct_id)});
}

void AppGate::hand_over(event::Lane lane) {
  for (auto& [id, queue] : lane_of(lane).projects) hand_over(lane, id, queue);
}

void AppGate::hand_over(event::Lane lane, ProjectId id, ProjectQueue& queue) {
  while (!queue.events.empty() && queue.batches < options_.batches_per_project_max) {
    std::vector<Asked> asked;
    std::vector<std::string> events;
    size_t bytes = 0;
    while (!queue.events.empty() && events.size() < options_.batch_events_max &&
           (events.empty() || bytes < options_.batch_bytes_max)) {
      Waiting& next = queue.events.front();
      bytes += next.event.size();
      asked.push_back({next.place, std::move(next.distinct_id)});
      events.push_back(std::move(next.event));
      queue.events.pop_front();
    }
    queue.batches++;
    asked_metric.add(events.size());
    // The project lives until the answer: what is asked may refer to it.
    apps_->run(*queue.project, std::move(events),
               [this, alive = alive_, lane, id, asked = std::move(asked),
                project = queue.project](std::vector<AppsAnswer> answers) {
                 if (*alive) take(lane, id, asked, std::move(answers));
               });
  }
}

void AppGate::take(event::Lane lane, ProjectId id, const std::vector<Asked>& asked,
                   std::vector<AppsAnswer> answers) {
  PENSTOCK_ASSERT(answers.size() == asked.size());
  LaneState& state = lane_of(lane);
  for (size_t i = 0; i < asked.size(); i++) {
    const auto found = state.answers.find(asked[i].place);
    if (found == state.answers.end()) continue;  // an attempt whose end was unknown decided it
    answers[i].asked_id = asked[i].distinct_id;
    found->second = std::make_shared<const AppsAnswer>(std::move(answers[i]));
  }
  ProjectQueue& queue = state.projects.at(id);
  queue.batches--;
  hand_over(lane, id, queue);
  if (queue.events.empty() && queue.batches == 0) state.projects.erase(id);
  state.waits = false;
  on_answers_();
}

void AppGate::forget(event::Lane lane, Partition partition, Offset next) {
  LaneState& state = lane_of(lane);
  const auto begin = state.answers.lower_bound({partition, {0}});
  state.answers.erase(begin, state.answers.lower_bound({partition, next}));
}

}  // namespace penstock::ingest
