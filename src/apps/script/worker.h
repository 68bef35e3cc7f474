// Worker: everything a worker process does: Vms, batches of events through them, frames.
//
// One thread. `run` answers when the parent closed its end. A Vm that used up its limits is thrown
// away and made anew from what it was loaded from; after kBreachesMax of that within a minute it
// stays away, and the parent decides. Events of a batch wait for their apps independently.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/places.h"
#include "apps/script/frames.h"
#include "apps/script/page.h"
#include "apps/script/vm.h"

namespace penstock::apps {

struct EventRun;

/// What tells the time that a script may take, by CPU time (stop_timer.cc).
class StopTimer {
 public:
  static void install();
  static void begin(std::atomic<bool>& flag, int64_t cpu_ns_max);
  static void end();
};

class Worker : public VmHost {
 public:
  Worker(int fd, Page page, std::unique_ptr<Places> places);
  ~Worker() override;

  void run();

  void host_call(Vm& vm, uint64_t id, std::string_view op, std::string arguments,
                 std::string body) override;
  void log(Vm& vm, LogEntry::Source source, LogEntry::Level level, std::string message) override;
  void metric(Vm& vm, std::string_view name, std::string_view kind, double value) override;
  std::string locate(std::string_view ip) override;
  int64_t mono_ns() const override;
  int64_t wall_ms() const override;
  void enter(Vm& vm, int64_t cpu_ns_max) override;
  void leave(Vm& vm) override;
  void fill_random(std::string& out) override;

 private:
  struct Instance {
    uint64_t id = 0;
    VmSpec spec;
    VmLimits limits;
    std::unique_ptr<Vm> vm;
    bool ready = false, was_ready = false, unloading = false;
    int breaches = 0;
    int64_t first_breach_ns = 0;
    std::vector<EventRun*> waiting;  // until it is ready again
  };
  struct Batch;

  bool read_frames();
  bool take(std::string_view body);
  void take_load(std::string_view operands);
  void take_unload(uint64_t id);
  void take_batch(std::string_view operands);
  void take_hook(std::string_view operands);
  void take_reply(std::string_view operands);
  void begin_events();
  void pump();
  void step(EventRun& run);
  void event_done(EventRun& run);
  void answered(EventRun& run, Instance& instance, int64_t began_ns, VmAnswer answer);
  void load(Instance& instance);
  void look_after_breaches();
  void send(std::string frame);
  bool flush();
  int wait_ms() const;
  Instance* find(uint64_t id);
  static uint64_t id_of(const Vm& vm);

  int fd_;
  Page page_;
  std::unique_ptr<Places> places_;
  std::string in_, out_;
  bool alive_ = true;
  std::unordered_map<uint64_t, std::unique_ptr<Instance>> instances_;
  std::unordered_map<const Vm*, uint64_t> ids_;
  std::unordered_map<uint64_t, std::unique_ptr<Batch>> batches_;
  std::deque<EventRun*> queued_, ready_;
  std::vector<uint64_t> breached_;
  size_t waiting_events_ = 0;
  EventRun* current_ = nullptr;
};

}  // namespace penstock::apps
