#include "runtime/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/assert.h"

namespace penstock::runtime {
namespace {

constexpr int kFirstFd = 3;

std::unexpected<Error> spawn_fail(const std::string& what, int error) {
  Code code = Code::kUnavailable;
  if (error == ENOENT || error == ENOTDIR) code = Code::kNotFound;
  if (error == EACCES || error == EPERM || error == ENOEXEC) code = Code::kDenied;
  if (error == EAGAIN || error == ENOMEM || error == EMFILE) code = Code::kExhausted;
  return fail(code, "start " + what + ": " + std::strerror(error));
}

/// What the child runs until it is the program. It has this process's memory, which stands still on
/// this thread meanwhile: system calls only, no memory is allocated.
class ChildSide {
 public:
  /// `output`: what standard output and error become; negative: they are inherited.
  ChildSide(const std::vector<int>& fds, char* const* argv, int report, int output)
      : count_(static_cast<int>(fds.size())),
        argv_(argv),
        report_(report),
        output_(output),
        parent_(::getpid()) {
    std::copy(fds.begin(), fds.end(), fds_.begin());
  }

  [[noreturn]] void become() {
    if (!arrange_descriptors() || !arrange_signals()) give_up();
    ::execv(argv_[0], argv_);
    give_up();
  }

 private:
  /// Copies everything out of the way first, so that no target overwrites a source.
  bool arrange_descriptors() {
    if (output_ >= 0 && (::dup2(output_, 1) < 0 || ::dup2(output_, 2) < 0)) return false;
    const int above = kFirstFd + count_;
    const int report = ::fcntl(report_, F_DUPFD_CLOEXEC, above);
    if (report < 0) return false;
    report_ = report;
    for (int i = 0; i < count_; i++) {
      int& fd = fds_[static_cast<size_t>(i)];
      fd = ::fcntl(fd, F_DUPFD_CLOEXEC, above);
      if (fd < 0) return false;
    }
    for (int i = 0; i < count_; i++) {
      if (::dup2(fds_[static_cast<size_t>(i)], kFirstFd + i) < 0) return false;
    }
    const auto kept = static_cast<unsigned>(report_);
    const auto first = static_cast<unsigned>(above);
    const bool low = kept == first || ::syscall(SYS_close_range, first, kept - 1, 0) == 0;
    return low && ::syscall(SYS_close_range, kept + 1, ~0U, 0) == 0;
  }

  bool arrange_signals() const {
    // A handler of ours would run in memory that is the parent's.
    for (int number = 1; number < NSIG; number++) {
      struct sigaction action{};
      const bool known = ::sigaction(number, nullptr, &action) == 0;
      const bool ours = known && action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
      if (ours) ::signal(number, SIG_DFL);
    }
    ::signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    if (::sigprocmask(SIG_SETMASK, &none, nullptr) != 0) return false;
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
    // The parent may have died before the line above.
    if (::getppid() != parent_) ::_exit(0);
    return true;
  }

  [[noreturn]] void give_up() const {
    const int error = errno;
    const ssize_t n = ::write(report_, &error, sizeof error);
    (void)n;
    ::_exit(127);
  }

  std::array<int, kInheritedFdsMax> fds_{};
  int count_;
  char* const* argv_;
  int report_;
  int output_;
  pid_t parent_;
};

/// Without a copy of this process's memory: to make one takes ten milliseconds for some hundred
/// megabytes, and each page that is written afterwards costs a fault. This thread goes on when the
/// child is the program or has ended.
pid_t start(ChildSide& child) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();  // NOLINT(clang-analyzer-security.insecureAPI.vfork)
  if (pid == 0) child.become();
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

/// The errno of a child that could not become the program; 0: it did.
int read_report(int fd) {
  int error = 0;
  ssize_t n = 0;
  do {
    n = ::read(fd, &error, sizeof error);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(sizeof error) ? error : 0;
}

int open_pidfd(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

int wait_for(pid_t pid, int options, int* status) {
  int got = 0;
  do {
    got = ::waitpid(pid, status, options);
  } while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace

std::string ExitStatus::text() const {
  if (signal != 0) return "was ended by signal " + std::to_string(signal);
  return "exited with " + std::to_string(code);
}

class ChildProcess::Watch : public SocketHandler {
 public:
  Watch(Poller& poller, const Socket& pidfd, ChildProcess* owner,
        std::function<void(ExitStatus)> done)
      : poller_(poller), pidfd_(pidfd.fd()), owner_(owner), done_(std::move(done)) {}
  ~Watch() override { stop(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  Status start() { return poller_.watch(pidfd_, *this, true, false); }
  void moved(ChildProcess* owner) { owner_ = owner; }

  void on_ready(bool, bool) override {
    const std::optional<ExitStatus> ended = owner_->ended();
    if (!ended) return;
    stop();
    const auto done = std::move(done_);  // it may destroy the child, and so this
    done(*ended);
  }

 private:
  void stop() {
    if (!pidfd_.is_open()) return;
    poller_.unwatch(pidfd_);
    pidfd_.release();
  }

  Poller& poller_;
  Socket pidfd_;  // borrowed from the owner
  ChildProcess* owner_;
  std::function<void(ExitStatus)> done_;
};

Result<ChildProcess> ChildProcess::spawn(const SpawnOptions& options) {
  PENSTOCK_ASSERT(!options.argv.empty() && options.fds.size() <= kInheritedFdsMax);
  const std::string& program = options.argv.front();
  std::vector<std::string> words = options.argv;
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::array<int, 2> report{};
  if (::pipe2(report.data(), O_CLOEXEC) != 0) return spawn_fail(program, errno);
  const Socket reader(report[0]);
  Socket writer(report[1]);
  Socket output;  // closes itself
  if (!options.output_file.empty()) {
    constexpr int kHow = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
    output = Socket(::open(options.output_file.c_str(), kHow, 0600));
    if (!output.is_open()) return spawn_fail(program + " with " + options.output_file, errno);
  }
  ChildSide child(options.fds, argv.data(), report[1], output.fd());
  const pid_t pid = start(child);
  if (pid < 0) return spawn_fail(program, errno);
  writer.close();
  const int error = read_report(reader.fd());
  Socket pidfd(error == 0 ? open_pidfd(pid) : -1);
  const int pidfd_error = errno;
  ChildProcess out(pid, std::move(pidfd));
  if (error != 0) return spawn_fail(program, error);
  if (!out.pidfd_.is_open()) return spawn_fail(program, pidfd_error);
  return out;
}

ChildProcess::ChildProcess(pid_t pid, Socket pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      pidfd_(std::move(other.pidfd_)),
      ended_(other.ended_),
      watch_(std::move(other.watch_)) {
  if (watch_ != nullptr) watch_->moved(this);
}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(pidfd_, other.pidfd_);
  std::swap(ended_, other.ended_);
  std::swap(watch_, other.watch_);
  if (watch_ != nullptr) watch_->moved(this);
  if (other.watch_ != nullptr) other.watch_->moved(&other);
  return *this;
}

ChildProcess::~ChildProcess() {
  watch_.reset();
  if (pid_ <= 0) return;
  kill();
  wait();
}

int64_t ChildProcess::cpu_ns() const {
  clockid_t clock{};
  timespec used{};
  if (pid_ <= 0 || ended_ || ::clock_getcpuclockid(pid_, &clock) != 0) return 0;
  if (::clock_gettime(clock, &used) != 0) return 0;
  return int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

void ChildProcess::signal(int number) {
  // A reaped pid may belong to somebody else by now.
  if (pid_ > 0 && !ended()) ::kill(pid_, number);
}

void ChildProcess::terminate() { signal(SIGTERM); }
void ChildProcess::kill() { signal(SIGKILL); }

void ChildProcess::reap(int status) {
  ended_ = WIFSIGNALED(status) ? ExitStatus{.code = 0, .signal = WTERMSIG(status)}
                               : ExitStatus{.code = WEXITSTATUS(status), .signal = 0};
}

std::optional<ExitStatus> ChildProcess::ended() {
  int status = 0;
  if (!ended_ && pid_ > 0 && wait_for(pid_, WNOHANG, &status) == pid_) reap(status);
  return ended_;
}

ExitStatus ChildProcess::wait() {
  int status = 0;
  if (!ended_ && wait_for(pid_, 0, &status) == pid_) reap(status);
  return ended_.value_or(ExitStatus{});
}

Status ChildProcess::on_exit(Poller& poller, std::function<void(ExitStatus)> done) {
  PENSTOCK_ASSERT(watch_ == nullptr);
  watch_ = std::make_unique<Watch>(poller, pidfd_, this, std::move(done));
  return watch_->start();
}

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total_pages = 0, resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace penstock::runtime
