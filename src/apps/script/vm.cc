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

std::string seconds(int64_t ms) {
  std::string text = std::to_string(ms / 1000);
  if (ms % 1000 != 0) text += "." + std::to_string(ms % 1000 / 100);
  return text;
}

}  // namespace

struct Vm::Call {
  enum class Kind : uint8_t { kLoad, kEvent, kHook };
  Kind kind = Kind::kHook;
  Js event;    // of kEvent: what in-place changes are made to
  Js promise;  // while it waits
  int64_t project = 0;
  int64_t deadline_ns = 0;
  VmDone done;
};

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
      [](JSContext*, JSValueConst, JSValueConst reason, JS_BOOL handled, void* opaque) {
        auto* vm = static_cast<Vm*>(opaque);
        if (handled != 0 || !vm->may_log()) return;
        const VmError error = vm->describe(Js(vm->context_, JS_DupValue(vm->context_, reason)));
        vm->host_.log(
            *vm, LogEntry::Source::kPlugin, LogEntry::Level::kError,
            "a promise was rejected and nobody waits for it: " + error.name + ": " + error.message);
      },
      this);
  register_lazy_objects(runtime_);
  context_ = JS_NewContext(runtime_);
  PENSTOCK_ASSERT(context_ != nullptr);
  JS_SetContextOpaque(context_, this);
  prepare_lazy_objects(context_);
}

Vm::~Vm() {
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

bool Vm::has(std::string_view method) const {
  return std::ranges::find(methods_, method) != methods_.end();
}

/// Runs `work` as one entry into the script, then what it left to be done, and tells who waits.
template <class Work>
void Vm::inside(int64_t cpu_ms_max, Work work) {
  Ended ended;
  if (depth_++ == 0) {
    stop_.store(false, std::memory_order_relaxed);
    JS_UpdateStackTop(runtime_);
    host_.enter(*this, cpu_ms_max * kNsPerMs);
  }
  work(ended);
  if (JS_IsJobPending(runtime_) != 0) run_jobs();
  if (!calls_.empty()) collect(ended);
  if (--depth_ == 0) host_.leave(*this);
  tell(std::move(ended));
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

void Vm::process(int64_t project, std::string event, VmDone done) {
  auto call = std::make_unique<Call>();
  call->kind = Call::Kind::kEvent;
  call->project = project;
  call->done = std::move(done);
  inside(limits_.cpu_ms, [&](Ended& ended) {
    if (text_bytes_ + event.size() > limits_.memory_bytes) {
      breached_ = true;  // it keeps events, and their texts
      VmAnswer answer = threw(*call, {.name = "InternalError", .message = "out of memory"});
      ended.emplace_back(std::move(call), std::move(answer));
      return;
    }
    call->event = make_lazy(context_, std::make_shared<const LazyText>(
                                          std::move(event), text_bytes_, limits_.memory_bytes));
    Js result(context_, kException);
    if (!call->event.is_exception()) {
      std::array<JSValue, 2> arguments{call->event.get(), meta_.get()};
      result = Js(context_, JS_Call(context_, process_.get(), kUndefined, 2, arguments.data()));
    }
    start(std::move(result), std::move(call), ended);
  });
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
  if (result.is_exception()) {
    VmAnswer answer = threw(*call, take_error());
    ended.emplace_back(std::move(call), std::move(answer));
    return;
  }
  const bool same = JS_IsObject(result.get()) && JS_IsObject(call->event.get()) &&
                    JS_VALUE_GET_PTR(result.get()) == JS_VALUE_GET_PTR(call->event.get());
  if (!same && JS_IsObject(result.get())) {
    if (static_cast<int>(JS_PromiseState(context_, result.get())) < 0) {
      const Js then = result.property("then");
      if (JS_IsFunction(context_, then.get()) != 0) {
        const Js adopt = api_.property("adopt");
        std::array<JSValue, 1> arguments{result.get()};
        result = Js(context_, JS_Call(context_, adopt.get(), kUndefined, 1, arguments.data()));
      }
    }
    if (static_cast<int>(JS_PromiseState(context_, result.get())) >= 0) {
      call->promise = std::move(result);
      call->deadline_ns = host_.mono_ns() + limits_.task_ms * kNsPerMs;
      // Somebody waits for it from now on, so that its failure is no unhandled one.
      const Js watch = api_.property("watch");
      std::array<JSValue, 1> arguments{call->promise.get()};
      const Js watched(context_, JS_Call(context_, watch.get(), kUndefined, 1, arguments.data()));
      calls_.push_back(std::move(call));
      return;
    }
  }
  VmAnswer answer = answer_of(*call, result);
  ended.emplace_back(std::move(call), std::move(answer));
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
      answer = answer_of(call, Js(context_, JS_PromiseResult(context_, call.promise.get())));
    } else if (state == JS_PROMISE_REJECTED) {
      answer = threw(call, describe(Js(context_, JS_PromiseResult(context_, call.promise.get()))));
    } else if (now >= call.deadline_ns) {
      answer = threw(call, timed_out("timed out after promise waited for " +
                                     seconds(limits_.task_ms) + " seconds"));
    } else {
      ++at;
      continue;
    }
    ended.emplace_back(std::move(*at), std::move(answer));
    at = calls_.erase(at);
  }
}

VmAnswer Vm::threw(Call& call, VmError error) {
  VmAnswer answer;
  answer.kind = VmAnswer::Kind::kThrew;
  answer.error = std::move(error);
  // What it did to the event before it threw remains.
  if (call.kind == Call::Kind::kEvent && !breached_ && JS_IsObject(call.event.get()) &&
      !is_untouched(context_, call.event.get()) &&
      append_json(context_, call.event.get(), answer.json) &&
      answer.json.size() <= limits_.event_bytes) {
    answer.changed = true;
  }
  return answer;
}

VmAnswer Vm::answer_of(Call& call, const Js& value) {
  VmAnswer answer;
  if (call.kind == Call::Kind::kEvent) {
    event_answer(call, value, answer);
    return answer;
  }
  if (append_json(context_, value.get(), answer.json)) answer.kind = VmAnswer::Kind::kValue;
  if (call.kind != Call::Kind::kLoad) return answer;
  loaded_ = true;
  process_ = api_.property("processEvent");
  meta_ = api_.property("meta");
  if (const auto found = event::JsonFields::parse(answer.json)) {
    const auto list = event::split_array(found->find("methods").value_or("[]"));
    if (list) {
      for (const std::string_view name : *list) methods_.push_back(event::decode_string(name));
    }
  }
  return answer;
}

void Vm::event_answer(Call& call, const Js& value, VmAnswer& answer) {
  const int truthy = JS_ToBool(context_, value.get());
  if (truthy == 0) return;
  const auto refuse = [&](const std::string& message) {
    answer = threw(call, {.name = "Error", .message = message});
  };
  if (!JS_IsObject(value.get()) || JS_IsArray(context_, value.get()) == 1 ||
      JS_IsFunction(context_, value.get()) != 0) {
    return refuse("processEvent answered something that is not an event");
  }
  bool restored = false;
  if (!restore_project(call, value, restored)) {
    JS_FreeValue(context_, JS_GetException(context_));
    return refuse("what processEvent answered cannot be read");
  }
  if (!restored && is_untouched(context_, value.get()) &&
      JS_VALUE_GET_PTR(value.get()) == JS_VALUE_GET_PTR(call.event.get())) {
    answer.kind = VmAnswer::Kind::kValue;
    answer.properties_end = end_of_properties(value.get());
    return;
  }
  if (!append_event(context_, value.get(), answer.json, answer.properties_end)) {
    return refuse("what processEvent answered cannot be written as JSON");
  }
  if (answer.json.size() > limits_.event_bytes) {
    return refuse("the event became larger than " + std::to_string(limits_.event_bytes) + " bytes");
  }
  answer.changed = true;
  answer.kind = VmAnswer::Kind::kValue;
  if (!restored) return;
  answer.kind = VmAnswer::Kind::kThrew;
  answer.error = {.name = "IllegalOperationError", .message = "the app changed team_id"};
}

/// An app has no say in whose event it is. False: it threw.
bool Vm::restore_project(const Call& call, const Js& value, bool& restored) {
  const Js team = value.property("team_id");
  if (team.is_exception()) return false;
  double id = 0;
  if (JS_IsNumber(team.get()) && JS_ToFloat64(context_, &id, team.get()) == 0 &&
      id == static_cast<double>(call.project)) {
    return true;
  }
  const bool absent = team.is_undefined() && call.event.property("team_id").is_undefined();
  if (absent) return true;
  restored = true;
  return JS_SetPropertyStr(context_, value.get(), "team_id", JS_NewInt64(context_, call.project)) >=
         0;
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
