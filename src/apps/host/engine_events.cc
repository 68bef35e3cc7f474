// Batches of events through workers.
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

constexpr int64_t kLateDeadlineMs = 1000;  // of a project that was late before

constexpr std::string_view kNoTime = "TimeoutError: no time was left for it";

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

/// A part of these places of another one.
std::unique_ptr<Part> some_of(const Part& part, const std::vector<size_t>& places) {
  auto out = std::make_unique<Part>();
  out->pending = part.pending;
  out->deaths = part.deaths;
  out->only = part.only;
  for (size_t i = 0; i < places.size(); i++) {
    out->indexes.push_back(part.indexes[places[i]]);
    for (const auto& [from, to] :
         {std::pair{&part.killers, &out->killers}, {&part.spared, &out->spared}}) {
      for (const auto& [place, config] : *from) {
        if (place == places[i]) to->insert({i, config});
      }
    }
  }
  return out;
}

/// Whether the answer is one to this part, and its patches to these events.
bool fits(const BatchAnswer& answer, const Part& part) {
  if (answer.events.size() != part.indexes.size()) return false;
  if (part.pending->told) return true;  // nobody uses them
  for (size_t i = 0; i < answer.events.size(); i++) {
    const EventAnswer& event = answer.events[i];
    const size_t size = part.pending->events[part.indexes[i]].json.size();
    if (event.fate == Fate::kChanged && !event.patch.fits(size)) return false;
  }
  return true;
}

size_t sent_of(const std::vector<Planned>& plan) {
  return static_cast<size_t>(std::ranges::count(plan, true, &Planned::sent));
}

/// What `put_batch` writes at most.
size_t batch_bytes(const Part& part) {
  constexpr size_t kHead = 32, kEvent = 32, kApp = 16;
  size_t out = kHead;
  for (size_t i = 0; i < part.indexes.size(); i++) {
    out += part.pending->events[part.indexes[i]].json.size() + kEvent;
    out += part.plans[i]->size() * kApp;
  }
  return out;
}

/// The operands of kBatch.
template <class Writer>
void put_batch(Writer&& w, const Part& part) {
  w.i64(static_cast<int64_t>(part.id));
  w.u8(part.pending->options.diffs ? 1 : 0);
  w.varint(part.indexes.size());
  for (size_t i = 0; i < part.indexes.size(); i++) {
    const AppEvent& event = part.pending->events[part.indexes[i]];
    const size_t sent = sent_of(*part.plans[i]);
    w.i64(event.project.value);
    // What goes through no app is not worth the way.
    w.bytes(sent > 0 ? event.json : std::string_view("{}"));
    w.varint(sent);
    for (const Planned& planned : *part.plans[i]) {
      if (!planned.sent) continue;
      w.i64(static_cast<int64_t>(planned.instance));
      w.i64(planned.config);
    }
  }
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
  auto part = std::make_unique<Part>();
  part->pending = pending;
  pending->began_ns = began;
  int64_t& deadline_ms = pending->deadline_ms = options.deadline_ms;
  for (size_t i = 0; i < pending->events.size(); i++) {
    const AppEvent& event = pending->events[i];
    if (event.through ? event.through->empty() : !by_project_.contains(event.project.value)) {
      continue;
    }
    part->indexes.push_back(i);
    const auto apart = apart_.find(event.project.value);
    if (apart != apart_.end() && apart->second.late) {
      deadline_ms = std::min(deadline_ms, kLateDeadlineMs);
    }
  }
  pending->parts_left = 1;
  if (part->indexes.empty()) {
    loop_.post([pending] { pending->done(std::move(pending->results)); });
    return;
  }
  await(pending);
  route(std::move(part));
}

/// To the worker of each project, as a part of its own where they have different ones.
void Engine::route(std::unique_ptr<Part> part) {
  if (part->pending->told) return;  // nobody waits, and the texts may be gone
  if (part->only) return send_part(part->only->worker, std::move(part));
  std::map<size_t, std::vector<size_t>> places;
  for (size_t i = 0; i < part->indexes.size(); i++) {
    places[worker_of(part->pending->events[part->indexes[i]].project)].push_back(i);
  }
  if (places.size() == 1) return send_part(places.begin()->first, std::move(part));
  part->pending->parts_left += places.size() - 1;
  for (const auto& [worker, of_worker] : places) send_part(worker, some_of(*part, of_worker));
}

/// The apps an event goes through, decided when it is sent.
Plan Engine::plan(const Part& part, size_t place, size_t worker) {
  const AppEvent& event = part.pending->events[part.indexes[place]];
  if (place > 0 && part.killers.empty()) {
    const AppEvent& before = part.pending->events[part.indexes[place - 1]];
    const Plan& made = part.plans[place - 1];
    if (before.project == event.project && before.through == event.through &&
        std::ranges::none_of(*made, &Planned::tried)) {
      return made;
    }
  }
  auto kept = std::make_shared<std::vector<Planned>>();
  std::vector<Planned>& out = *kept;
  const auto add = [&](ConfigId id, const std::shared_ptr<Slot>& slot) {
    Planned& planned = out.emplace_back();
    planned.config = id;
    planned.slot = slot;
    if (slot == nullptr) return;
    planned.label = slot->config.package->name + " (" + std::to_string(id) + ")";
    planned.killed = part.killers.contains({place, id});
    planned.instance = slot->instance;
    planned.tried = slot->health.health() == Health::kDisabled;
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
  return kept;
}

void Engine::send_part(size_t worker, std::unique_ptr<Part> part) {
  WorkerState& state = workers_[worker];
  const bool running = state.link && state.link->running();
  if (state.restarting || waits(*part, state)) {
    return hold(state, std::move(part));
  }
  part->held_ns = 0;
  part->plans.clear();
  part->id = next_id_++;
  bool any = false;
  for (size_t i = 0; i < part->indexes.size(); i++) {
    part->plans.push_back(plan(*part, i, worker));
    any = any || sent_of(*part->plans.back()) > 0;
  }
  if (any && running && lay_out(state, *part)) {
    state.parts[part->id] = std::move(part);
    return;
  }
  // Nobody to ask: what was not sent is skipped, what killed its worker has failed.
  give_up(*part, "no app worker takes it");
  finish_part(std::move(part));
}

/// Into the worker's room, or into a frame where that is full. False: the worker takes no more.
bool Engine::lay_out(WorkerState& state, Part& part) {
  const size_t bytes = batch_bytes(part);
  Room& room = *state.link->room();
  part.place = room.take(bytes);
  if (!part.place) {
    std::string frame(1, static_cast<char>(ToWorker::kBatch));
    frame.reserve(1 + bytes);
    put_batch(ByteWriter(frame), part);
    return state.link->send(std::move(frame));
  }
  FixedWriter in_place(room.memory(*part.place));
  put_batch(in_place, part);
  std::string frame(1, static_cast<char>(ToWorker::kBatchIn));
  ByteWriter w(frame);
  w.u64(*part.place);
  w.u64(static_cast<size_t>(in_place.at() - room.memory(*part.place)));
  if (state.link->send(std::move(frame))) return true;
  room.give_back(*part.place);
  return false;
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

void Engine::hold(WorkerState& state, std::unique_ptr<Part> part) {
  if (part->held_ns == 0) part->held_ns = runtime_.clock().mono_ns();
  state.held.push_back(std::move(part));
}

void Engine::send_held(size_t worker) {
  for (std::unique_ptr<Part>& part : std::exchange(workers_[worker].held, {})) {
    if (!part->pending->told) route(std::move(part));
  }
}

/// Results without a worker: `why` empty: nothing was to be asked.
void Engine::give_up(Part& part, const std::string& why) {
  if (part.pending->told) return;
  for (size_t i = 0; i < part.plans.size(); i++) {
    AppResult& result = part.pending->results[part.indexes[i]];
    for (const Planned& planned : *part.plans[i]) {
      AppStep step{planned.config};
      if (planned.killed || planned.sent) {
        step.did = AppStep::Did::kFailed;
        step.error = planned.killed ? "the app ended its worker process" : why;
        result.failed.push_back(planned.label);
        metrics::failed.add();
        if (const auto slot = planned.killed ? nullptr : planned.slot.lock()) {
          slot->status.events++;
          slot->status.failed++;
        }
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
  if (pending.timer != 0) loop_.cancel(pending.timer);
  loop_.post([pending = part->pending] { pending->done(std::move(pending->results)); });
}

void Engine::on_batch_done(size_t worker, std::string_view operands) {
  WorkerState& state = workers_[worker];
  const bool good = answer_.read(operands);
  const auto found = state.parts.find(answer_.batch);
  if (!good || (found != state.parts.end() && !fits(answer_, *found->second))) {
    diag::warn("app worker answers what cannot be", {{"worker", worker}});
    return state.link->kill();  // its events are asked again
  }
  if (found == state.parts.end()) return;
  std::unique_ptr<Part> part = std::move(found->second);
  state.parts.erase(found);
  if (part->place) state.link->room()->give_back(*part->place);
  part->place.reset();
  state.deaths_in_a_row = 0;
  const int64_t now = now_ms();
  std::vector<size_t> again;
  std::set<ProjectId> apart;
  for (size_t i = 0; i < answer_.events.size(); i++) {
    if (!is_elsewhere(*part, i, worker)) {
      take_event(*part, i, answer_.events[i], now);
      continue;
    }
    again.push_back(i);
    if (answer_.events[i].elsewhere) apart.insert(part->pending->events[part->indexes[i]].project);
  }
  auto rest = again.empty() ? nullptr : some_of(*part, again);
  if (rest) part->pending->parts_left++;
  finish_part(std::move(part));
  for (const ProjectId project : apart) set_apart(project, "an app took too long for an event");
  if (rest) route(std::move(rest));
}

/// Whether the event is to be asked again: an app took too long here, had gone to another worker,
/// or was replaced by a newer configuration of itself while the event was on its way.
bool Engine::is_elsewhere(const Part& part, size_t place, size_t worker) {
  const EventAnswer& event = answer_.events[place];
  if (event.elsewhere) return true;
  if (part.only) return false;
  size_t taken = 0;
  for (const Planned& planned : *part.plans[place]) {
    if (!planned.sent) continue;
    if (taken == event.steps) return false;
    const bool skipped = answer_.steps[event.first_step + taken++].did == AppStep::Did::kSkipped;
    const auto slot = skipped ? planned.slot.lock() : nullptr;
    if (!slot || slot->gone) continue;
    const bool replaced = slot->instance != 0 && slot->instance != planned.instance;
    if (slot->worker != worker || replaced) return true;
  }
  return false;
}

void Engine::take_event(Part& part, size_t place, const EventAnswer& event, int64_t now) {
  AppResult result;
  result.fate = event.fate;
  const bool told = part.pending->told;
  const std::string_view before =
      told ? std::string_view() : part.pending->events[part.indexes[place]].json;
  if (event.fate == Fate::kChanged && !told) {
    result.json = patched(before, event.patch).value_or(std::string(before));
  }
  size_t taken = 0;
  bool failed_here = false;  // not in the worker, which writes the lists of what failed there
  result.steps.reserve(part.plans[place]->size());
  for (const Planned& planned : *part.plans[place]) {
    AppStep step{planned.config};
    if (planned.killed) {
      step.did = AppStep::Did::kFailed;
      step.error = "the app ended its worker process";
      result.failed.push_back(planned.label);
      failed_here = true;
    } else if (planned.sent) {
      if (taken == event.steps) {  // dropped before its turn, or nobody waited for it
        if (result.fate == Fate::kDropped || !part.pending->cancelled) break;
        step.did = AppStep::Did::kFailed;
        step.error = kNoTime;
        result.failed.push_back(planned.label);
        metrics::failed.add();
        result.steps.push_back(std::move(step));
        failed_here = true;
        continue;
      }
      const StepAnswer& from = answer_.steps[event.first_step + taken++];
      step.did = from.did;
      step.cpu_us = from.cpu_us;
      step.after = from.after;
      if (const auto slot = planned.slot.lock()) {
        take_step(slot, planned, from, step, result, now);
      }
    }
    result.steps.push_back(std::move(step));
  }
  if (told) return;
  if (failed_here && result.fate != Fate::kDropped) {
    result.json =
        with_plugin_lists(result.fate == Fate::kChanged ? std::string_view(result.json) : before,
                          result.succeeded, result.failed);
    result.fate = Fate::kChanged;
  }
  part.pending->results[part.indexes[place]] = std::move(result);
}

void Engine::take_step(const std::shared_ptr<Slot>& slot, const Planned& planned,
                       const StepAnswer& from, AppStep& step, AppResult& result, int64_t now) {
  AppStatus& status = slot->status;
  status.events++;
  status.cpu_us += static_cast<uint64_t>(step.cpu_us);
  switch (step.did) {
    case AppStep::Did::kSucceeded:
      status.succeeded++;
      slot->suspect = false;
      result.succeeded.push_back(planned.label);
      metrics::succeeded.add();
      return note(slot, true, false, now);
    case AppStep::Did::kDropped:
      status.dropped++;
      result.dropped_by = planned.config;
      metrics::dropped.add();
      return note(slot, true, false, now);
    case AppStep::Did::kFailed:
      status.failed++;
      metrics::failed.add();
      result.failed.push_back(planned.label);
      step.error = redacted(*slot, one_line(from.error));
      set_error(*slot, from.error);
      log(*slot, LogEntry::Source::kPlugin, LogEntry::Level::kError, one_line(from.error));
      note(slot, false, is_costly(from.error), now);
      return changed(*slot);
    case AppStep::Did::kSkipped: metrics::skipped.add(); return;
  }
}

}  // namespace penstock::apps
