#include "runtime/real/epoll_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "runtime/real_runtime.h"

namespace penstock::runtime {
namespace {

constexpr size_t kEventsPerTurn = 512;
constexpr size_t kTimersMax = 1U << 20;
constexpr int64_t kSleepNsMax = 1'000'000'000;
constexpr uint64_t kWakeTag = ~uint64_t{0};
constexpr int kAhead = 2;

int64_t mono_now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

uint32_t interest(bool read, bool write) {
  return (read ? uint32_t{EPOLLIN} | uint32_t{EPOLLRDHUP} : 0U) | (write ? uint32_t{EPOLLOUT} : 0U);
}

}  // namespace

EpollLoop::EpollLoop()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  PENSTOCK_ASSERT(epoll_ >= 0 && wake_ >= 0);
  epoll_event event{};
  // Edge-triggered, so that nobody has to read it: its counter lasts longer than the machine.
  event.events = uint32_t{EPOLLIN} | uint32_t{EPOLLET};
  event.data.u64 = kWakeTag;
  PENSTOCK_ASSERT(epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0);
}

EpollLoop::~EpollLoop() {
  ::close(epoll_);
  ::close(wake_);
}

bool EpollLoop::on_this_thread() const { return thread_.load() == std::this_thread::get_id(); }

void EpollLoop::post(Task task) {
  if (on_this_thread()) {
    local_.push_back(std::move(task));
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  // The loop sets `asleep_` before it looks at `posted_` for the last time, so one of the two sees
  // the other.
  if (asleep_.exchange(false)) {
    const uint64_t one = 1;
    const ssize_t n = ::write(wake_, &one, sizeof one);
    (void)n;  // a full counter wakes the loop just as well
  }
}

TimerId EpollLoop::after(Duration delay, Task task) {
  PENSTOCK_ASSERT(timers_.size() < kTimersMax);  // connections and requests are bounded far below
  const TimerId id = next_timer_++;
  const int64_t due = mono_now_ns() + std::max<int64_t>(0, delay.count()) * 1000;
  timers_.emplace(std::pair{due, id}, std::move(task));
  due_.emplace(id, due);
  return id;
}

void EpollLoop::cancel(TimerId id) {
  const auto it = due_.find(id);
  if (it == due_.end()) return;
  timers_.erase({it->second, id});
  due_.erase(it);
}

void EpollLoop::at_turn_end(Task task) { turn_end_.push_back(std::move(task)); }

Status EpollLoop::watch(const Socket& socket, SocketHandler& handler, bool read, bool write) {
  const uint32_t generation = next_generation_++;
  epoll_event event{};
  event.events = interest(read, write);
  event.data.u64 = (uint64_t{generation} << 32) | static_cast<uint32_t>(socket.fd());
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.fd(), &event) != 0) {
    return fail(Code::kUnavailable, std::string("watch a socket: ") + std::strerror(errno));
  }
  const auto fd = static_cast<size_t>(socket.fd());
  if (fd >= watches_.size()) watches_.resize(fd + 1);
  watches_[fd] = {&handler, generation};
  return {};
}

void EpollLoop::change(const Socket& socket, SocketHandler& handler, bool read, bool write) {
  const auto fd = static_cast<size_t>(socket.fd());
  PENSTOCK_ASSERT(fd < watches_.size() && watches_[fd].handler != nullptr);
  watches_[fd].handler = &handler;
  epoll_event event{};
  event.events = interest(read, write);
  event.data.u64 = (uint64_t{watches_[fd].generation} << 32) | static_cast<uint32_t>(socket.fd());
  PENSTOCK_ASSERT(epoll_ctl(epoll_, EPOLL_CTL_MOD, socket.fd(), &event) == 0);
}

void EpollLoop::unwatch(const Socket& socket) {
  const auto fd = static_cast<size_t>(socket.fd());
  if (fd >= watches_.size() || watches_[fd].handler == nullptr) return;
  watches_[fd].handler = nullptr;
  epoll_ctl(epoll_, EPOLL_CTL_DEL, socket.fd(), nullptr);
}

int64_t EpollLoop::wait_ns() const {
  if (!local_.empty() || !turn_end_.empty() || stopping_.load()) return 0;
  if (timers_.empty()) return kSleepNsMax;
  return std::clamp<int64_t>(timers_.begin()->first.first - mono_now_ns(), 0, kSleepNsMax);
}

int EpollLoop::wait_for_events(std::span<epoll_event> events, int64_t ns) const {
  const timespec timeout{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  const auto max = static_cast<int>(events.size());
  const int n = epoll_pwait2(epoll_, events.data(), max, &timeout, nullptr);
  if (n >= 0 || errno != ENOSYS) return n;
  // Kernels before 5.11 know milliseconds only.
  return epoll_wait(epoll_, events.data(), max, static_cast<int>((ns + 999'999) / 1'000'000));
}

/// Handlers of many sockets do not stay in the processor's caches: the next is fetched meanwhile.
void EpollLoop::foresee(size_t fd) const {
  constexpr size_t kLine = 64, kLines = 3;
  if (fd >= watches_.size() || watches_[fd].handler == nullptr) return;
  const auto* handler = reinterpret_cast<const char*>(watches_[fd].handler);
  for (size_t i = 0; i < kLines; i++) __builtin_prefetch(handler + i * kLine, 1);
}

void EpollLoop::run_posted() {
  running_.clear();
  {
    const std::lock_guard lock(mutex_);
    running_.swap(posted_);
  }
  for (Task& t : running_) t();
  running_.clear();
  running_.swap(local_);
  for (Task& t : running_) t();
  running_.clear();
}

void EpollLoop::run_timers() {
  if (timers_.empty()) return;
  const int64_t now = mono_now_ns();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    auto node = timers_.extract(timers_.begin());
    due_.erase(node.key().second);
    node.mapped()();
  }
}

void EpollLoop::run_turn_end() {
  // What a turn-end task asks for again belongs to the next turn.
  running_.clear();
  running_.swap(turn_end_);
  for (Task& t : running_) t();
  running_.clear();
}

void EpollLoop::turn() {
  int64_t timeout = wait_ns();
  if (timeout > 0) {
    asleep_.store(true);
    const std::lock_guard lock(mutex_);
    if (!posted_.empty()) {
      asleep_.store(false);
      timeout = 0;
    }
  }
  std::array<epoll_event, kEventsPerTurn> events;
  const int n = wait_for_events(events, timeout);
  asleep_.store(false);
  for (int i = 0; i < n; i++) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    if (i + kAhead < n)
      foresee(static_cast<uint32_t>(events[static_cast<size_t>(i + kAhead)].data.u64));
    if (event.data.u64 == kWakeTag) continue;
    const size_t fd = static_cast<uint32_t>(event.data.u64);
    const Watch watch = fd < watches_.size() ? watches_[fd] : Watch{};
    // A descriptor closed and reused within this turn carries another generation.
    if (watch.handler == nullptr || watch.generation != event.data.u64 >> 32) continue;
    const bool failed = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
    watch.handler->on_ready(failed || (event.events & (EPOLLIN | EPOLLRDHUP)) != 0,
                            failed || (event.events & EPOLLOUT) != 0);
  }
  run_posted();
  run_timers();
  run_turn_end();
}

void EpollLoop::run() {
  thread_.store(std::this_thread::get_id());
  while (!stopping_.load()) turn();
  thread_.store(std::thread::id());
}

void EpollLoop::stop() {
  post([this] { stopping_.store(true); });
}

// ---------------------------------------------------------------------------------------------

struct LoopThread::State {
  explicit State(std::string n) : name(std::move(n)) {}
  std::string name;
  EpollLoop loop;
  std::thread thread;
};

LoopThread::LoopThread(std::string name) : state_(std::make_unique<State>(std::move(name))) {}

LoopThread::~LoopThread() {
  stop();
  join();
}

Loop& LoopThread::loop() { return state_->loop; }
Poller& LoopThread::poller() { return state_->loop; }

void LoopThread::start() {
  state_->thread = std::thread([this] {
    pthread_setname_np(pthread_self(), state_->name.substr(0, 15).c_str());
    state_->loop.run();
  });
}

void LoopThread::run() { state_->loop.run(); }
void LoopThread::stop() { state_->loop.stop(); }
void LoopThread::join() {
  if (state_->thread.joinable()) state_->thread.join();
}

}  // namespace penstock::runtime
