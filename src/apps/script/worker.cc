#include "apps/script/worker.h"

#include <errno.h>
#include <poll.h>
#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

#include "apps/plugin_lists.h"
#include "base/codec.h"
#include "base/json_writer.h"

namespace penstock::apps {

namespace {

constexpr int kBreachesMax = 3;
constexpr int64_t kBreachWindowNs = 60'000'000'000;

std::string error_json(const VmError& error) {
  JsonWriter w;
  w.begin_object().field("name", error.name).field("message", error.message);
  if (!error.stack.empty()) w.field("stack", error.stack);
  if (error.timed_out) w.field("timed_out", true);
  return w.end_object().take();
}

int64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string start_frame(FromWorker op) { return std::string(1, static_cast<char>(op)); }

}  // namespace

struct StepOut {
  uint64_t instance = 0;
  AppStep::Did did = AppStep::Did::kSkipped;
  int64_t cpu_us = 0;
  std::string error, after;
};

/// One event on its way through its apps.
struct EventRun {
  uint64_t batch = 0;
  size_t index = 0;
  int64_t project = 0;
  bool diffs = false, changed = false;
  bool counted = false;  // among those that wait for something
  std::string json;
  struct Link {
    uint64_t instance = 0;
    ConfigId config = 0;
  };
  std::vector<Link> chain;
  size_t at = 0;
  size_t properties_end = 0;  // in `json`, as VmAnswer's
  Fate fate = Fate::kUnchanged;
  uint64_t dropped_by = 0;
  std::vector<StepOut> steps;
  std::vector<std::string> succeeded, failed;
};

struct Worker::Batch {
  uint64_t id = 0;
  std::vector<std::unique_ptr<EventRun>> runs;
  size_t left = 0;
};

Worker::Worker(int fd, Page page, std::unique_ptr<Places> places)
    : fd_(fd), page_(std::move(page)), places_(std::move(places)) {}

Worker::~Worker() = default;

int64_t Worker::mono_ns() const { return clock_ns(CLOCK_MONOTONIC); }
int64_t Worker::wall_ms() const { return clock_ns(CLOCK_REALTIME) / 1'000'000; }

void Worker::fill_random(std::string& out) {
  for (size_t at = 0; at < out.size();) {
    const ssize_t got = ::getrandom(out.data() + at, out.size() - at, 0);
    if (got <= 0 && errno != EINTR) return;
    at += static_cast<size_t>(std::max<ssize_t>(got, 0));
  }
}

std::string Worker::locate(std::string_view ip) { return places_ ? places_->locate(ip) : ""; }

void Worker::enter(Vm& vm, int64_t cpu_ns_max) {
  Running& running = page_.running();
  running.batch.store(current_ != nullptr ? current_->batch : 0, std::memory_order_relaxed);
  running.index.store(current_ != nullptr ? current_->index : 0, std::memory_order_relaxed);
  running.entered_ns.store(mono_ns(), std::memory_order_relaxed);
  running.entries.fetch_add(1, std::memory_order_relaxed);
  running.instance.store(ids_[&vm], std::memory_order_release);
  StopTimer::begin(vm.stop_flag(), cpu_ns_max);
}

void Worker::leave(Vm& vm) {
  StopTimer::end();
  page_.running().instance.store(0, std::memory_order_release);
  if (vm.breached()) breached_.push_back(ids_[&vm]);
}

Worker::Instance* Worker::find(uint64_t id) {
  const auto found = instances_.find(id);
  return found == instances_.end() ? nullptr : found->second.get();
}

void Worker::take_load(std::string_view operands) {
  ByteReader r(operands);
  auto instance = std::make_unique<Instance>();
  instance->id = r.u64();
  const bool good = decode(r.bytes(), instance->limits) && decode(r.bytes(), instance->spec);
  if (!good || !r.ok()) return;
  Instance& kept = *(instances_[instance->id] = std::move(instance));
  load(kept);
}

/// Makes its Vm and awaits its setup; the parent hears of it the first time.
void Worker::load(Instance& instance) {
  instance.ready = false;
  instance.vm = std::make_unique<Vm>(*this, instance.spec, instance.limits);
  ids_[instance.vm.get()] = instance.id;
  instance.vm->load([this, id = instance.id](VmAnswer answer) {
    Instance* loaded = find(id);
    if (loaded == nullptr) return;
    const bool ok = answer.kind == VmAnswer::Kind::kValue;
    loaded->ready = ok;
    if (!loaded->was_ready) {
      std::string frame = start_frame(FromWorker::kLoaded);
      ByteWriter w(frame);
      w.u64(id);
      w.u8(ok ? 1 : 0);
      w.bytes(ok ? answer.json : error_json(answer.error));
      send(std::move(frame));
    }
    loaded->was_ready = loaded->was_ready || ok;
    for (EventRun* run : std::exchange(loaded->waiting, {})) ready_.push_back(run);
  });
}

void Worker::take_unload(uint64_t id) {
  Instance* instance = find(id);
  if (instance == nullptr) return;
  instance->unloading = true;
  const auto gone = [this, id](VmAnswer) {
    std::string frame = start_frame(FromWorker::kHookDone);
    ByteWriter w(frame);
    w.u64(0);
    w.u64(id);
    w.u8(1);
    w.bytes("");
    w.varint(0);
    send(std::move(frame));
    breached_.push_back(id);  // it goes where those go
  };
  if (instance->vm && instance->vm->loaded() && !instance->vm->breached()) {
    instance->vm->hook("teardown", "", {}, gone);
  } else {
    gone({});
  }
}

void Worker::take_batch(std::string_view operands) {
  ByteReader r(operands);
  auto batch = std::make_unique<Batch>();
  batch->id = r.u64();
  const bool diffs = r.u8() != 0;
  for (uint64_t n = r.varint(); n > 0 && r.ok(); n--) {
    auto run = std::make_unique<EventRun>();
    run->batch = batch->id;
    run->index = batch->runs.size();
    run->diffs = diffs;
    run->project = r.i64();
    run->json = r.bytes();
    for (uint64_t k = r.varint(); k > 0 && r.ok(); k--) {
      const uint64_t instance = r.u64();
      run->chain.push_back({instance, r.i64()});
    }
    queued_.push_back(run.get());
    batch->runs.push_back(std::move(run));
  }
  batch->left = batch->runs.size();
  batches_[batch->id] = std::move(batch);
}

void Worker::take_hook(std::string_view operands) {
  ByteReader r(operands);
  const uint64_t call = r.u64();
  const uint64_t id = r.u64();
  const std::string name(r.bytes());
  const std::string payload(r.bytes());
  std::vector<std::string> events;
  for (uint64_t n = r.varint(); n > 0 && r.ok(); n--) events.emplace_back(r.bytes());
  const int64_t began = mono_ns();
  const auto done = [this, call, id, began](VmAnswer answer) {
    std::string frame = start_frame(FromWorker::kHookDone);
    ByteWriter w(frame);
    w.u64(call);
    w.u64(id);
    const bool threw = answer.kind == VmAnswer::Kind::kThrew;
    w.u8(threw ? 0 : 1);
    w.bytes(threw ? error_json(answer.error) : answer.json);
    w.varint(static_cast<uint64_t>((mono_ns() - began) / 1000));
    send(std::move(frame));
  };
  Instance* instance = find(id);
  if (instance == nullptr || !instance->ready || instance->vm->breached()) {
    VmAnswer answer;
    answer.kind = VmAnswer::Kind::kThrew;
    answer.error = {.name = "UnavailableError", .message = "the app is not loaded"};
    return done(std::move(answer));
  }
  instance->vm->hook(name, payload, events, done);
}

void Worker::take_reply(std::string_view operands) {
  ByteReader r(operands);
  Instance* instance = find(r.u64());
  const uint64_t id = r.u64();
  const bool ok = r.u8() != 0;
  const std::string_view json = r.bytes();
  const std::string_view body = r.bytes();
  if (!r.ok() || instance == nullptr || instance->vm == nullptr || instance->vm->breached()) return;
  instance->vm->settle(id, ok, json, body);
}

// ---- Events ----

void Worker::begin_events() {
  while (!queued_.empty() && waiting_events_ < kEventsWaitingMax) {
    EventRun* run = queued_.front();
    queued_.pop_front();
    waiting_events_++;
    step(*run);
    pump();
    if (!breached_.empty()) look_after_breaches();
  }
}

void Worker::pump() {
  while (!ready_.empty()) {
    EventRun* run = ready_.front();
    ready_.pop_front();
    step(*run);
  }
}

/// One app, or the end. What the app answers comes by `answered`, at once or later.
void Worker::step(EventRun& run) {
  while (run.at < run.chain.size() && run.fate != Fate::kDropped) {
    Instance* instance = find(run.chain[run.at].instance);
    const bool usable = instance != nullptr && instance->vm != nullptr && !instance->unloading;
    if (usable && (!instance->ready || instance->vm->breached()) &&
        instance->breaches <= kBreachesMax && instance->breaches > 0) {
      instance->waiting.push_back(&run);  // it is being made anew
      return;
    }
    if (!usable || !instance->ready || instance->vm->breached()) {
      run.steps.push_back({run.chain[run.at++].instance, AppStep::Did::kSkipped, 0, {}, {}});
      continue;
    }
    if (!instance->vm->has("processEvent") && !instance->vm->has("processEventBatch")) {
      run.steps.push_back({run.chain[run.at++].instance, AppStep::Did::kSkipped, 0, {}, {}});
      continue;
    }
    const int64_t began = mono_ns();
    current_ = &run;
    instance->vm->process(run.project, run.json, [this, &run, instance, began](VmAnswer answer) {
      answered(run, *instance, began, std::move(answer));
    });
    current_ = nullptr;
    return;
  }
  event_done(run);
}

void Worker::answered(EventRun& run, Instance& instance, int64_t began_ns, VmAnswer answer) {
  const std::string label =
      instance.spec.name + " (" + std::to_string(run.chain[run.at].config) + ")";
  StepOut step{run.chain[run.at++].instance,
               AppStep::Did::kSucceeded,
               (mono_ns() - began_ns) / 1000,
               {},
               {}};
  switch (answer.kind) {
    case VmAnswer::Kind::kValue: run.succeeded.push_back(label); break;
    case VmAnswer::Kind::kNothing:
      step.did = AppStep::Did::kDropped;
      run.fate = Fate::kDropped;
      run.dropped_by = instance.id;
      break;
    case VmAnswer::Kind::kThrew:
      step.did = AppStep::Did::kFailed;
      step.error = error_json(answer.error);
      run.failed.push_back(label);
      break;
  }
  if (answer.changed || answer.properties_end != 0) run.properties_end = answer.properties_end;
  if (answer.changed) {
    run.changed = true;
    if (run.diffs) step.after = answer.json;
    run.json = std::move(answer.json);
  }
  run.steps.push_back(std::move(step));
  ready_.push_back(&run);
}

void Worker::event_done(EventRun& run) {
  waiting_events_--;
  if (run.fate != Fate::kDropped && !(run.succeeded.empty() && run.failed.empty())) {
    if (run.properties_end != 0) {
      put_plugin_lists(run.json, run.properties_end, run.succeeded, run.failed);
    } else {
      run.json = with_plugin_lists(run.json, run.succeeded, run.failed);
    }
    run.fate = Fate::kChanged;
  } else if (run.fate != Fate::kDropped && run.changed) {
    run.fate = Fate::kChanged;
  }
  const auto found = batches_.find(run.batch);
  if (found == batches_.end() || --found->second->left > 0) return;
  Batch& batch = *found->second;
  std::string frame = start_frame(FromWorker::kBatchDone);
  size_t bytes = 0;
  for (const auto& done : batch.runs) bytes += done->json.size() + 64;
  frame.reserve(bytes);
  ByteWriter w(frame);
  w.u64(batch.id);
  w.varint(batch.runs.size());
  for (const auto& done : batch.runs) {
    w.u8(static_cast<uint8_t>(done->fate));
    w.bytes(done->fate == Fate::kChanged ? std::string_view(done->json) : std::string_view());
    w.u64(done->dropped_by);
    w.varint(done->steps.size());
    for (const StepOut& step : done->steps) {
      w.u64(step.instance);
      w.u8(static_cast<uint8_t>(step.did));
      w.varint(static_cast<uint64_t>(std::max<int64_t>(step.cpu_us, 0)));
      w.bytes(step.error);
      w.bytes(step.after);
    }
  }
  size_t memory = 0;
  for (const auto& [id, instance] : instances_) {
    if (instance->vm) memory += instance->vm->memory_bytes();
  }
  w.u64(memory);
  send(std::move(frame));
  batches_.erase(found);
}

/// Throws away what used up its limits or is unloaded, and makes anew what may go on.
void Worker::look_after_breaches() {
  for (const uint64_t id : std::exchange(breached_, {})) {
    Instance* instance = find(id);
    if (instance == nullptr || instance->vm == nullptr) continue;
    if (instance->unloading) {
      for (EventRun* run : std::exchange(instance->waiting, {})) ready_.push_back(run);
      ids_.erase(instance->vm.get());
      instances_.erase(id);
      continue;
    }
    if (!instance->vm->breached()) continue;
    if (!instance->was_ready) {  // the parent has heard why it did not load
      ids_.erase(instance->vm.get());
      instances_.erase(id);
      continue;
    }
    if (mono_ns() - instance->first_breach_ns > kBreachWindowNs) {
      instance->breaches = 0;
      instance->first_breach_ns = mono_ns();
    }
    instance->breaches++;
    ids_.erase(instance->vm.get());
    instance->vm.reset();
    if (instance->breaches <= kBreachesMax) {
      load(*instance);
      continue;
    }
    instance->ready = false;
    for (EventRun* run : std::exchange(instance->waiting, {})) ready_.push_back(run);
    std::string frame = start_frame(FromWorker::kBroken);
    ByteWriter w(frame);
    w.u64(id);
    w.bytes("used up its time or memory again and again");
    send(std::move(frame));
  }
  pump();
}

int Worker::wait_ms() const {
  if (!queued_.empty() && waiting_events_ < kEventsWaitingMax) return 0;
  int64_t due = INT64_MAX;
  for (const auto& [id, instance] : instances_) {
    if (instance->vm) due = std::min(due, instance->vm->next_due());
  }
  if (due == INT64_MAX) return -1;
  const int64_t wait = (due - mono_ns() + 999'999) / 1'000'000;
  return static_cast<int>(std::clamp<int64_t>(wait, 0, INT_MAX));
}

void Worker::run() {
  StopTimer::install();
  while (alive_) {
    if (!flush()) return;
    pollfd waiting{fd_, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, wait_ms());
    if (ready > 0 && !read_frames()) return;
    const int64_t now = mono_ns();
    std::vector<uint64_t> due;
    for (const auto& [id, instance] : instances_) {
      if (instance->vm && instance->vm->next_due() <= now) due.push_back(id);
    }
    for (const uint64_t id : due) {
      Instance* instance = find(id);
      if (instance != nullptr && instance->vm && !instance->vm->breached()) {
        instance->vm->run_due();
      }
    }
    pump();
    if (!breached_.empty()) look_after_breaches();
    begin_events();
  }
}

}  // namespace penstock::apps
