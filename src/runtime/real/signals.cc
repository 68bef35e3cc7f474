#include "runtime/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace penstock::runtime {
namespace {

constexpr std::array kWatched = {SIGINT, SIGTERM};

std::atomic<int> pipe_end{-1};  // where the handler writes

// Only what is allowed inside a signal handler: one write, errno kept.
void on_signal(int signal) {
  const int saved = errno;
  const auto byte = static_cast<char>(signal);
  const ssize_t n = ::write(pipe_end.load(), &byte, 1);
  (void)n;  // a full pipe has told the loop already
  errno = saved;
}

void set_handlers(void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kWatched) {
    sigaddset(&set, signal);
    ::sigaction(signal, &action, nullptr);
  }
  if (handler != SIG_DFL) pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

class SignalWatch::Reader : public SocketHandler {
 public:
  Reader(Poller& poller, int read_end, int write_end, std::function<void(int)> handler)
      : poller_(poller), in_(read_end), out_(write_end), handler_(std::move(handler)) {}
  ~Reader() override {
    set_handlers(SIG_DFL);
    pipe_end.store(-1);
    poller_.unwatch(in_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  const Socket& in() const { return in_; }

  void on_ready(bool, bool) override {
    std::array<char, 16> signals;
    const ssize_t n = ::read(in_.fd(), signals.data(), signals.size());
    const std::function<void(int)> handler = handler_;  // it may destroy this
    for (ssize_t i = 0; i < n; i++) handler(signals[static_cast<size_t>(i)]);
  }

 private:
  Poller& poller_;
  Socket in_, out_;
  std::function<void(int)> handler_;
};

SignalWatch::SignalWatch(std::unique_ptr<Reader> reader) : reader_(std::move(reader)) {}
SignalWatch::~SignalWatch() = default;

Result<std::unique_ptr<SignalWatch>> SignalWatch::install(Poller& poller,
                                                          std::function<void(int)> handler) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) {
    return fail(Code::kUnavailable, std::string("pipe for signals: ") + std::strerror(errno));
  }
  int none = -1;
  if (!pipe_end.compare_exchange_strong(none, ends[1])) {
    ::close(ends[0]);
    ::close(ends[1]);
    return fail(Code::kConflict, "signals are watched already");
  }
  auto reader = std::make_unique<Reader>(poller, ends[0], ends[1], std::move(handler));
  PENSTOCK_CHECK(poller.watch(reader->in(), *reader, true, false));
  set_handlers(on_signal);
  return std::unique_ptr<SignalWatch>(new SignalWatch(std::move(reader)));
}

void ignore_broken_pipes() { ::signal(SIGPIPE, SIG_IGN); }

}  // namespace penstock::runtime
