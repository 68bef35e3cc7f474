#include "apps/script/worker.h"

#include <errno.h>
#include <poll.h>
#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <climits>
#include <memory>
#include <optional>
#include <utility>

#include "apps/script/worker_run.h"
#include "base/codec.h"
#include "base/json_writer.h"

namespace penstock::apps {

namespace {

constexpr int kBreachesMax = 3;
constexpr int64_t kAgainCpuMs = 100;    // of an event, once it used up what there was
constexpr int64_t kTurnNs = 5'000'000;  // then it looks at what came meanwhile
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

/// To whoever is behind it on this thread; who waits costs them nothing.
bool is_costly(const VmError& error) {
  return (error.timed_out && !error.waited) || error.message == "out of memory";
}

std::string start_frame(FromWorker op) { return std::string(1, static_cast<char>(op)); }

}  // namespace

Worker::Worker(int fd, Page page, Room room, std::unique_ptr<Places> places)
    : fd_(fd), page_(std::move(page)), room_(std::move(room)), places_(std::move(places)) {}

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
  running.batch.store(current_ != nullptr ? current_->batch->id : 0, std::memory_order_relaxed);
  running.index.store(current_ != nullptr ? current_->index : 0, std::memory_order_relaxed);
  entered_ns_ = current_ != nullptr ? now_ns_ : mono_ns();
  running.entered_ns.store(entered_ns_, std::memory_order_relaxed);
  running.entries.fetch_add(1, std::memory_order_relaxed);
  running.instance.store(vm.id(), std::memory_order_release);
  StopTimer::begin(vm.stop_flag(), cpu_ns_max);
}

void Worker::leave(Vm& vm) {
  StopTimer::end();
  page_.running().instance.store(0, std::memory_order_release);
  if (vm.breached()) breached_.push_back(vm.id());
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
  instance->name = std::make_shared<const std::string>(instance->spec.name);
  Instance& kept = *(instances_[instance->id] = std::move(instance));
  load(kept);
}

/// Makes its Vm and awaits its setup; the parent hears of it the first time.
void Worker::load(Instance& instance) {
  instance.ready = false;
  VmLimits limits = instance.limits;
  if (instance.breaches > 0) limits.event_cpu_ms = std::min(limits.event_cpu_ms, kAgainCpuMs);
  instance.vm = std::make_unique<Vm>(*this, instance.spec, limits);
  instance.vm->set_id(instance.id);
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

bool Worker::take_batch_in(std::string_view operands) {
  ByteReader r(operands);
  const uint64_t at = r.u64(), bytes = r.u64();
  return r.ok() && take_batch(std::make_unique<Batch>(), room_.text(at, bytes));
}

bool Worker::take_batch(std::unique_ptr<Batch> batch, std::string_view operands) {
  ByteReader r(operands);
  batch->id = r.u64();
  const bool diffs = r.u8() != 0;
  for (uint64_t n = r.varint(); n > 0 && r.ok(); n--) {
    std::unique_ptr<EventRun> run = new_run();
    run->batch = batch.get();
    run->index = batch->runs.size();
    run->diffs = diffs;
    run->project = r.i64();
    run->original = r.bytes();
    run->text = run->original;
    for (uint64_t k = r.varint(); k > 0 && r.ok(); k--) {
      const uint64_t instance = r.u64();
      run->chain.push_back({instance, r.i64()});
    }
    run->queue = &queued_[run->project];
    run->queue->runs.push_back(run.get());
    batch->runs.push_back(std::move(run));
  }
  batch->left = batch->runs.size();
  page_.running().taken.store(batch->id, std::memory_order_relaxed);
  batches_[batch->id] = std::move(batch);
  return r.ok();
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
  auto ran_ns = std::make_shared<std::optional<int64_t>>();  // until it waited, where it does
  const auto done = [this, call, id, began, ran_ns](VmAnswer answer) {
    const int64_t now = mono_ns();
    const int64_t ran = *ran_ns ? **ran_ns + now - entered_ns_ : now - began;
    std::string frame = start_frame(FromWorker::kHookDone);
    ByteWriter w(frame);
    w.u64(call);
    w.u64(id);
    const bool threw = answer.kind == VmAnswer::Kind::kThrew;
    w.u8(threw ? 0 : 1);
    w.bytes(threw ? error_json(answer.error) : answer.json);
    w.varint(static_cast<uint64_t>(std::max<int64_t>(ran, 0) / 1000));
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
  *ran_ns = mono_ns() - began;
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

/// Its events are answered by what they have become; those that have not begun end when their turn
/// comes, which the ones that waited no longer keep from them.
void Worker::take_cancel(uint64_t batch) {
  const auto found = batches_.find(batch);
  if (found == batches_.end()) return;
  for (const auto& run : found->second->runs) {
    run->cancelled = true;
    Instance* instance = run->asked == 0 ? nullptr : find(run->asked);
    if (instance != nullptr && instance->vm != nullptr) instance->vm->give_up(run.get());
  }
}

// ---- Events ----

std::unique_ptr<EventRun> Worker::new_run() {
  if (spare_.empty()) return std::make_unique<EventRun>();
  std::unique_ptr<EventRun> run = std::move(spare_.back());
  spare_.pop_back();
  run->chain.clear();
  run->steps.clear();
  run->at = run->properties_end = 0;
  run->asked = 0;
  run->fate = Fate::kUnchanged;
  run->changed = run->elsewhere = run->cancelled = run->is_new = false;
  run->dropped_by = 0;
  return run;
}

void Worker::begin_events() {
  now_ns_ = mono_ns();
  const int64_t until = now_ns_ + kTurnNs;
  for (bool more = true; more && now_ns_ < until;) {
    more = false;
    for (auto at = queued_.begin(); at != queued_.end();) {
      ProjectQueue& queue = at->second;
      if (queue.runs.empty() && queue.waiting == 0) {
        at = queued_.erase(at);
        continue;
      }
      ++at;
      if (!queue.may_begin()) continue;
      EventRun* run = queue.runs.front();
      queue.runs.pop_front();
      queue.waiting++;
      more = true;
      step(*run);
      pump();
      if (breached_.empty()) continue;
      look_after_breaches();
      now_ns_ = mono_ns();
    }
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
  while (run.at < run.chain.size() && run.fate != Fate::kDropped && !run.elsewhere &&
         !run.cancelled) {
    Instance* instance = find(run.chain[run.at].instance);
    if (instance != nullptr && instance->moved) {
      run.elsewhere = true;
      run.dropped_by = instance->id;
      break;
    }
    const bool usable = instance != nullptr && instance->vm != nullptr && !instance->unloading;
    if (usable && (!instance->ready || instance->vm->breached()) &&
        instance->breaches <= kBreachesMax && instance->breaches > 0) {
      instance->waiting.push_back(&run);  // it is being made anew
      return;
    }
    if (!usable || !instance->ready || instance->vm->breached()) {
      run.steps.emplace_back().instance = run.chain[run.at++].instance;
      continue;
    }
    if (!instance->vm->has("processEvent") && !instance->vm->has("processEventBatch")) {
      run.steps.emplace_back().instance = run.chain[run.at++].instance;
      continue;
    }
    const int64_t began = now_ns_;
    current_ = &run;
    run.asked = instance->id;
    instance->vm->process(
        run.project, run.text,
        [this, &run, instance, began](VmAnswer&& answer) {
          answered(run, *instance, began, std::move(answer));
        },
        &run);
    current_ = nullptr;
    if (run.asked != 0) run.ran_ns = mono_ns() - began;
    return;
  }
  event_done(run);
}

void Worker::answered(EventRun& run, Instance& instance, int64_t began_ns, VmAnswer&& answer) {
  now_ns_ = mono_ns();  // the next event's begin, too
  StepOut& step = run.steps.emplace_back();
  step.instance = run.chain[run.at++].instance;
  step.did = AppStep::Did::kSucceeded;
  step.name = instance.name;
  // Of what waited, only what it ran counts: at first, and from where the script was entered again
  // until this answer.
  const bool at_once = current_ == &run;
  const int64_t again_ns = current_ == nullptr ? now_ns_ - entered_ns_ : 0;
  step.cpu_us = (at_once ? now_ns_ - began_ns : run.ran_ns + again_ns) / 1000;
  entered_ns_ = now_ns_;
  run.asked = 0;
  switch (answer.kind) {
    case VmAnswer::Kind::kValue: break;
    case VmAnswer::Kind::kNothing:
      step.did = AppStep::Did::kDropped;
      run.fate = Fate::kDropped;
      run.dropped_by = instance.id;
      break;
    case VmAnswer::Kind::kThrew:
      step.did = AppStep::Did::kFailed;
      if (is_costly(answer.error) && instance.limits.shared) {
        run.elsewhere = instance.moved = true;
        run.dropped_by = instance.id;
      }
      step.error = error_json(answer.error);
      break;
  }
  const size_t end = answer.event.properties_end;
  if (answer.changed || end != 0) run.properties_end = end;
  if (answer.changed) {
    run.changed = true;
    if (run.at == run.chain.size() && !run.diffs) {
      run.last = std::move(answer.event);
      run.is_new = true;
    } else {
      run.own = answer.event.whole(run.text);
      run.text = run.own;
      if (run.diffs) step.after = run.own;
    }
  }
  ready_.push_back(&run);
}

/// Throws away what used up its limits or is unloaded, and makes anew what may go on.
void Worker::look_after_breaches() {
  for (const uint64_t id : std::exchange(breached_, {})) {
    Instance* instance = find(id);
    if (instance == nullptr || instance->vm == nullptr) continue;
    if (instance->unloading) {
      for (EventRun* run : std::exchange(instance->waiting, {})) ready_.push_back(run);
      instances_.erase(id);
      continue;
    }
    if (!instance->vm->breached()) continue;
    if (!instance->was_ready) {  // the parent has heard why it did not load
      instances_.erase(id);
      continue;
    }
    if (instance->moved) {  // the parent loads it elsewhere and unloads it here
      instance->vm.reset();
      instance->ready = false;
      continue;
    }
    if (mono_ns() - instance->first_breach_ns > kBreachWindowNs) {
      instance->breaches = 0;
      instance->first_breach_ns = mono_ns();
    }
    instance->breaches++;
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
  for (const auto& [project, queue] : queued_) {
    if (queue.may_begin()) return 0;
  }
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
    const int wait = wait_ms();
    Running& page = page_.running();
    if (wait != 0) page.rested.store(page.taken.load(std::memory_order_relaxed));
    const int ready = ::poll(&waiting, 1, wait);
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
    now_ns_ = mono_ns();
    pump();
    if (!breached_.empty()) look_after_breaches();
    begin_events();
  }
}

}  // namespace penstock::apps
