// What happens when a worker dies: who is blamed, what is asked again, how the next one starts.
#include <algorithm>

#include "apps/host/engine.h"
#include "apps/host/metrics.h"
#include "base/diag.h"
#include "base/json_writer.h"

namespace penstock::apps {
namespace {

constexpr int kPartDeathsMax = 20;
constexpr int64_t kHungNs = 3'000'000'000;   // by the clock, beyond what a script may take
constexpr int64_t kHungCpuNs = 100'000'000;  // of CPU time
constexpr int64_t kRestartMsMax = 5000;
constexpr int64_t kStandbyAfterNs = 1'000'000'000;
constexpr int64_t kLivedNs = 10'000'000'000;
constexpr int64_t kSpareAgainNs = 600'000'000'000;

}  // namespace

WorkerLink::Options Engine::link_options() const {
  return {.binary = options_.binary, .geoip_file = options_.geoip_file};
}

Status Engine::spawn(size_t worker) {
  WorkerState& state = workers_[worker];
  if (!state.link) {
    state.link = std::make_unique<WorkerLink>(
        poller_, link_options(), [this, worker](std::string_view body) { on_frame(worker, body); },
        [this, worker](const WorkerDeath& death) { on_death(worker, death); });
  }
  state.spawned_ns = spawned_ns_ = runtime_.clock().mono_ns();
  auto standby = std::exchange(standby_, std::nullopt);
  if (!standby || standby->child.ended()) return state.link->spawn();
  metrics::standby_taken.add();
  return state.link->take(std::move(*standby));
}

/// Where there are workers another one is started once nobody needs time for that: whoever loses
/// theirs has it at once.
void Engine::look_after_standby() {
  if (standby_ && standby_->child.ended()) standby_.reset();
  const bool any = std::ranges::any_of(
      workers_, [](const WorkerState& state) { return state.link && state.link->running(); });
  const int64_t now = runtime_.clock().mono_ns();
  if (!options_.standby || standby_ || !any || now - spawned_ns_ < kStandbyAfterNs) return;
  spawned_ns_ = now;
  auto started = WorkerLink::start(link_options());
  if (started) {
    standby_ = std::move(*started);
  } else {
    diag::warn("no app worker waits", {{"error", started.error().message}});
  }
}

/// Who was running is written on the page that the worker shared: that app has failed for that
/// event, everything else is asked again. Was the worker ended from outside, the app is asked
/// again, too.
void Engine::on_death(size_t worker, const WorkerDeath& death) {
  WorkerState& state = workers_[worker];
  metrics::worker_ends.add();
  if (stopping_) return;
  if (death.from_outside()) metrics::worker_outside_ends.add();
  const Running& page = *state.link->running_script();
  const uint64_t batch = page.batch.load(), index = page.index.load();
  const auto ran = slot_of_instance(worker, page.instance.load());
  const bool spared = ran && death.from_outside() && spare(state, batch, index, ran);
  const auto killer = spared ? nullptr : ran;
  diag::warn("app worker ended", {{"worker", worker},
                                  {"how", death.asked ? "asked to" : death.status.text()},
                                  {"running", ran ? ran->config.id : 0},
                                  {"blamed", killer ? killer->config.id : 0}});
  if (runtime_.clock().mono_ns() - state.spawned_ns > kLivedNs) state.deaths_in_a_row = 0;
  state.deaths_in_a_row++;
  state.restarting = true;
  ProjectId project{};
  if (killer) {
    const auto found = state.parts.find(batch);
    const bool of_event = found != state.parts.end() && index < found->second->indexes.size();
    project = of_event ? found->second->pending->events[found->second->indexes[index]].project
                       : killer->config.project;
    blame(state, batch, index, killer);
  }
  for (auto& [id, part] : state.parts) {
    part->deaths++;
    part->place.reset();  // with its worker's room
    hold(state, std::move(part));
  }
  state.parts.clear();
  for (auto& [id, hooked] : std::exchange(state.hooks, {})) {
    HookResult result;
    const bool own = killer && hooked.slot.lock() == killer;
    result.status = own ? fail(Code::kTimeout, "the app ended its worker process")
                        : fail(Code::kMaybe, "another app ended the worker process");
    if (const auto slot = hooked.slot.lock()) slot->tasks_running.erase(hooked.name);
    if (hooked.done) hooked.done(std::move(result));
  }
  std::erase_if(state.held, [this](std::unique_ptr<Part>& part) {
    if (part->deaths < kPartDeathsMax) return false;
    give_up(*part, "app workers ended again and again");
    finish_part(std::move(part));
    return true;
  });
  if (killer && worker != apart_worker()) set_apart(project, "an app ended its worker process");
  const int64_t wait =
      state.deaths_in_a_row < 3
          ? 0
          : std::min<int64_t>(50 << std::min(state.deaths_in_a_row, 10), kRestartMsMax);
  loop_.after(std::chrono::milliseconds(wait), [this, worker, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired() && !stopping_) reload_all(worker);
  });
}

/// Whether nobody is blamed for an end that came from outside: once for each event and app, and
/// for what is no event's once in a while. An app that drives the machine out of memory is found
/// out by the second time.
bool Engine::spare(WorkerState& state, uint64_t batch, uint64_t index,
                   const std::shared_ptr<Slot>& slot) {
  const auto found = state.parts.find(batch);
  if (found == state.parts.end() || index >= found->second->plans.size()) {
    const int64_t now = runtime_.clock().mono_ns();
    if (slot->spared_ns != 0 && now - slot->spared_ns < kSpareAgainNs) return false;
    slot->spared_ns = now;
    return true;
  }
  bool spared = false;
  for (const Planned& planned : *found->second->plans[index]) {
    if (planned.slot.lock() != slot) continue;
    spared = found->second->spared.insert({index, planned.config}).second || spared;
  }
  return spared;
}

void Engine::blame(WorkerState& state, uint64_t batch, uint64_t index,
                   const std::shared_ptr<Slot>& slot) {
  slot->status.failed++;
  slot->suspect = true;
  JsonWriter error;
  error.begin_object().field("name", "WorkerEnded");
  error.field("message", "the app ended its worker process").end_object();
  if (slot->loading != 0 && slot->instance == 0) {
    load_failed(slot, error.take());
  } else {
    set_error(*slot, error.take());
    log(*slot, LogEntry::Source::kSystem, LogEntry::Level::kError,
        "The app ended its worker process; it was started again.");
  }
  note(slot, false, true, now_ms());
  changed(*slot);
  const auto found = state.parts.find(batch);
  if (found == state.parts.end() || index >= found->second->plans.size()) return;
  for (const Planned& planned : *found->second->plans[index]) {
    if (planned.slot.lock() == slot) found->second->killers.insert({index, planned.config});
  }
}

void Engine::reload_all(size_t worker) {
  WorkerState& state = workers_[worker];
  state.awaited.clear();
  state.restarting = false;
  std::vector<std::shared_ptr<Slot>> mine;
  for (auto* all : {&slots_, &tries_}) {
    for (auto& [key, slot] : *all) {
      if (slot->worker == worker && (slot->instance != 0 || slot->loading != 0)) {
        slot->instance = slot->loading = 0;
        mine.push_back(slot);
      }
    }
  }
  // A worker loads one after the other: first those that somebody waits for.
  std::set<ProjectId> awaited;
  for (const auto& part : state.held) {
    for (const size_t index : part->indexes) awaited.insert(part->pending->events[index].project);
  }
  std::ranges::stable_partition(
      mine, [&](const auto& slot) { return awaited.contains(slot->config.project); });
  for (const auto& slot : mine) load(slot);
  send_held(worker);
}

/// A script that its worker cannot stop: one long step inside the engine. What counts is the time
/// that the worker had a processor; by the clock it may take much longer.
void Engine::look_for_hung() {
  const int64_t now = runtime_.clock().mono_ns();
  for (size_t worker = 0; worker < workers_.size(); worker++) {
    WorkerState& state = workers_[worker];
    if (!state.link || !state.link->running()) continue;
    const Running& page = *state.link->running_script();
    const uint64_t instance = page.instance.load();
    const uint64_t entry = page.entries.load();
    const int64_t cpu_ns = state.link->cpu_ns();
    if (instance == 0) {
      state.entry = {entry + 1, cpu_ns};
      continue;
    }
    if (entry != state.entry.number) {
      state.entry = {entry, cpu_ns};
      continue;
    }
    const auto slot = slot_of_instance(worker, instance);
    const bool loading = slot == nullptr || slot->loading == instance;
    int64_t may_ms = loading ? options_.load_cpu_ms_max : options_.cpu_ms_max;
    const int64_t by_clock_ns = 2 * may_ms * 1'000'000 + kHungNs;
    const bool event = page.batch.load() != 0;
    if (event && (worker != apart_worker() || (slot != nullptr && slot->suspect))) {
      may_ms = std::min(may_ms, options_.shared_cpu_ms_max);
    }
    // Twice and some more: it has to have had the chance to stop the script itself.
    if (cpu_ns - state.entry.cpu_ns < 2 * may_ms * 1'000'000 + kHungCpuNs &&
        now - page.entered_ns.load() < by_clock_ns) {
      continue;
    }
    metrics::worker_kills.add();
    state.link->kill();
  }
}

}  // namespace penstock::apps
