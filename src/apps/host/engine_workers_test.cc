// Goal: who loses a worker has another one at once.
// Method: real workers, known by their process ids.
#include "apps/host/engine_fixture_test.h"

namespace penstock::apps {
namespace {

using ::testing::ElementsAre;

class EngineWorkersTest : public EngineTest {
 protected:
  static std::set<int> children() {
    std::set<int> out;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream in(task.path() / "children");
      for (int pid = 0; in >> pid;) out.insert(pid);
    }
    return out;
  }
  void wait_for_children(size_t count) {
    run_until([&] { return children().size() == count; });
  }
};

TEST_F(EngineWorkersTest, AStandbyTakesTheNextPlace) {
  options.standby = true;
  make();
  std::this_thread::sleep_for(std::chrono::milliseconds(1300));
  EXPECT_EQ(children().size(), 0U) << "without apps nobody waits for one";
  set({js(1, marks(1))});
  transform_one("warm");
  const std::set<int> first = children();
  ASSERT_EQ(first.size(), 1U);
  wait_for_children(2);
  std::set<int> standby = children();
  standby.erase(*first.begin());
  ASSERT_EQ(standby.size(), 1U);
  ::kill(*first.begin(), SIGKILL);
  run_until([&] { return children() == standby; });
  EXPECT_THAT(transform_one("next").succeeded, ElementsAre("app1 (1)"));
  EXPECT_TRUE(children().contains(*standby.begin())) << "it has the place";
  wait_for_children(2);  // and another one waits

  // One that is lost while it waits is missed by nobody.
  for (const int pid : children()) {
    if (pid != *standby.begin()) ::kill(pid, SIGKILL);
  }
  ::kill(*standby.begin(), SIGKILL);
  EXPECT_THAT(transform_one("again").succeeded, ElementsAre("app1 (1)"));
  wait_for_children(2);
  EXPECT_EQ(status(1).failed, 0U);
}

}  // namespace
}  // namespace penstock::apps
