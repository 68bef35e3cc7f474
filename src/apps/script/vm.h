// Vm: one app configuration in a script runtime of its own: nothing it does reaches another one.
//
// `load` evaluates the app and awaits its setupPlugin; then events and hooks are passed in. Calls
// that await something go on while others run; each ends exactly once. What the app wants of the
// world goes to VmHost, whose answer comes back by `settle`. A call that takes more CPU time or
// memory than allowed makes the Vm `breached`: its owner throws it away and makes a new one.
// Thread: the worker's only one; a watchdog thread raises `stop_flag`.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/apps.h"
#include "apps/script/js.h"
#include "apps/script/lazy_object.h"
#include "apps/script/settings.h"
#include "base/result.h"

namespace penstock::apps {

class Vm;

/// What a Vm asks of its worker.
class VmHost {
 public:
  virtual ~VmHost() = default;
  /// Must answer by `vm.settle(id, …)` unless the Vm is gone by then.
  virtual void host_call(Vm& vm, uint64_t id, std::string_view op, std::string arguments,
                         std::string body) = 0;
  virtual void log(Vm& vm, LogEntry::Source source, LogEntry::Level level, std::string message) = 0;
  virtual void metric(Vm& vm, std::string_view name, std::string_view kind, double value) = 0;
  /// A place as JSON, or empty: unknown.
  virtual std::string locate(std::string_view ip) = 0;
  virtual int64_t mono_ns() const = 0;
  virtual int64_t wall_ms() const = 0;
  /// Around every entry into the script: what the watchdog and the parent look at.
  virtual void enter(Vm& vm, int64_t cpu_ns_max) = 0;
  virtual void leave(Vm& vm) = 0;
  virtual void fill_random(std::string& out) = 0;
};

struct VmError {
  std::string name{}, message{}, stack{};
  bool retry = false;      // a RetryError
  bool timed_out = false;  // by CPU time or by waiting
  bool waited = false;     // by waiting
};

struct VmAnswer {
  enum class Kind : uint8_t { kValue, kNothing, kThrew };
  Kind kind = Kind::kNothing;
  std::string json{};  // of a hook's kValue
  NewText event{};     // what an event became, before a throw too, if it is `changed`
  bool changed = false;
  VmError error{};
};
using VmDone = std::move_only_function<void(VmAnswer)>;

class Vm {
 public:
  Vm(VmHost& host, VmSpec spec, VmLimits limits);
  ~Vm();
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  const VmSpec& spec() const { return spec_; }
  bool loaded() const { return loaded_; }
  bool breached() const { return breached_; }
  bool has(std::string_view method) const;

  /// kValue: `json` says what the app has: {"methods":[…],"scheduled_tasks":[…],"jobs":[…],
  /// "metrics":{…},"settings":…}.
  void load(VmDone done);
  /// processEvent or processEventBatch. `event` is the JSON text. `done(VmAnswer)` is called before
  /// this returns, if the app waits for nothing; while it waits, `give_up` knows it by `tag`.
  template <class Done>
  void process(int64_t project, std::string_view event, Done done, const void* tag = nullptr) {
    VmAnswer answer;
    if (process_now(project, event, answer)) {
      done(std::move(answer));
    } else {
      await_newest(std::move(done), tag);
    }
  }
  /// The call that waits has failed: nobody waits for it any longer.
  void give_up(const void* tag);
  /// Any other hook; `events` JSON of each. kValue: its result as JSON, where it has one.
  void hook(std::string_view name, std::string_view payload, const std::vector<std::string>& events,
            VmDone done);
  /// The answer to a host call: JSON (or an error's text), and bytes where there are some.
  void settle(uint64_t id, bool ok, std::string_view json, std::string_view body);

  /// Timers and deadlines that are due.
  void run_due();
  /// When `run_due` has something to do, mono ns; INT64_MAX: never by itself.
  int64_t next_due() const;
  size_t calls_under_way() const { return calls_.size(); }
  size_t memory_bytes() const { return memory_.used + text_bytes_; }
  /// The watchdog's: raised, the running script ends at its next step.
  std::atomic<bool>& stop_flag() { return stop_; }

  // For the functions that scripts see (vm_functions.cc).
  VmHost& host() { return host_; }
  /// What its owner knows it by.
  void set_id(uint64_t id) { id_ = id; }
  uint64_t id() const { return id_; }
  uint64_t add_timer(double ms, JSValue callback);
  void cancel_timer(uint64_t id);
  /// A promise that `settle` resolves; an exception when too many are under way.
  JSValue call_host(std::string_view op, std::string arguments, std::string body);
  bool may_log();

 private:
  struct Call {
    enum class Kind : uint8_t { kLoad, kEvent, kHook };
    Kind kind = Kind::kHook;
    Js event{};    // of kEvent: what in-place changes are made to
    Js promise{};  // while it waits
    int64_t project = 0;
    int64_t deadline_ns = 0;
    const void* tag = nullptr;
    VmDone done{};
  };
  struct Timer {
    int64_t due_ns = 0;
    Js callback;
  };
  struct Waiting {
    Js resolve, reject;
  };

  using Ended = std::vector<std::pair<std::unique_ptr<Call>, VmAnswer>>;

  bool boot(VmError& error);
  /// False: the app waits, and the newest of `calls_` is its call.
  bool process_now(int64_t project, std::string_view event, VmAnswer& answer);
  void await_newest(VmDone done, const void* tag) {
    calls_.back()->done = std::move(done);
    calls_.back()->tag = tag;
  }
  void start(Js result, std::unique_ptr<Call> call, Ended& ended);
  bool start_now(Js& result, Call& call, VmAnswer& answer);
  void keep(Js promise, std::unique_ptr<Call> call);
  void collect(Ended& ended);
  static void tell(Ended ended);
  void run_jobs();
  void note_rejection(JSValue promise, JSValue reason, bool handled);
  void tell_rejections();
  VmError take_error();
  VmError describe(const Js& thrown);
  void answer_of(Call& call, const Js& value, VmAnswer& answer);
  VmAnswer threw(Call& call, VmError error);
  void event_answer(Call& call, const Js& value, VmAnswer& answer);
  bool restore_project(const Call& call, const Js& value, bool& restored);
  void enter(int64_t cpu_ms_max);
  void leave(Ended& ended);
  template <class Work>
  void inside(int64_t cpu_ms_max, Work work);

  friend struct VmFunctions;

  /// What the engine's allocator counts.
  struct Memory {
    size_t used = 0, max = 0;
  };
  static const JSMallocFunctions* allocator();

  VmHost& host_;
  VmSpec spec_;
  VmLimits limits_;
  JSRuntime* runtime_ = nullptr;
  JSContext* context_ = nullptr;
  Memory memory_;
  size_t text_bytes_ = 0;
  std::atomic<bool> stop_{false};
  bool loaded_ = false, breached_ = false;
  int depth_ = 0;  // of entries into the script
  Js api_;         // what boot answered
  Js process_, meta_;
  std::vector<std::string> methods_;
  std::list<std::unique_ptr<Call>> calls_;
  std::map<uint64_t, Timer> timers_;
  std::unordered_map<uint64_t, Waiting> waiting_;
  std::vector<std::pair<Js, Js>> rejected_;  // promise and reason: nobody waits, so far
  uint64_t id_ = 0, next_id_ = 1;
  int64_t log_second_ = 0;
  int logs_ = 0;
};

}  // namespace penstock::apps
