// AppGate: events whose apps let them wait go round, so that nobody else's wait behind them.
#include <algorithm>
#include <limits>

#include "base/hash.h"
#include "base/metrics.h"
#include "base/probe.h"
#include "ingest/cycle/app_gate.h"

namespace penstock::ingest {
namespace {

/// What quarantine must have room for beside an event that goes round: a cycle's other entries.
constexpr size_t kRoomBytes = 16U << 20;
constexpr int64_t kKeptMs = 60'000;
constexpr size_t kOnWayMax = 20'000;  // distinct ids; further ones may change their order
/// Who sent an event within this time is somebody who could be held up.
constexpr int64_t kBesideMs = 2000;

Counter aside_metric{"penstock_ingest_app_aside_total",
                     "Events that went round others' because their apps let them wait."};

std::shared_ptr<const AppsAnswer> aside_answer() {
  static const auto answer = [] {
    AppsAnswer out;
    out.fate = AppsAnswer::Fate::kSetAside;
    return std::make_shared<const AppsAnswer>(std::move(out));
  }();
  return answer;
}

/// Where live events of all projects stand behind each other; the others are for who can wait.
bool is_shared(event::Lane lane) {
  return lane == event::Lane::kMain || lane == event::Lane::kExceptions;
}

}  // namespace

void AppGate::note_seen(LaneState& state, ProjectId project) const {
  auto& [last, before] = state.seen;
  if (last.project != project) {
    before = last;
    last.project = project;
  }
  last.at_ms = runtime_.clock().mono_ns() / 1'000'000;
}

/// Where nobody else's events come, going round would spare nobody anything.
bool AppGate::has_others(const LaneState& state, ProjectId project) const {
  const Seen& other = state.seen[state.seen[0].project == project ? 1 : 0];
  return runtime_.clock().mono_ns() / 1'000'000 - other.at_ms <= kBesideMs;
}

/// Whether its next event is not asked here at all. While earlier ones are on their way round it
/// must not overtake them.
bool AppGate::is_set_aside(event::Lane lane, const catalog::Project& project) const {
  if (!is_shared(lane)) return false;
  if (aside_.contains(project.id) || (goes_round_ && goes_round_(project.id))) return true;
  return apps_->goes_round(project) && has_others(lane_of(lane), project.id);
}

/// Without room in quarantine it waits where it is: nothing is lost for standing in the way.
bool AppGate::has_room_aside(ProjectId project, std::string_view token, size_t bytes) const {
  const auto aside = aside_.find(project);
  const size_t waiting = aside == aside_.end() ? 0 : aside->second.bytes;
  return aside_events_ < options_.aside_events_max &&
         ledger_.quarantine_has_room(token, waiting + bytes + kRoomBytes);
}

void AppGate::set_aside(Answer& answer) {
  answer.given = aside_answer();
  aside_events_++;
  Aside& aside = aside_[answer.identity.project];
  aside.events++;
  aside.bytes += answer.bytes;
  aside_metric.add();
  if (on_way_.size() < kOnWayMax) {
    on_way_[{answer.identity.project, answer.distinct_id}].insert(answer.identity.uuid);
  }
}

/// What capture sends by `overflow` from the moment on at which the project began to go round may
/// be there before those of the same distinct id that it has sent by `main`: it goes behind them.
bool AppGate::would_overtake(event::Lane lane, const event::RawRecord& raw, ProjectId project) {
  if (lane != event::Lane::kOverflow || raw.redriven || on_way_.empty()) return false;
  if (!aside_.contains(project) && !(goes_round_ && goes_round_(project))) {
    // All have been decided: what is left was met elsewhere, or has left quarantine another way.
    const auto next = on_way_.upper_bound({project, std::numeric_limits<uint64_t>::max()});
    on_way_.erase(on_way_.lower_bound({project, 0}), next);
  }
  const bool would = on_way_.contains({project, hash64(raw.distinct_id)});
  if (would) probe<"ingest.app_would_overtake">();
  return would;
}

/// Records behind this one are of its partition: they overtake it no more.
void AppGate::came_again(const event::RawRecord& raw, ProjectId project) {
  const auto found = on_way_.find({project, hash64(raw.distinct_id)});
  if (found == on_way_.end()) return;
  found->second.erase(raw.uuid);
  if (found->second.empty()) on_way_.erase(found);
}

void AppGate::no_longer_aside(const Answer& answer) {
  if (!answer.given || answer.given->fate != AppsAnswer::Fate::kSetAside) return;
  aside_events_--;
  const auto aside = aside_.find(answer.identity.project);
  aside->second.bytes -= answer.bytes;
  if (--aside->second.events == 0) aside_.erase(aside);
}

/// What of the project waits in the lane, and what of it stands behind that in its partition: it
/// would overtake it.
void AppGate::set_aside(event::Lane lane, ProjectId project, const std::string& token) {
  LaneState& state = lane_of(lane);
  if (!is_shared(lane) || !has_others(state, project)) return;  // it is told again
  std::optional<Partition> behind;
  bool any = false;
  for (auto& [place, answer] : state.answers) {
    if (answer.identity.project != project) continue;
    if (answer.given == nullptr) behind = place.partition;
    if (behind != place.partition) continue;
    if (answer.given != nullptr && answer.given->fate == AppsAnswer::Fate::kSetAside) continue;
    if (!has_room_aside(project, token, answer.bytes)) {
      behind.reset();
      continue;
    }
    if (answer.asked) keep(answer.identity, answer.given);
    set_aside(answer);
    any = true;
  }
  if (!any) return;
  probe<"ingest.app_waits_aside">();
  const auto queue = state.projects.find(project);
  if (queue != state.projects.end()) {
    std::erase_if(queue->second.events, [&](const Waiting& one) {
      const auto at = state.answers.find(one.place);
      return at == state.answers.end() || at->second.given != nullptr;
    });
  }
  state.waits = false;
  on_answers_();
}

void AppGate::keep(const Identity& identity, std::shared_ptr<const AppsAnswer> given) {
  const int64_t now_ms = runtime_.clock().wall_ms();
  if (kept_.size() >= options_.kept_answers_max) {
    std::erase_if(kept_, [&](const auto& one) { return now_ms - one.second.since_ms > kKeptMs; });
    if (kept_.size() >= options_.kept_answers_max) return;  // it is asked again
  }
  kept_.try_emplace(identity, Kept{std::move(given), std::nullopt, now_ms});
}

/// An event that was asked before it was set aside: its answer, now or when it comes.
bool AppGate::meets_again(event::Lane lane, Place place, Answer& answer) {
  const auto kept = kept_.find(answer.identity);
  if (kept == kept_.end() || kept->second.at) return false;
  if (kept->second.given != nullptr) {
    answer.given = kept->second.given;
    kept_.erase(kept);
  } else {
    kept->second.at = {lane, place};
  }
  probe<"ingest.app_answer_kept">();
  return true;
}

void AppGate::take_kept(const Identity& identity, const std::shared_ptr<const AppsAnswer>& given) {
  const auto kept = kept_.find(identity);
  if (kept == kept_.end() || kept->second.given != nullptr) return;
  if (!kept->second.at) {
    kept->second.given = given;
    return;
  }
  const auto [lane, place] = *kept->second.at;
  kept_.erase(kept);
  LaneState& state = lane_of(lane);
  const auto found = state.answers.find(place);
  if (found == state.answers.end() || found->second.given != nullptr) return;
  found->second.given = given;
  state.waits = false;
}

}  // namespace penstock::ingest
