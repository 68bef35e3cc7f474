// Worker: everything a worker process does: Vms, batches of events through them, frames.
//
// One thread. `run` answers when the parent closed its end. A Vm that used up its limits is thrown
// away and made anew from what it was loaded from; after kBreachesMax of that within a minute it
// stays away, and the parent decides. Events of a batch wait for their apps independently.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "apps/places.h"
#include "apps/script/frames.h"
#include "apps/script/page.h"
#include "apps/script/room.h"
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
  Worker(int fd, Page page, Room room, std::unique_ptr<Places> places);
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
    std::shared_ptr<const std::string> name;  // outlives it in events that it saw
    VmLimits limits;
    std::unique_ptr<Vm> vm;
    bool ready = false, was_ready = false, unloading = false;
    bool moved = false;  // took too long here: what is asked of it is asked again elsewhere
    int breaches = 0;
    int64_t first_breach_ns = 0;
    std::vector<EventRun*> waiting;  // until it is ready again
  };
  friend struct EventRun;
  /// Projects take turns, so that one's many or slow events are not in front of the others'.
  struct ProjectQueue {
    std::deque<EventRun*> runs;
    size_t waiting = 0;  // begun and not done
    bool may_begin() const { return !runs.empty() && waiting < kEventsWaitingMax; }
  };
  struct Batch;

  bool read_frames();
  bool take(std::string_view body);
  void take_load(std::string_view operands);
  void take_unload(uint64_t id);
  /// `operands` live until the batch is done.
  bool take_batch(std::unique_ptr<Batch> batch, std::string_view operands);
  bool take_batch_in(std::string_view operands);
  void take_hook(std::string_view operands);
  void take_reply(std::string_view operands);
  void take_cancel(uint64_t batch);
  void begin_events();
  void pump();
  void step(EventRun& run);
  std::unique_ptr<EventRun> new_run();
  const std::string& lists_of(const EventRun& run);
  void put_lists(EventRun& run, std::string_view lists);
  void event_done(EventRun& run);
  void batch_done(Batch& batch);
  void answered(EventRun& run, Instance& instance, int64_t began_ns, VmAnswer&& answer);
  void load(Instance& instance);
  void look_after_breaches();
  void send(std::string frame);
  bool flush();
  int wait_ms() const;
  Instance* find(uint64_t id);

  int fd_;
  Page page_;
  Room room_;
  std::unique_ptr<Places> places_;
  std::string in_, out_;
  bool alive_ = true;
  std::unordered_map<uint64_t, std::unique_ptr<Instance>> instances_;
  std::unordered_map<uint64_t, std::unique_ptr<Batch>> batches_;
  std::map<int64_t, ProjectQueue> queued_;
  std::deque<EventRun*> ready_;
  std::vector<uint64_t> breached_;
  EventRun* current_ = nullptr;
  std::vector<std::unique_ptr<EventRun>> spare_;
  int64_t now_ns_ = 0;             // while events run: when the last of them answered
  int64_t entered_ns_ = 0;         // the script, or when it answered since for an event
  std::string lists_key_, lists_;  // what lists_of made last
  std::string lists_sought_;
};

}  // namespace penstock::apps
