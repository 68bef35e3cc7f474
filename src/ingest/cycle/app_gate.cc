#include "ingest/cycle/app_gate.h"

#include <algorithm>

#include "base/assert.h"
#include "base/hash.h"
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
  size_t bytes = 0;
};

AppGate::AppGate(EventApps* apps, runtime::Runtime& runtime, const ledger::Ledger& ledger,
                 CookielessStore* cookieless, AppGateOptions options, runtime::Task on_answers,
                 GoesRound goes_round)
    : apps_(apps),
      runtime_(runtime),
      ledger_(ledger),
      cookieless_(cookieless),
      options_(options),
      on_answers_(std::move(on_answers)),
      goes_round_(std::move(goes_round)) {}

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
      if (it->second.given == nullptr) {
        stopped.push_back(slice.partition);
        break;
      }
      out.answers.emplace(std::pair(slice.partition.value, offset), it->second.given);
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
      one.bytes = slice.records[i].size();
      const bool decided = resolve(one.item, snapshot).decided();
      if (one.item.project != nullptr) {
        note_seen(state, one.item.project->id);
        if (raw->redriven) came_again(*raw, one.item.project->id);
      }
      if (decided || one.item.project->apps == nullptr) continue;
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
  Verdict decided;
  auto event = app_event(item, now_ms, cookieless, decided);
  if (!event) {
    if (!decided.decided()) return;
    // It must not pass by the apps because settings are others when its turn comes, or the store of
    // visitors answers again.
    AppsAnswer none;
    none.fate = decided.kind == Verdict::Kind::kDrop ? AppsAnswer::Fate::kDropped
                                                     : AppsAnswer::Fate::kQuarantined;
    none.why = decided.reason;
    state.answers[candidate.place].given = std::make_shared<const AppsAnswer>(std::move(none));
    return;
  }
  Answer& answer = state.answers[candidate.place];
  answer.identity = {item.project->id, item.raw.uuid, hash64(item.raw.data)};
  answer.distinct_id = hash64(item.raw.distinct_id);
  answer.bytes = candidate.bytes;
  if (item.raw.redriven && meets_again(lane, candidate.place, answer)) return;
  if ((is_set_aside(lane, *item.project) || would_overtake(lane, item.raw, item.project->id)) &&
      has_room_aside(item.project->id, item.raw.token, answer.bytes)) {
    return set_aside(answer);
  }
  answer.asked = false;
  ProjectQueue& queue = state.projects[item.project->id];
  if (queue.project == nullptr || queue.project->apps != item.project->apps ||
      queue.project->settings != item.project->settings) {
    queue.project = std::make_shared<const catalog::Project>(*item.project);
  }
  queue.events.push_back(
      {candidate.place, answer.identity, std::move(*event), std::string(item.raw.distinct_id)});
}

void AppGate::dry_run(const std::string& record, std::shared_ptr<const catalog::Snapshot> snapshot,
                      std::move_only_function<void(std::shared_ptr<const AppsAnswer>)> done) {
  const auto raw = event::decode_raw(record);
  Item item;
  if (raw) item.raw = *raw;
  if (apps_ == nullptr || !raw || resolve(item, *snapshot).decided() ||
      item.project->apps == nullptr || !apps_->transforms(*item.project)) {
    return done(nullptr);
  }
  const int64_t now_ms = runtime_.clock().wall_ms();
  Warnings unsaid;
  CookielessStep cookieless(cookieless_, zones_, now_ms, unsaid);
  Verdict decided;
  auto event = app_event(item, now_ms, cookieless, decided);
  if (!event) return done(nullptr);
  const catalog::Project& project = *item.project;
  apps_->dry_run(project, std::move(*event),
                 [snapshot = std::move(snapshot), asked_id = std::string(item.raw.distinct_id),
                  done = std::move(done)](AppsAnswer answer) mutable {
                   answer.asked_id = std::move(asked_id);
                   done(std::make_shared<const AppsAnswer>(std::move(answer)));
                 });
}

void AppGate::hand_over(event::Lane lane) {
  for (auto& [id, queue] : lane_of(lane).projects) hand_over(lane, id, queue);
}

void AppGate::hand_over(event::Lane lane, ProjectId id, ProjectQueue& queue) {
  LaneState& state = lane_of(lane);
  while (!queue.events.empty() && queue.batches < options_.batches_per_project_max) {
    std::vector<Asked> asked;
    std::vector<std::string> events;
    size_t bytes = 0;
    while (!queue.events.empty() && events.size() < options_.batch_events_max &&
           (events.empty() || bytes < options_.batch_bytes_max)) {
      Waiting& next = queue.events.front();
      bytes += next.event.size();
      asked.push_back({next.place, next.identity, std::move(next.distinct_id)});
      if (auto at = state.answers.find(next.place); at != state.answers.end()) {
        at->second.asked = true;
      }
      events.push_back(std::move(next.event));
      queue.events.pop_front();
    }
    queue.batches++;
    asked_metric.add(events.size());
    // The project lives until the answer: what is asked may refer to it.
    apps_->run(
        *queue.project, std::move(events),
        [this, alive = alive_, lane, id, asked = std::move(asked),
         project = queue.project](std::vector<AppsAnswer> answers) {
          if (*alive) take(lane, id, asked, std::move(answers));
        },
        [this, alive = alive_, lane, id, token = queue.project->token] {
          if (*alive) set_aside(lane, id, token);
        });
  }
}

void AppGate::take(event::Lane lane, ProjectId id, const std::vector<Asked>& asked,
                   std::vector<AppsAnswer> answers) {
  PENSTOCK_ASSERT(answers.size() == asked.size());
  LaneState& state = lane_of(lane);
  for (size_t i = 0; i < asked.size(); i++) {
    answers[i].asked_id = asked[i].distinct_id;
    const auto given = std::make_shared<const AppsAnswer>(std::move(answers[i]));
    const auto found = state.answers.find(asked[i].place);
    // An attempt whose end was unknown may have decided it, or it was set aside.
    if (found != state.answers.end() && found->second.given == nullptr) {
      found->second.given = given;
    } else {
      take_kept(asked[i].identity, given);
    }
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
  const auto end = state.answers.lower_bound({partition, next});
  for (auto at = begin; at != end; ++at) no_longer_aside(at->second);
  state.answers.erase(begin, end);
}

}  // namespace penstock::ingest
