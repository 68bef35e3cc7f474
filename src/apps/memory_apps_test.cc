// Goal: the page of Apps holds for apps that are functions: order, dropping, errors, lists.
#include "apps/memory_apps.h"

#include <gtest/gtest.h>

#include "event/json_fields.h"
#include "runtime/real_runtime.h"

namespace penstock::apps {
namespace {

AppConfig config_of(ConfigId id, int64_t plugin, int32_t order, const std::string& name) {
  auto package = std::make_shared<AppPackage>();
  package->plugin_id = plugin;
  package->name = name;
  AppConfig config;
  config.id = id;
  config.project = {7};
  config.order = order;
  config.package = std::move(package);
  return config;
}

class MemoryAppsTest : public ::testing::Test {
 protected:
  std::vector<AppResult> transform(std::vector<AppEvent> batch) {
    std::vector<AppResult> out;
    apps->transform(std::move(batch), {.diffs = true}, [&](std::vector<AppResult> results) {
      out = std::move(results);
      thread.stop();
    });
    EXPECT_TRUE(out.empty()) << "answers come later";
    thread.run();
    return out;
  }

  runtime::LoopThread thread{"test"};
  std::unique_ptr<MemoryApps> apps = make_memory_apps(thread.loop());
};

TEST_F(MemoryAppsTest, EventsPassAppsInOrderAndErrorsKeepThem) {
  apps->provide(1, [](const AppConfig&, std::string event) {
    return Result<std::optional<std::string>>(event.insert(1, R"("a":1,)"));
  });
  apps->provide(2, [](const AppConfig&, const std::string&) -> Result<std::optional<std::string>> {
    return fail(Code::kInvalid, "no");
  });
  apps->set({config_of(3, 1, 2, "Second"), config_of(4, 2, 1, "First")});
  EXPECT_TRUE(apps->transforms({7}));
  EXPECT_FALSE(apps->transforms({8}));
  const auto results = transform({{{7}, R"({"event":"x","properties":{"p":1}})"}});
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].fate, Fate::kChanged);
  EXPECT_EQ(results[0].json,
            R"j({"a":1,"event":"x","properties":{"p":1,"$plugins_succeeded":["Second (3)"],)j"
            R"j("$plugins_failed":["First (4)"]}})j");
  ASSERT_EQ(results[0].steps.size(), 2U);
  EXPECT_EQ(results[0].steps[0].did, AppStep::Did::kFailed);
  EXPECT_EQ(results[0].steps[0].error, "no");
  EXPECT_EQ(results[0].steps[1].after, R"({"a":1,"event":"x","properties":{"p":1}})");
}

TEST_F(MemoryAppsTest, NothingFromAnAppDropsTheEventAndEndsItsWay) {
  int called = 0;
  apps->provide(1, [](const AppConfig&, const std::string&) {
    return Result<std::optional<std::string>>(std::nullopt);
  });
  apps->provide(2, [&](const AppConfig&, std::string event) {
    called++;
    return Result<std::optional<std::string>>(std::move(event));
  });
  apps->set({config_of(1, 1, 0, "Drop"), config_of(2, 2, 1, "Keep")});
  const auto results = transform({{{7}, "{}"}, {{7}, "{}", std::vector<ConfigId>{2}}});
  EXPECT_EQ(results[0].fate, Fate::kDropped);
  EXPECT_EQ(results[0].dropped_by, 1);
  EXPECT_EQ(results[1].fate, Fate::kChanged) << "`through` leaves the first one out";
  EXPECT_EQ(called, 1);
}

TEST_F(MemoryAppsTest, ProjectsWithoutAppsAreLeftAlone) {
  apps->set({});
  const auto results = transform({{{7}, "{}"}});
  EXPECT_EQ(results[0].fate, Fate::kUnchanged);
  EXPECT_TRUE(results[0].json.empty());
}

}  // namespace
}  // namespace penstock::apps
