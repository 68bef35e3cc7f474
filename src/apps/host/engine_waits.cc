// Batches whose answers take long: who lets them wait, who is told, and the end of their time.
//
// A batch that is not answered is looked at every few milliseconds. What its worker has of it and
// could begin and has not answered waits for its own apps: its project goes round others' queues
// from then on, for a while that grows with each time. At the end of the batch's time the worker is
// told to answer with what there is; what waited then has failed, which counts for the health rule.
#include <algorithm>

#include "apps/host/engine.h"
#include "apps/host/metrics.h"
#include "base/codec.h"

namespace penstock::apps {
namespace {

/// Twice the same at two looks: the worker's answer may have been on its way at the first.
constexpr int64_t kLookMs = 20, kLookAgainMs = 100;
/// An app is loaded in less, most of the time; all that were in a worker that died, too.
constexpr int64_t kNotThereMs = 60, kNotThereAgainMs = 300;
constexpr int64_t kGraceMs = 300;  // for the worker to answer a cancelled batch
constexpr int64_t kRemindMs = 10'000;

}  // namespace

/// The next look at the batch.
void Engine::await(const std::shared_ptr<Pending>& pending) {
  const int64_t passed = (runtime_.clock().mono_ns() - pending->began_ns) / 1'000'000;
  const int64_t left =
      std::max<int64_t>(pending->deadline_ms + (pending->cancelled ? kGraceMs : 0) - passed, 0);
  const int64_t wait = std::min(left, pending->awaiting.empty() ? kLookMs : kLookAgainMs);
  pending->timer =
      loop_.after(std::chrono::milliseconds(wait),
                  [this, alive = std::weak_ptr<int>(alive_), pending, last = wait == left] {
                    if (alive.expired() || pending->told) return;
                    if (!last) {
                      look(pending);
                    } else if (!pending->cancelled) {
                      late(pending);
                    } else {
                      return end_waiting(pending);
                    }
                    if (!pending->told) await(pending);
                  });
}

void Engine::look(const std::shared_ptr<Pending>& pending) {
  if (pending->cancelled) return;
  look_for_hung();
  // A script that runs is stopped by its processor time, which the clock says nothing about.
  std::set<ProjectId> awaiting = held_up_by_themselves(*pending, false);
  for (const ProjectId project : awaiting) {
    if (pending->awaiting.contains(project)) go_round(project);
  }
  pending->awaiting = std::move(awaiting);
  if (!pending->options.waits) return;
  for (const ProjectId project : for_themselves(*pending)) pending->options.waits(project);
}

/// Projects of the batch that are still awaited, and not because of others in front of them or a
/// machine without time: their apps wait for something or, `running`, run right now.
std::set<ProjectId> Engine::held_up_by_themselves(const Pending& pending, bool running) const {
  std::set<ProjectId> projects;
  for (size_t i = 0; i < workers_.size(); i++) {
    const WorkerState& worker = workers_[i];
    if (worker.parts.empty() || !worker.link || !worker.link->running()) continue;
    const Running& page = *worker.link->running_script();
    const auto ran = slot_of_instance(i, page.instance.load());
    for (const auto& [id, part] : worker.parts) {
      if (part->pending.get() != &pending || id > page.taken.load()) continue;
      for (const size_t index : part->indexes) {
        const ProjectId project = pending.events[index].project;
        const bool own = running && ran && ran->config.project == project;
        if (own || id <= page.rested.load()) projects.insert(project);
      }
    }
  }
  return projects;
}

/// Projects of the batch that are asked where others' events are not, and take long there, and
/// those whose apps, or whose worker, are being loaded for long.
std::set<ProjectId> Engine::for_themselves(const Pending& pending) const {
  std::set<ProjectId> projects;
  const int64_t now = runtime_.clock().mono_ns();
  const auto add = [&](const Part& part) {
    if (part.pending.get() != &pending) return;
    for (const size_t index : part.indexes) projects.insert(pending.events[index].project);
  };
  for (const auto& [id, part] : workers_[apart_worker()].parts) add(*part);
  for (const WorkerState& worker : workers_) {
    for (const auto& part : worker.held) {
      const int64_t ms = part->deaths > 0 ? kNotThereAgainMs : kNotThereMs;
      if (now - part->held_ns >= ms * 1'000'000) add(*part);
    }
  }
  return projects;
}

/// From now on, for a while. All batches that have events of it are told.
void Engine::go_round(ProjectId project) {
  Round& round = round_[project.value];
  if (round.waits(now_ms())) {
    metrics::went_round.add();
    loop_.after(std::chrono::milliseconds(Round::kTellMs),
                [this, alive = std::weak_ptr<int>(alive_), project] {
                  if (!alive.expired()) sink_.slow(project);
                });
  } else if (!round.is_new(now_ms())) {
    sink_.slow(project);
  }
  std::set<std::shared_ptr<Pending>> waiting;
  const auto add = [&](const std::unique_ptr<Part>& part) {
    if (!part->pending->options.waits) return;
    const bool has = std::ranges::any_of(part->indexes, [&](size_t index) {
      return part->pending->events[index].project == project;
    });
    if (has) waiting.insert(part->pending);
  };
  for (const WorkerState& worker : workers_) {
    for (const auto& [id, part] : worker.parts) add(part);
    for (const auto& part : worker.held) add(part);
  }
  if (waiting.empty()) return;
  // Later: who is told may ask for more at once, and the caller is at work with these lists.
  loop_.post([alive = std::weak_ptr<int>(alive_), waiting = std::move(waiting), project] {
    for (const auto& pending : waiting) {
      if (!alive.expired() && !pending->told) pending->options.waits(project);
    }
  });
}

bool Engine::goes_round(ProjectId project) const {
  const auto round = round_.find(project.value);
  if (round != round_.end() && round->second.goes(now_ms())) return true;
  const auto apart = apart_.find(project.value);
  if (apart != apart_.end() && apart->second.until_ms != 0) return true;
  // One that was disabled is tried where its event holds up nobody else's.
  const auto found = by_project_.find(project.value);
  return found != by_project_.end() && std::ranges::any_of(found->second, [&](size_t at) {
           const auto slot = slot_of(configs_[at].id);
           return slot && slot->health.health() == Health::kDisabled &&
                  now_ms() >= slot->health.probe_at_ms();
         });
}

void Engine::remind(int64_t now_ms) {
  if (now_ms - reminded_ms_ < kRemindMs) return;
  reminded_ms_ = now_ms;
  std::erase_if(round_, [&](const auto& one) { return one.second.is_forgotten(now_ms); });
  for (const auto& [project, places] : by_project_) {
    const auto round = round_.find(project);
    if (round != round_.end() && round->second.is_new(now_ms)) continue;
    const bool disabled = std::ranges::any_of(places, [&](size_t at) {
      const auto slot = slot_of(configs_[at].id);
      return slot && slot->health.health() == Health::kDisabled;
    });
    if (disabled || goes_round({project})) sink_.slow({project});
  }
}

/// The batch's time is over: its projects wait less from now on, and the workers answer with what
/// they have.
void Engine::late(const std::shared_ptr<Pending>& pending) {
  metrics::late.add();
  const auto by_themselves = held_up_by_themselves(*pending, true);
  cancel(pending);
  for (const ProjectId project : by_themselves) {
    set_apart(project, "its events waited for an app for too long");
    apart_[project.value].late = true;
  }
}

void Engine::cancel(const std::shared_ptr<Pending>& pending) {
  pending->cancelled = true;
  for (WorkerState& worker : workers_) {
    for (const auto& [id, part] : worker.parts) {
      if (part->pending != pending || !worker.link) continue;
      std::string frame(1, static_cast<char>(ToWorker::kCancel));
      ByteWriter(frame).u64(id);
      worker.link->send(std::move(frame));
    }
  }
}

/// The workers have not answered: what is missing has failed and goes on unchanged.
void Engine::end_waiting(const std::shared_ptr<Pending>& pending) {
  for (WorkerState& worker : workers_) {
    for (const auto& [id, part] : worker.parts) {
      if (part->pending == pending) give_up(*part, "TimeoutError: no answer in time");
    }
  }
  pending->told = true;
  pending->done(std::move(pending->results));
}

}  // namespace penstock::apps
