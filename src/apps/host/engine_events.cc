// Batches of events through workers, and what happens when a worker dies.
#include <algorithm>

#include "apps/host/engine.h"
#include "apps/host/metrics.h"
#include "apps/plugin_lists.h"
#include "base/codec.h"
#include "base/diag.h"
#include "base/json_writer.h"
#include "event/json_fields.h"

namespace penstock::apps {
namespace {

constexpr int kPartDeathsMax = 20;
constexpr int64_t kHungNs = 3'000'000'000;  // beyond what a script may take
constexpr int64_t kRestartMsMax = 5000;
constexpr int64_t kLivedNs = 10'000'000'000;

bool is_costly(std::string_view error_json) {
  const auto fields = event::JsonFields::parse(error_json);
  if (!fields) return false;
  return fields->contains("timed_out") ||
         fields->find("message").value_or("") == "\"out of memory\"";
}

std::string one_line(std::string_view error_json) {
  const auto fields = event::JsonFields::parse(error_json);
  if (!fields) return std::string(error_json);
  return event::decode_string(fields->find("name").value_or("\"Error\"")) + ": " +
         event::decode_string(fields->find("message").value_or("\"\""));
}

}  // namespace

void Engine::transform(std::vector<AppEvent> batch, TransformOptions options, TransformDone done) {
  auto pending = std::make_shared<Pending>();
  pending->events = std::move(batch);
  pending->options = options;
  pending->results.resize(pending->events.size());
  const int64_t began = runtime_.clock().mono_ns();
  pending->done = [this, began, done = std::move(done)](std::vector<AppResult> results) mutable {
    metrics::batch_us.record_us((runtime_.clock().mono_ns() - began) / 1000);
    done(std::move(results));
  };
  metrics::events.add(pending->events.size());
  std::map<size_t, std::unique_ptr<Part>> parts;
  for (size_t i = 0; i < pending->events.size(); i++) {
    const AppEvent& event = pending->events[i];
    if (event.through ? event.through->empty() : !by_project_.contains(event.project.value)) {
      continue;
    }
    const size_t worker = static_cast<size_t>(event.project.value) % workers_.size();
    std::unique_ptr<Part>& part = parts[worker];
    if (part == nullptr) {
      part = std::make_unique<Part>();
      part->pending = pending;
    }
    part->indexes.push_back(i);
  }
  pending->parts_left = parts.size();
  if (parts.empty()) {
    loop_.post([pending] { pending->done(std::move(pending->results)); });
    return;
  }
  pending->deadline = loop_.after(std::chrono::milliseconds(options.deadline_ms),
                                  [alive = std::weak_ptr<int>(alive_), pending] {
                                    if (alive.expired() || pending->told) return;
                                    pending->told =
                                        true;  // what came is there, the rest goes on unchanged
                                    pending->done(std::move(pending->results));
                                  });
  for (auto& [worker, part] : parts) send_part(worker, std::move(part));
}

/// The apps an event goes through, decided when it is sent.
std::vector<Planned> Engine::plan(const Part& part, size_t place, size_t worker) {
  const AppEvent& event = part.pending->events[part.indexes[place]];
  std::vector<Planned> out;
  const auto add = [&](ConfigId id, const std::shared_ptr<Slot>& slot) {
    Planned& planned = out.emplace_back();
    planned.config = id;
    planned.slot = slot;
    if (slot == nullptr) return;
    planned.label = slot->config.package->name + " (" + std::to_string(id) + ")";
    planned.killed = part.killers.contains({place, id});
    planned.sent = !planned.killed && slot->instance != 0 && slot->worker == worker &&
                   slot->status.filters_events && slot->health.admits(now_ms());
  };
  if (part.only) {
    add(part.only->config.id, part.only);
  } else if (event.through) {
    for (const ConfigId id : *event.through) add(id, slot_of(id));
  } else {
    for (const size_t at : by_project_[event.project.value]) {
      const ConfigId id = configs_[at].id;
      const auto slot = slot_of(id);
      if (slot && (slot->status.filters_events || slot->instance == 0)) add(id, slot);
    }
  }
  return out;
}

void Engine::send_part(size_t worker, std::unique_ptr<Part> part) {
  WorkerState& state = workers_[worker];
  const bool running = state.link && state.link->running();
  if (state.restarting || waits(*part, state)) {
    state.held.push_back(std::move(part));
    return;
  }
  part->plans.clear();
  part->id = next_id_++;
  std::string frame(1, static_cast<char>(ToWorker::kBatch));
  ByteWriter w(frame);
  size_t bytes = 0;
  for (const size_t i : part->indexes) bytes += part->pending->events[i].json.size() + 64;
  frame.reserve(bytes);
  w.u64(part->id);
  w.u8(part->pending->options.diffs ? 1 : 0);
  w.varint(part->indexes.size());
  bool any = false;
  for (size_t i = 0; i < part->indexes.size(); i++) {
    const AppEvent& event = part->pending->events[part->indexes[i]];
    const auto& plan_of = part->plans.emplace_back(plan(*part, i, worker));
    w.i64(event.project.value);
    // What goes through no app is not worth the way.
    const auto sent = std::ranges::count(plan_of, true, &Planned::sent);
    w.bytes(sent > 0 ? event.json : std::string_view("{}"));
    w.varint(static_cast<uint64_t>(sent));
    for (const Planned& planned : plan_of) {
      if (!planned.sent) continue;
      any = true;
      w.u64(planned.slot.lock()->instance);
      w.i64(planned.config);
    }
  }
  if (any && running && state.link->send(std::move(frame))) {
    state.parts[part->id] = std::move(part);
    return;
  }
  // Nobody to ask: what was not sent is skipped, what killed its worker has failed.
  give_up(*part, "no app worker takes it");
  finish_part(std::move(part));
}

/// Whether an app that it goes through is being loaded for the first time; others' apps hold
/// nothing.
bool Engine::waits(const Part& part, const WorkerState& state) const {
  if (state.awaited.empty() || part.only) return false;
  const auto awaited = [&](ConfigId id) {
    const auto slot = slot_of(id);
    return slot && slot->loading != 0 && state.awaited.contains(slot->loading);
  };
  return std::ranges::any_of(part.indexes, [&](size_t index) {
    const AppEvent& event = part.pending->events[index];
    if (event.through) return std::ranges::any_of(*event.through, awaited);
    const auto found = by_project_.find(event.project.value);
    return found != by_project_.end() &&
           std::ranges::any_of(found->second, [&](size_t at) { return awaited(configs_[at].id); });
  });
}

void Engine::send_held(size_t worker) {
  for (std::unique_ptr<Part>& part : std::exchange(workers_[worker].held, {})) {
    if (!part->pending->told) send_part(worker, std::move(part));
  }
}

/// Results without a worker: `why` empty: nothing was to be asked.
void Engine::give_up(Part& part, const std::string& why) {
  if (part.pending->told) return;
  for (size_t i = 0; i < part.plans.size(); i++) {
    AppResult& result = part.pending->results[part.indexes[i]];
    for (const Planned& planned : part.plans[i]) {
      AppStep step{planned.config};
      if (planned.killed || planned.sent) {
        step.did = AppStep::Did::kFailed;
        step.error = planned.killed ? "the app ended its worker process" : why;
        result.failed.push_back(planned.label);
        metrics::failed.add();
      } else {
        metrics::skipped.add();
      }
      result.steps.push_back(std::move(step));
    }
    if (result.failed.empty()) continue;
    result.json = with_plugin_lists(part.pending->events[part.indexes[i]].json, {}, result.failed);
    result.fate = Fate::kChanged;
  }
}

void Engine::finish_part(std::unique_ptr<Part> part) {
  Pending& pending = *part->pending;
  if (--pending.parts_left > 0 || pending.told) return;
  pending.told = true;
  if (pending.deadline != 0) loop_.cancel(pending.deadline);
  loop_.post([pending = part->pending] { pending->done(std::move(pending->results)); });
}

void Engine::on_batch_done(size_t worker, std::string_view operands) {
  ByteReader r(operands);
  WorkerState& state = workers_[worker];
  const auto found = state.parts.find(r.u64());
  if (found == state.parts.end()) return;
  std::unique_ptr<Part> part = std::move(found->second);
  state.parts.erase(found);
  state.deaths_in_a_row = 0;
  const uint64_t count = r.varint();
  for (size_t i = 0; i < count && i < part->indexes.size() && r.ok(); i++) {
    AppResult result;
    result.fate = static_cast<Fate>(r.u8());
    result.json = r.bytes();
    const uint64_t dropper = r.u64();
    const uint64_t steps = r.varint();
    uint64_t taken = 0;
    bool killed = false;
    for (const Planned& planned : part->plans[i]) {
      AppStep step{planned.config};
      const auto slot = planned.slot.lock();
      if (planned.killed) {
        step.did = AppStep::Did::kFailed;
        step.error = "the app ended its worker process";
        result.failed.push_back(planned.label);
        killed = true;
      } else if (planned.sent) {
        if (taken == steps) break;  // dropped before its turn
        taken++;
        r.u64();
        step.did = static_cast<AppStep::Did>(r.u8());
        step.cpu_us = static_cast<int64_t>(r.varint());
        const std::string error(r.bytes());
        step.after = r.bytes();
        if (slot == nullptr) {
          result.steps.push_back(std::move(step));
          continue;
        }
        AppStatus& status = slot->status;
        status.events++;
        status.cpu_us += static_cast<uint64_t>(step.cpu_us);
        switch (step.did) {
          case AppStep::Did::kSucceeded:
            status.succeeded++;
            result.succeeded.push_back(planned.label);
            metrics::succeeded.add();
            note(slot, true, false);
            break;
          case AppStep::Did::kDropped:
            status.dropped++;
            if (dropper != 0) result.dropped_by = planned.config;
            metrics::dropped.add();
            note(slot, true, false);
            break;
          case AppStep::Did::kFailed: {
            status.failed++;
            metrics::failed.add();
            result.failed.push_back(planned.label);
            const bool costly = is_costly(error);
            step.error = redacted(*slot, one_line(error));
            set_error(*slot, error);
            log(*slot, LogEntry::Source::kPlugin, LogEntry::Level::kError, one_line(error));
            note(slot, false, costly);
            changed(*slot);
            break;
          }
          case AppStep::Did::kSkipped: metrics::skipped.add(); break;
        }
      }
      result.steps.push_back(std::move(step));
    }
    if (killed && result.fate != Fate::kDropped && !part->pending->told) {
      const AppEvent& event = part->pending->events[part->indexes[i]];
      result.json = with_plugin_lists(
          result.fate == Fate::kChanged ? std::string_view(result.json) : event.json,
          result.succeeded, result.failed);
      result.fate = Fate::kChanged;
    }
    if (!part->pending->told) part->pending->results[part->indexes[i]] = std::move(result);
  }
  finish_part(std::move(part));
}

// ---- Workers that die ----

Status Engine::spawn(size_t worker) {
  WorkerState& state = workers_[worker];
  if (!state.link) {
    state.link = std::make_unique<WorkerLink>(
        poller_, WorkerLink::Options{.binary = options_.binary, .geoip_file = options_.geoip_file},
        [this, worker](std::string_view body) { on_frame(worker, body); },
        [this, worker] { on_death(worker); });
  }
  state.spawned_ns = runtime_.clock().mono_ns();
  return state.link->spawn();
}

/// Who was running is written on the page that the worker shared: that app has failed for that
/// event, everything else is asked again.
void Engine::on_death(size_t worker) {
  WorkerState& state = workers_[worker];
  metrics::worker_ends.add();
  if (stopping_) return;
  const Running& page = *state.link->running_script();
  const auto killer = slot_of_instance(page.instance.load());
  diag::warn("app worker ended", {{"worker", worker}, {"config", killer ? killer->config.id : 0}});
  if (runtime_.clock().mono_ns() - state.spawned_ns > kLivedNs) state.deaths_in_a_row = 0;
  state.deaths_in_a_row++;
  state.restarting = true;
  if (killer) blame(state, page.batch.load(), page.index.load(), killer);
  for (auto& [id, part] : state.parts) {
    part->deaths++;
    state.held.push_back(std::move(part));
  }
  state.parts.clear();
  for (auto& [id, hooked] : std::exchange(state.hooks, {})) {
    HookResult result;
    result.status = fail(Code::kMaybe, "the app's worker process ended");
    if (const auto slot = hooked.slot.lock()) slot->tasks_running.erase(hooked.name);
    if (hooked.done) hooked.done(std::move(result));
  }
  std::erase_if(state.held, [this](std::unique_ptr<Part>& part) {
    if (part->deaths < kPartDeathsMax) return false;
    give_up(*part, "app workers ended again and again");
    finish_part(std::move(part));
    return true;
  });
  const int64_t wait =
      state.deaths_in_a_row < 3
          ? 0
          : std::min<int64_t>(50 << std::min(state.deaths_in_a_row, 10), kRestartMsMax);
  loop_.after(std::chrono::milliseconds(wait), [this, worker, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired() && !stopping_) reload_all(worker);
  });
}

void Engine::blame(WorkerState& state, uint64_t batch, uint64_t index,
                   const std::shared_ptr<Slot>& slot) {
  slot->status.failed++;
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
  note(slot, false, true);
  changed(*slot);
  const auto found = state.parts.find(batch);
  if (found == state.parts.end() || index >= found->second->plans.size()) return;
  for (const Planned& planned : found->second->plans[index]) {
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
  for (const auto& slot : mine) load(slot);
  send_held(worker);
}

/// A script that its worker cannot stop: one long step inside the engine.
void Engine::look_for_hung() {
  const int64_t now = runtime_.clock().mono_ns();
  for (WorkerState& state : workers_) {
    if (!state.link || !state.link->running()) continue;
    const Running& page = *state.link->running_script();
    const uint64_t instance = page.instance.load();
    if (instance == 0) continue;
    const auto slot = slot_of_instance(instance);
    const bool loading = slot == nullptr || slot->loading == instance;
    const int64_t may_ms = loading ? options_.load_cpu_ms_max : options_.cpu_ms_max;
    // Twice: it may not have had a processor to itself.
    if (now - page.entered_ns.load() < 2 * may_ms * 1'000'000 + kHungNs) continue;
    metrics::worker_kills.add();
    state.link->kill();
  }
}

}  // namespace penstock::apps
