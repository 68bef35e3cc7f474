// Children: what they inherit, how their end is told, that they do not outlive their parent; and
// signals as events of a loop.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <future>
#include <iterator>
#include <thread>

#include "runtime/process.h"
#include "runtime/real_runtime.h"
#include "runtime/signals.h"

namespace penstock::runtime {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read = Socket(ends[0]);
    write = Socket(ends[1]);
  }
  /// Everything until the last writer has closed.
  std::string drain() {
    write.close();
    std::string out;
    std::array<char, 256> buffer;
    for (ssize_t n = 0; (n = ::read(read.fd(), buffer.data(), buffer.size())) > 0;) {
      out.append(buffer.data(), static_cast<size_t>(n));
    }
    return out;
  }
  Socket read, write;
};

Result<ChildProcess> shell(const std::string& script, std::vector<int> fds = {}) {
  return ChildProcess::spawn({.argv = {"/bin/sh", "-c", script}, .fds = std::move(fds)});
}

TEST(ChildProcess, gets_its_descriptors_in_order_and_no_others) {
  Pipe out, spare, in;
  ASSERT_EQ(::write(in.write.fd(), "word\n", 5), 5);
  auto child = shell("read w <&4; ls /proc/self/fd | tr '\\n' ' ' >&3; echo $w >&3",
                     {out.write.fd(), in.read.fd()});
  ASSERT_TRUE(child) << child.error().message;
  const std::string said = out.drain();
  EXPECT_TRUE(child->wait().success());
  // `ls` has its own for the folder it reads: the lowest free number.
  EXPECT_EQ(said, "0 1 2 3 4 5 word\n");
}

TEST(ChildProcess, descriptors_may_be_given_crosswise) {
  // Three pipes whose numbers overlap the targets 3, 4, 5 in any order.
  Pipe a, b, c;
  auto child =
      shell("echo a >&3; echo b >&4; echo c >&5", {c.write.fd(), a.write.fd(), b.write.fd()});
  ASSERT_TRUE(child) << child.error().message;
  EXPECT_EQ(c.drain() + a.drain() + b.drain(), "a\nb\nc\n");
  EXPECT_TRUE(child->wait().success());
}

TEST(ChildProcess, output_can_go_to_a_file) {
  const std::string path = ::testing::TempDir() + "/child-output-" + std::to_string(::getpid());
  for (const char* word : {"one", "two"}) {
    auto child = ChildProcess::spawn(
        {.argv = {"/bin/sh", "-c", "echo $0; echo err >&2", word}, .fds = {}, .output_file = path});
    ASSERT_TRUE(child) << child.error().message;
    EXPECT_TRUE(child->wait().success());
  }
  std::ifstream in(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "one\nerr\ntwo\nerr\n");
  ::unlink(path.c_str());
  const auto nowhere = ChildProcess::spawn(
      {.argv = {"/bin/true"}, .fds = {}, .output_file = "/no/such/folder/file"});
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, Code::kNotFound);
}

TEST(ChildProcess, tells_how_it_ended) {
  auto three = shell("exit 3");
  ASSERT_TRUE(three);
  EXPECT_EQ(three->wait().text(), "exited with 3");
  EXPECT_EQ(three->ended()->code, 3);
  auto killed = shell("kill -9 $$");
  ASSERT_TRUE(killed);
  EXPECT_EQ(killed->wait().text(), "was ended by signal 9");
  const auto missing = ChildProcess::spawn({.argv = {"/no/such/program"}, .fds = {}});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_EQ(ChildProcess::spawn({.argv = {"/etc/passwd"}, .fds = {}}).error().code, Code::kDenied);
}

TEST(ChildProcess, tells_what_processor_time_it_has_used) {
  auto child = ChildProcess::spawn({{"/bin/sh", "-c", "while :; do :; done"}, {}});
  ASSERT_TRUE(child);
  int64_t before = child->cpu_ns();
  for (int grown = 0; grown < 3;) {
    const int64_t now = child->cpu_ns();
    ASSERT_GE(now, before);
    if (now >= before + 1'000'000) {
      before = now;
      grown++;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  child->kill();
  child->wait();
  EXPECT_EQ(child->cpu_ns(), 0);
}

/// A copy would make each page that is written afterwards a fault.
TEST(ChildProcess, starting_one_copies_nothing_of_this_process) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the thread sanitizer makes copies";
#endif
  constexpr size_t kBytes = 64U << 20, kPage = 4096;
  void* memory =
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  ::madvise(memory, kBytes, MADV_NOHUGEPAGE);
  auto* bytes = static_cast<volatile char*>(memory);
  const auto faults_of_writing = [&] {
    rusage before{}, after{};
    ::getrusage(RUSAGE_SELF, &before);
    for (size_t at = 0; at < kBytes; at += kPage) bytes[at] = 1;
    ::getrusage(RUSAGE_SELF, &after);
    return after.ru_minflt - before.ru_minflt;
  };
  EXPECT_GE(faults_of_writing(), static_cast<int64_t>(kBytes / kPage));
  auto child = shell("exec sleep 1000");
  ASSERT_TRUE(child);
  EXPECT_LT(faults_of_writing(), static_cast<int64_t>(kBytes / kPage / 10));
  ::munmap(memory, kBytes);
}

TEST(ChildProcess, its_end_is_an_event_of_the_loop) {
  LoopThread thread("test");
  std::vector<std::string> ends;
  std::vector<ChildProcess> children;
  for (const char* script : {"exit 0", "exit 7", "kill -9 $$", "exec sleep 1000"}) {
    auto child = shell(script);
    ASSERT_TRUE(child);
    children.push_back(std::move(*child));
  }
  for (ChildProcess& child : children) {
    ASSERT_TRUE(child.on_exit(thread.poller(), [&](ExitStatus status) {
      ends.push_back(status.text());
      if (ends.size() == 3) children.back().terminate();
      if (ends.size() == 4) thread.stop();
    }));
  }
  thread.run();
  EXPECT_THAT(
      ends, testing::UnorderedElementsAre("exited with 0", "exited with 7", "was ended by signal 9",
                                          "was ended by signal 15"));
  EXPECT_EQ(ends.back(), "was ended by signal 15");
}

TEST(ChildProcess, may_be_destroyed_by_the_event_of_its_end) {
  LoopThread thread("test");
  auto child = shell("exit 0");
  ASSERT_TRUE(child);
  auto owned = std::make_unique<ChildProcess>(std::move(*child));
  ASSERT_TRUE(owned->on_exit(thread.poller(), [&](ExitStatus) {
    owned.reset();
    thread.stop();
  }));
  thread.run();
  EXPECT_EQ(owned, nullptr);
}

int open_pidfd(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

/// Waits, without reaping, for a process that need not be a child.
void wait_until_gone(int pidfd) {
  pollfd watched{.fd = pidfd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&watched, 1, 60'000), 1);
}

TEST(ChildProcess, is_ended_with_its_owner) {
  Socket pidfd;
  {
    const auto child = shell("exec sleep 1000");
    ASSERT_TRUE(child);
    pidfd = Socket(open_pidfd(child->pid()));
    ASSERT_TRUE(pidfd.is_open());
  }
  wait_until_gone(pidfd.fd());
}

// A parent that is killed outright takes its child along.
TEST(ChildProcess, does_not_outlive_its_parent) {
  Pipe out;
  const pid_t parent = ::fork();
  if (parent == 0) {
    const auto child = ChildProcess::spawn({.argv = {"/bin/sleep", "1000"}, .fds = {}});
    const pid_t pid = child ? child->pid() : -1;
    if (::write(out.write.fd(), &pid, sizeof pid) != sizeof pid) ::_exit(1);
    ::pause();
  }
  pid_t grandchild = -1;
  ASSERT_EQ(::read(out.read.fd(), &grandchild, sizeof grandchild),
            static_cast<ssize_t>(sizeof grandchild));
  ASSERT_GT(grandchild, 0);
  const Socket pidfd(open_pidfd(grandchild));
  ASSERT_TRUE(pidfd.is_open());
  ::kill(parent, SIGKILL);
  wait_until_gone(pidfd.fd());
  ::waitpid(parent, nullptr, 0);
}

TEST(SignalWatch, turns_signals_into_events_and_restores_the_default) {
  LoopThread thread("test");
  std::vector<int> seen;
  {
    const auto watch = SignalWatch::install(thread.poller(), [&](int signal) {
      seen.push_back(signal);
      if (seen.size() == 2) return thread.stop();
      ::raise(SIGTERM);
    });
    ASSERT_TRUE(watch);
    const auto second = SignalWatch::install(thread.poller(), [](int) {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::kConflict);
    thread.loop().post([] { ::raise(SIGINT); });
    thread.run();
  }
  EXPECT_THAT(seen, testing::ElementsAre(SIGINT, SIGTERM));
  struct sigaction now{};
  ASSERT_EQ(::sigaction(SIGTERM, nullptr, &now), 0);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
  EXPECT_TRUE(SignalWatch::install(thread.poller(), [](int) {}));
}

}  // namespace
}  // namespace penstock::runtime
