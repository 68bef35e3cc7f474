// EpollLoop: Loop and Poller over one epoll instance. See runtime.h and net.h for the promises.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <thread>
#include <unordered_map>
#include <vector>

#include "runtime/net.h"
#include "runtime/runtime.h"

namespace penstock::runtime {

class EpollLoop : public Loop, public Poller {
 public:
  EpollLoop();
  ~EpollLoop() override;

  void post(Task task) override;
  TimerId after(Duration delay, Task task) override;
  void cancel(TimerId id) override;
  void at_turn_end(Task task) override;
  bool on_this_thread() const override;

  Status watch(const Socket& socket, SocketHandler& handler, bool read, bool write) override;
  void change(const Socket& socket, SocketHandler& handler, bool read, bool write) override;
  void unwatch(const Socket& socket) override;

  void run();
  void stop();

 private:
  struct Watch {
    SocketHandler* handler = nullptr;
    uint32_t generation = 0;
  };
  void turn();
  int64_t wait_ns() const;
  int wait_for_events(std::span<epoll_event> events, int64_t ns) const;
  void foresee(size_t fd) const;
  void run_timers();
  void run_posted();
  void run_turn_end();

  int epoll_ = -1, wake_ = -1;
  std::atomic<std::thread::id> thread_{};
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;  // guards what other threads touch
  std::vector<Task> posted_;
  std::atomic<bool> asleep_{false};

  std::vector<Task> running_, local_;
  std::vector<Task> turn_end_;
  std::map<std::pair<int64_t, TimerId>, Task> timers_;  // by due time (mono ns)
  std::unordered_map<TimerId, int64_t> due_;
  TimerId next_timer_ = 1;
  std::vector<Watch> watches_;  // by descriptor; without a handler: not watched
  uint32_t next_generation_ = 1;
};

}  // namespace penstock::runtime
