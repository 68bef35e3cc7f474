#include "runtime/real_runtime.h"

#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/assert.h"
#include "runtime/real/posix_files.h"
#include "runtime/signals.h"

namespace penstock::runtime {
namespace {

class RealClock : public Clock {
 public:
  int64_t wall_us() const override { return read(CLOCK_REALTIME) / 1000; }
  int64_t mono_ns() const override { return read(CLOCK_MONOTONIC); }

 private:
  static int64_t read(clockid_t id) {
    timespec t{};
    clock_gettime(id, &t);
    return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }
};

/// getrandom in blocks per thread: a system call per uuid would be the dearest part of it.
class RealRandom : public Random {
 public:
  void fill(std::span<uint8_t> out) override {
    thread_local std::array<uint8_t, 1024> block;
    thread_local size_t left = 0;
    for (uint8_t& byte : out) {
      if (left == 0) {
        PENSTOCK_ASSERT(getrandom(block.data(), block.size(), 0) ==
                        static_cast<ssize_t>(block.size()));
        left = block.size();
      }
      byte = block[--left];
      block[left] = 0;  // a used byte is never seen again
    }
  }
};

class ThreadPool : public BlockingPool {
 public:
  explicit ThreadPool(RealOptions options) : options_(options) {
    for (size_t i = 0; i < options.pool_threads; i++) threads_.emplace_back([this] { work(); });
  }
  ~ThreadPool() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    ready_.notify_all();
    for (std::thread& t : threads_) t.join();
  }

  Status submit(Task job, Loop& home, Task done) override {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || jobs_.size() >= options_.pool_queue_max) {
        return fail(Code::kBusy, "too much blocking work is waiting");
      }
      jobs_.push_back({std::move(job), &home, std::move(done)});
    }
    ready_.notify_one();
    return {};
  }

 private:
  struct Job {
    Task job;
    Loop* home;
    Task done;
  };

  void work() {
    pthread_setname_np(pthread_self(), "penstock-pool");
    for (;;) {
      Job next;
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        next = std::move(jobs_.front());
        jobs_.pop_front();
      }
      next.job();
      next.home->post(std::move(next.done));
    }
  }

  RealOptions options_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

class RealRuntime : public Runtime {
 public:
  explicit RealRuntime(RealOptions options) : pool_(options) {}
  Clock& clock() override { return clock_; }
  Random& random() override { return random_; }
  FileSystem& files() override { return files_; }
  BlockingPool& pool() override { return pool_; }

 private:
  RealClock clock_;
  RealRandom random_;
  PosixFileSystem files_;
  ThreadPool pool_;
};

/// As many descriptors as this process may have: what they are used for is bounded elsewhere.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

std::unique_ptr<Runtime> make_real_runtime(RealOptions options) {
  ignore_broken_pipes();
  raise_descriptor_limit();
  return std::make_unique<RealRuntime>(options);
}

}  // namespace penstock::runtime
