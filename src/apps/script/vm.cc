#include "apps/script/vm.h"

#include <algorithm>
#include <array>
#include <climits>

#include "apps/script/vm_functions.h"
#include "assets/assets.h"
#include "base/assert.h"
#include "base/json_writer.h"
#include "event/json_fields.h"

namespace penstock::apps {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr size_t kGcThreshold = 4U << 20;
constexpr size_t kErrorTextMax = 2000;

std::string shortened(std::string text) {
  if (text.size() > kErrorTextMax) text.resize(kErrorTextMax);
  return text;
}

VmError timed_out(const std::string& message) {
  return {.name = "TimeoutError", .message = message, .timed_out = true};
}

VmError waited(const std::string& message) {
  return {.name = "TimeoutError", .message = message, .timed_out = true, .waited = true};
}

std::string seconds(int64_t ms) {
  std::string text = std::to_string(ms / 1000);
  if (ms % 1000 != 0) text += "." + std::to_string(ms % 1000 / 100);
  return text;
}

}  // namespace

Vm::Vm(VmHost& host, VmSpec spec, VmLimits limits)
    : host_(host), spec_(std::move(spec)), limits_(limits) {
  memory_.max = limits_.memory_bytes;
  runtime_ = JS_NewRuntime2(allocator(), &memory_);
  PENSTOCK_ASSERT(runtime_ != nullptr);
  JS_SetRuntimeOpaque(runtime_, this);
  JS_SetMaxStackSize(runtime_, limits_.stack_bytes);
  JS_SetGCThreshold(runtime_, kGcThreshold);
  JS_SetInterruptHandler(
      runtime_,
      [](JSRuntime*, void* vm) -> int {
        return static_cast<Vm*>(vm)->stop_.load(std::memory_order_relaxed) ? 1 : 0;
      },
      this);
  JS_SetHostPromiseRejectionTracker(
      runtime_,
      [](JSContext*, JSValueConst promise, JSValueConst reason, JS_BOOL handled, void* opaque) {
        static_cast<Vm*>(opaque)->note_rejection(promise, reason, handled != 0);
      },
      this);
  register_lazy_objects(runtime_);
  context_ = JS_NewContext(runtime_);
  PENSTOCK_ASSERT(context_ != nullptr);
  JS_SetContextOpaque(context_, this);
  prepare_lazy_objects(context_);
}

Vm::~Vm() {
  rejected_.clear();
  calls_.clear();
  timers_.clear();
  waiting_.clear();
  process_ = Js();
  meta_ = Js();
  api_ = Js();
  forget_lazy_objects(context_);
  JS_FreeContext(context_);
  JS_FreeRuntime(runtime_);
}

/// Whoever waits for it may come later in the same entry:
/// `Promise.allSettled([Promise.reject(1)])`.
void Vm::note_rejection(JSValue promise, JSValue reason, bool handled) {
  constexpr size_t kRejectedMax = 100;
  if (handled) {
    std::erase_if(rejected_, [&](const auto& one) {
      return JS_VALUE_GET_PTR(one.first.get()) == JS_VALUE_GET_PTR(promise);
    });
  } else if (rejected_.size() < kRejectedMax) {
    rejected_.emplace_back(Js(context_, JS_DupValue(context_, promise)),
                           Js(context_, JS_DupValue(context_, reason)));
  }
}

void Vm::tell_rejections() {
  for (auto& [promise, reason] : std::exchange(rejected_, {})) {
    if (!may_log()) return;
    const VmError error = describe(std::move(reason));
    host_.log(
        *this, LogEntry::Source::kPlugin, LogEntry::Level::kError,
        "a promise was rejected and nobody waits for it: " + error.name + ": " + error.message);
  }
}

bool Vm::has(std::string_view method) const {
  return std::ranges::find(methods_, method) != methods_.end();
}

/// Runs `work` as one entry into the script, then what it left to be done, and tells who waits.
template <class Work>
void Vm::inside(int64_t cpu_ms_max, Work work) {
  Ended ended;
  enter(cpu_ms_max);
  work(ended);
  leave(ended);
  tell(std::move(ended));
}

void Vm::enter(int64_t cpu_ms_max) {
  if (depth_++ > 0) return;
  stop_.store(false, std::memory_order_relaxed);
  JS_UpdateStackTop(runtime_);
  host_.enter(*this, cpu_ms_max * kNsPerMs);
}

void Vm::leave(Ended& ended) {
  if (JS_IsJobPending(runtime_) != 0) run_jobs();
  if (!calls_.empty()) collect(ended);
  if (depth_ == 1 && !rejected_.empty()) tell_rejections();
  if (--depth_ == 0) host_.leave(*this);
}

void Vm::tell(Ended ended) {
  for (auto& [call, answer] : ended) {
    VmDone done = std::move(call->done);
    call.reset();
    done(std::move(answer));
  }
}

void Vm::run_jobs() {
  for (JSContext* context = nullptr; !breached_;) {
    const int ran = JS_ExecutePendingJob(runtime_, &context);
    if (ran == 0) return;
    if (ran < 0) take_error();
  }
}

/// What was thrown last. Running out of time or memory makes this Vm useless.
VmError Vm::take_error() {
  const Js thrown(context_, JS_GetException(context_));
  if (stop_.load(std::memory_order_relaxed)) {
    breached_ = true;
    return timed_out("timed out after looping for " +
                     seconds(loaded_ ? limits_.cpu_ms : limits_.load_cpu_ms) + " seconds");
  }
  VmError error = describe(thrown);
  if (error.name == "InternalError" && error.message == "out of memory") breached_ = true;
  return error;
}

VmError Vm::describe(const Js& thrown) {
  VmError error;
  if (JS_IsObject(thrown.get())) {
    const auto text = [&](const char* name) {
      const Js value = thrown.property(name);
      if (value.is_exception()) {
        JS_FreeValue(context_, JS_GetException(context_));
        return std::string();
      }
      return value.is_undefined() ? std::string() : shortened(text_of(context_, value.get()));
    };
    error.name = text("name");
    error.message = text("message");
    error.stack = text("stack");
    error.retry = error.name == "RetryError";
  }
  if (error.name.empty()) error.name = "Error";
  if (error.message.empty() && !JS_IsNull(thrown.get())) {
    error.message = shortened(text_of(context_, thrown.get()));
  }
  return error;
}

bool Vm::boot(VmError& error) {
  const std::string code(assets::find_script("prelude.js"));
  PENSTOCK_ASSERT(!code.empty());
  const Js boot(context_, JS_Eval(context_, code.c_str(), code.size(), "<penstock>",
                                  JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_STRICT));
  const Js natives = make_natives(context_, *this);
  std::array<JSValue, 1> arguments{natives.get()};
  if (!boot.is_exception()) {
    api_ = Js(context_, JS_Call(context_, boot.get(), kUndefined, 1, arguments.data()));
  }
  if (!boot.is_exception() && !api_.is_exception()) return true;
  error = take_error();
  return false;
}

void Vm::load(VmDone done) {
  auto call = std::make_unique<Call>();
  call->kind = Call::Kind::kLoad;
  call->done = std::move(done);
  inside(limits_.load_cpu_ms, [&](Ended& ended) {
    VmError error;
    if (!boot(error)) {
      VmAnswer answer = threw(*call, std::move(error));
      ended.emplace_back(std::move(call), std::move(answer));
      return;
    }
    const Js function = api_.property("start");
    start(Js(context_, JS_Call(context_, function.get(), api_.get(), 0, nullptr)), std::move(call),
          ended);
  });
}

bool Vm::process_now(int64_t project, std::string_view event, VmAnswer& answer) {
  Call call;
  call.kind = Call::Kind::kEvent;
  call.project = project;
  bool there = true;
  const Call* kept = nullptr;
  Ended ended;
  enter(limits_.event_cpu_ms);
  if (text_bytes_ + event.size() > limits_.memory_bytes) {
    breached_ = true;  // it keeps events, and their texts
    answer = threw(call, {.name = "InternalError", .message = "out of memory"});
  } else {
    call.event = make_lazy(
        context_, std::make_shared<const LazyText>(event, text_bytes_, limits_.memory_bytes));
    Js result(context_, kException);
    if (!call.event.is_exception()) {
      std::array<JSValue, 2> arguments{call.event.get(), meta_.get()};
      result = Js(context_, JS_Call(context_, process_.get(), kUndefined, 2, arguments.data()));
    }
    there = start_now(result, call, answer);
    if (!there) {
      auto waits = std::make_unique<Call>(std::move(call));
      kept = waits.get();
      keep(std::move(result), std::move(waits));
    }
  }
  leave(ended);
  const auto own = std::ranges::find_if(ended, [&](auto& one) { return one.first.get() == kept; });
  if (own != ended.end()) {
    answer = std::move(own->second);
    there = true;
    ended.erase(own);
  }
  if (!ended.empty()) tell(std::move(ended));
  return there;
}

void Vm::hook(std::string_view name, std::string_view payload,
              const std::vector<std::string>& events, VmDone done) {
  auto call = std::make_unique<Call>();
  call->done = std::move(done);
  inside(limits_.cpu_ms, [&](Ended& ended) {
    const Js list(context_, JS_NewArray(context_));
    for (size_t i = 0; i < events.size(); i++) {
      Js event = make_lazy(
          context_, std::make_shared<const LazyText>(events[i], text_bytes_, limits_.memory_bytes));
      if (event.is_exception()) {
        JS_FreeValue(context_, JS_GetException(context_));
        continue;
      }
      JS_SetPropertyUint32(context_, list.get(), static_cast<uint32_t>(i), event.release());
    }
    const Js function = api_.property("hook");
    const Js text = new_text(context_, name);
    const Js data = new_text(context_, payload);
    std::array<JSValue, 3> arguments{text.get(), data.get(), list.get()};
    start(Js(context_, JS_Call(context_, function.get(), api_.get(), 3, arguments.data())),
          std::move(call), ended);
  });
}

/// Ends the call at once where its result is there, else keeps it until its promise settles.
void Vm::start(Js result, std::unique_ptr<Call> call, Ended& ended) {
  VmAnswer answer;
  if (start_now(result, *call, answer)) {
    ended.emplace_back(std::move(call), std::move(answer));
  } else {
    keep(std::move(result), std::move(call));
  }
}

/// False: `result` is a promise.
bool Vm::start_now(Js& result, Call& call, VmAnswer& answer) {
  if (result.is_exception()) {
    answer = threw(call, take_error());
    return true;
  }
  const bool same = JS_IsObject(result.get()) && JS_IsObject(call.event.get()) &&
                    JS_VALUE_GET_PTR(result.get()) == JS_VALUE_GET_PTR(call.event.get());
  if (!same && JS_IsObject(result.get())) {
    if (static_cast<int>(JS_PromiseState(context_, result.get())) < 0) {
      const Js then = result.property("then");
      if (JS_IsFunction(context_, then.get()) != 0) {
        const Js adopt = api_.property("adopt");
        std::array<JSValue, 1> arguments{result.get()};
        result = Js(context_, JS_Call(context_, adopt.get(), kUndefined, 1, arguments.data()));
      }
    }
    if (static_cast<int>(JS_PromiseState(context_, result.get())) >= 0) return false;
  }
  answer_of(call, result, answer);
  return true;
}

void Vm::keep(Js promise, std::unique_ptr<Call> call) {
  call->promise = std::move(promise);
  call->deadline_ns = host_.mono_ns() + limits_.task_ms * kNsPerMs;
  // Somebody waits for it from now on, so that its failure is no unhandled one.
  const Js watch = api_.property("watch");
  std::array<JSValue, 1> arguments{call->promise.get()};
  const Js watched(context_, JS_Call(context_, watch.get(), kUndefined, 1, arguments.data()));
  calls_.push_back(std::move(call));
}

void Vm::collect(Ended& ended) {
  const int64_t now = host_.mono_ns();
  for (auto at = calls_.begin(); at != calls_.end();) {
    Call& call = **at;
    const auto state = JS_PromiseState(context_, call.promise.get());
    VmAnswer answer;
    if (breached_) {
      answer = threw(call, timed_out("timed out: the app used up its time or memory"));
    } else if (state == JS_PROMISE_FULFILLED) {
      answer_of(call, Js(context_, JS_PromiseResult(context_, call.promise.get())), answer);
    } else if (state == JS_PROMISE_REJECTED) {
      answer = threw(call, describe(Js(context_, JS_PromiseResult(context_, call.promise.get()))));
    } else if (now >= call.deadline_ns) {
      answer = threw(call, waited("timed out after promise waited for " + seconds(limits_.task_ms) +
                                  " seconds"));
    } else {
      ++at;
      continue;
    }
    ended.emplace_back(std::move(*at), std::move(answer));
    at = calls_.erase(at);
  }
}

void Vm::give_up(const void* tag) {
  const auto at = std::ranges::find(calls_, tag, [](const auto& call) { return call->tag; });
  if (at == calls_.end()) return;
  const int64_t began_ns = (*at)->deadline_ns - limits_.task_ms * kNsPerMs;
  const int64_t ms = (host_.mono_ns() - began_ns) / kNsPerMs;
  inside(limits_.cpu_ms, [&](Ended& ended) {
    std::unique_ptr<Call> call = std::move(*at);
    calls_.erase(at);
    VmAnswer answer =
        threw(*call, waited("timed out after promise waited for " + seconds(ms) + " seconds"));
    ended.emplace_back(std::move(call), std::move(answer));
  });
}

VmAnswer Vm::threw(Call& call, VmError error) {
  VmAnswer answer;
  answer.kind = VmAnswer::Kind::kThrew;
  answer.error = std::move(error);
  // What it did to the event before it threw remains.
  if (call.kind == Call::Kind::kEvent && !breached_ && JS_IsObject(call.event.get()) &&
      !is_untouched(context_, call.event.get()) &&
      write_event(context_, call.event.get(), text_of_lazy(call.event.get()), answer.event) &&
      answer.event.size() <= limits_.event_bytes) {
    answer.changed = true;
  }
  return answer;
}

void Vm::answer_of(Call& call, const Js& value, VmAnswer& answer) {
  if (call.kind == Call::Kind::kEvent) return event_answer(call, value, answer);
  if (append_json(context_, value.get(), answer.json)) answer.kind = VmAnswer::Kind::kValue;
  if (call.kind != Call::Kind::kLoad) return;
  loaded_ = true;
  process_ = api_.property("processEvent");
  meta_ = api_.property("meta");
  if (const auto found = event::JsonFields::parse(answer.json)) {
    const auto list = event::split_array(found->find("methods").value_or("[]"));
    if (list) {
      for (const std::string_view name : *list) methods_.push_back(event::decode_string(name));
    }
  }
}

void Vm::settle(uint64_t id, bool ok, std::string_view json, std::string_view body) {
  const auto found = waiting_.find(id);
  if (found == waiting_.end()) return;
  const Waiting waiting = std::move(found->second);
  waiting_.erase(found);
  inside(limits_.cpu_ms, [&](Ended&) {
    Js value = ok ? parse_json(context_, json) : new_text(context_, json);
    if (value.is_exception()) value = Js(context_, JS_GetException(context_));
    const Js bytes(context_,
                   JS_NewArrayBufferCopy(context_, reinterpret_cast<const uint8_t*>(body.data()),
                                         body.size()));
    const Js function = api_.property("settled");
    const JSValue settle = ok ? waiting.resolve.get() : waiting.reject.get();
    std::array<JSValue, 4> arguments{settle, ok ? kTrue : kFalse, value.get(), bytes.get()};
    const Js called(context_, JS_Call(context_, function.get(), kUndefined, 4, arguments.data()));
    if (called.is_exception()) take_error();
  });
}

void Vm::run_due() {
  const int64_t now = host_.mono_ns();
  std::vector<Js> due;
  for (auto at = timers_.begin(); at != timers_.end();) {
    if (at->second.due_ns > now) {
      ++at;
      continue;
    }
    due.push_back(std::move(at->second.callback));
    at = timers_.erase(at);
  }
  if (due.empty() && calls_.empty()) return;
  inside(limits_.cpu_ms, [&](Ended&) {
    for (const Js& callback : due) {
      if (breached_) return;
      const Js called(context_, JS_Call(context_, callback.get(), kUndefined, 0, nullptr));
      if (!called.is_exception()) continue;
      const VmError error = take_error();
      if (may_log()) {
        host_.log(*this, LogEntry::Source::kPlugin, LogEntry::Level::kError,
                  "a timer's function threw: " + error.message);
      }
    }
  });
}

int64_t Vm::next_due() const {
  int64_t out = INT64_MAX;
  for (const auto& [id, timer] : timers_) out = std::min(out, timer.due_ns);
  for (const auto& call : calls_) out = std::min(out, call->deadline_ns);
  return out;
}

uint64_t Vm::add_timer(double ms, JSValue callback) {
  if (timers_.size() >= limits_.timers) return 0;
  constexpr double kLongestMs = 2147483647;
  const auto wait = static_cast<int64_t>(std::clamp(ms, 0.0, kLongestMs) * kNsPerMs);
  timers_.emplace(next_id_,
                  Timer{host_.mono_ns() + wait, Js(context_, JS_DupValue(context_, callback))});
  return next_id_++;
}

void Vm::cancel_timer(uint64_t id) { timers_.erase(id); }

JSValue Vm::call_host(std::string_view op, std::string arguments, std::string body) {
  if (waiting_.size() >= limits_.host_calls) {
    return JS_ThrowRangeError(context_, "more than %u calls are under way", limits_.host_calls);
  }
  std::array<JSValue, 2> resolvers{kUndefined, kUndefined};
  const JSValue promise = JS_NewPromiseCapability(context_, resolvers.data());
  if (JS_IsException(promise)) return promise;
  const uint64_t id = next_id_++;
  waiting_.emplace(id, Waiting{Js(context_, resolvers[0]), Js(context_, resolvers[1])});
  host_.host_call(*this, id, op, std::move(arguments), std::move(body));
  return promise;
}

bool Vm::may_log() {
  const int64_t second = host_.mono_ns() / (1000 * kNsPerMs);
  if (second != log_second_) {
    log_second_ = second;
    logs_ = 0;
  }
  const int limit = static_cast<int>(limits_.logs_per_second);
  if (++logs_ == limit) {
    host_.log(*this, LogEntry::Source::kSystem, LogEntry::Level::kWarn,
              "more log lines in this second than are kept; the rest of them is left out");
  }
  return logs_ < limit;
}

}  // namespace penstock::apps
