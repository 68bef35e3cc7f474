// Goal: inside the cage there is nothing to take. Method: a child enters it and tries.
#include "apps/script/cage.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

namespace penstock::apps {
namespace {

/// What `attempt` answers inside the cage, 0 to 99.
int inside(const std::function<int()>& attempt) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!enter_cage().calls) ::_exit(100);
    ::_exit(attempt());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Cage, NoFilesNoSocketsNoProgramsNoEnvironment) {
  if (inside([] { return 0; }) == 100) GTEST_SKIP() << "no filter here: built with sanitizers";
  ::setenv("PENSTOCK_TEST_SECRET", "s3cret", 1);
  EXPECT_EQ(inside([] { return ::open("/etc/passwd", O_RDONLY) < 0 ? 1 : 0; }), 1);
  EXPECT_EQ(inside([] { return ::open("/tmp/x", O_CREAT | O_WRONLY, 0600) < 0 ? 1 : 0; }), 1);
  EXPECT_EQ(inside([] { return ::socket(AF_INET, SOCK_STREAM, 0) < 0 ? 1 : 0; }), 1);
  EXPECT_EQ(inside([] { return ::socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? 1 : 0; }), 1);
  EXPECT_EQ(inside([] { return ::fork() < 0 ? 1 : 0; }), 1);
  EXPECT_EQ(inside([] { return ::kill(::getppid(), 0) < 0 ? 1 : 0; }), 1);
  EXPECT_EQ(inside([] { return std::getenv("PENSTOCK_TEST_SECRET") == nullptr ? 1 : 0; }), 1);
  EXPECT_EQ(inside([] {
              char* arguments[] = {nullptr};
              ::execv("/bin/true", arguments);
              return 1;
            }),
            1);
}

}  // namespace
}  // namespace penstock::apps
