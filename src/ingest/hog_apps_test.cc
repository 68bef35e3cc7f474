// Goal: a Hog app that costs others is left alone, tried again, and comes back, as JavaScript's
// are.
#include "ingest/hog_apps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/sim_runtime.h"

namespace penstock::ingest {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

/// Uses up its memory when the event is bad.
constexpr const char* kGreedy = R"(
  if (event.event == 'bad') {
    let text := 'grows'
    while (true) { text := text || text }
  }
  return event)";

class HogAppsTest : public ::testing::Test {
 protected:
  std::shared_ptr<const catalog::EnabledApp> app(const std::string& source, int64_t updated = 1) {
    catalog::EnabledApp out;
    out.config.id = 7;
    out.config.updated_at_ms = updated;
    out.app.id = 3;
    // A snapshot's apps share the files of a version.
    auto& files = files_[source];
    if (files == nullptr) {
      files = std::make_shared<const catalog::AppFiles>(
          catalog::AppFiles{{"plugin.json", R"({"name":"Greedy"})"}, {"index.hog", source}});
    }
    out.files = files;
    auto manifest = catalog::read_app_manifest(*out.files);
    EXPECT_TRUE(manifest) << manifest.error().message;
    out.app.manifest = std::move(*manifest);
    return std::make_shared<const catalog::EnabledApp>(std::move(out));
  }
  std::vector<HogResult> run(const std::shared_ptr<const catalog::EnabledApp>& of,
                             const std::vector<std::string>& names) {
    std::vector<std::string> events;
    for (const std::string& name : names) {
      events.push_back(R"({"event":")" + name + R"(","distinct_id":"d","properties":{}})");
    }
    std::optional<std::vector<HogResult>> out;
    apps_.run(of, std::move(events), [&](std::vector<HogResult> got) { out = std::move(got); });
    EXPECT_EQ(runtime_.run_until([&] { return out.has_value(); }), runtime::SimEnd::kDone);
    return std::move(*out);
  }
  static std::string did(const std::vector<HogResult>& results) {
    std::string out;
    for (const HogResult& r : results) out += "sfd-"[static_cast<size_t>(r.did)];
    return out;
  }
  void pass(int64_t ms) { runtime_.run_for(std::chrono::milliseconds(ms)); }

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  std::map<std::string, std::shared_ptr<const catalog::AppFiles>> files_;
  std::vector<std::string> logged_;
  HogApps apps_{loop_, runtime_, {.log = [this](const apps::LogEntry& entry) {
                  logged_.push_back(entry.message);
                }}};
};

TEST_F(HogAppsTest, WhatUsesUpItsMemoryIsDisabledProbedAndComesBack) {
  const auto greedy = app(kGreedy);
  EXPECT_EQ(did(run(greedy, {"ok", "bad", "ok", "bad"})), "sfsf");
  EXPECT_EQ(apps_.status(greedy).health, apps::Health::kDegraded);
  EXPECT_EQ(did(run(greedy, {"bad", "bad", "bad", "ok"})), "fff-")
      << "three are enough, the rest of the batch need not wait for more";
  const apps::AppStatus off = apps_.status(greedy);
  EXPECT_EQ(off.health, apps::Health::kDisabled);
  EXPECT_EQ(off.retry_at_ms, runtime_.clock().wall_ms() + apps::kRestMsMin);
  EXPECT_THAT(logged_, Contains(HasSubstr("it is tried again at")));

  const auto passed = run(greedy, {"ok", "ok"});
  EXPECT_EQ(did(passed), "--");
  EXPECT_THAT(passed[0].error, HasSubstr("it rests"));

  pass(apps::kRestMsMin + 1);
  EXPECT_EQ(did(run(greedy, {"bad", "ok"})), "f-") << "one is let through";
  EXPECT_EQ(did(run(greedy, {"ok"})), "-") << "and the rest is twice as long";
  pass(2 * apps::kRestMsMin + 1);
  EXPECT_EQ(did(run(greedy, {"ok", "ok"})), "s-");
  EXPECT_EQ(did(run(greedy, {"ok"})), "s");
  EXPECT_EQ(did(run(greedy, {"ok"})), "s");
  EXPECT_EQ(apps_.status(greedy).health, apps::Health::kHealthy);
  EXPECT_EQ(logged_.back(), "The app is called again.");
  EXPECT_EQ(did(run(greedy, {"ok", "ok"})), "ss");
}

/// A clock that goes forward by four milliseconds whenever it is looked at: what runs takes long.
class SlowRuntime final : public runtime::Runtime, runtime::Clock {
 public:
  explicit SlowRuntime(runtime::Runtime& of) : of_(of) {}
  runtime::Clock& clock() override { return *this; }
  runtime::Random& random() override { return of_.random(); }
  runtime::FileSystem& files() override { return of_.files(); }
  runtime::BlockingPool& pool() override { return of_.pool(); }

 private:
  int64_t wall_us() const override { return of_.clock().wall_us(); }
  int64_t mono_ns() const override { return of_.clock().mono_ns() + 4'000'000 * ++looks_; }
  runtime::Runtime& of_;
  mutable int64_t looks_ = 0;
};

TEST_F(HogAppsTest, WhoTakesLongIsToldOfAndGoesRound) {
  SlowRuntime slow(runtime_);
  std::vector<int64_t> told;
  HogApps slow_apps(loop_, slow,
                    {.slow = [&](ProjectId project) { told.push_back(project.value); }});
  const auto returns = app("return event");
  const std::string event = R"({"event":"e","distinct_id":"d","properties":{}})";
  catalog::Project project;
  project.apps = std::make_shared<const catalog::EnabledApps>(catalog::EnabledApps{returns});
  const auto run_some = [&](size_t events) {
    std::optional<size_t> out;
    size_t waited = 0;
    slow_apps.run(
        returns, std::vector<std::string>(events, event),
        [&](const std::vector<HogResult>& got) {
          out = std::ranges::count(got, HogDid::kSucceeded, &HogResult::did);
        },
        [&] { waited += out ? 1000 : 1; });
    EXPECT_EQ(runtime_.run_until([&] { return out.has_value(); }), runtime::SimEnd::kDone);
    EXPECT_EQ(*out, events);
    return waited;
  };
  EXPECT_EQ(run_some(1), 0U);
  EXPECT_FALSE(slow_apps.goes_round(project));
  EXPECT_GT(run_some(30), 3U) << "again and again, before the answer";
  EXPECT_TRUE(slow_apps.goes_round(project));
  EXPECT_EQ(told.size(), 0U) << "not at once: what was sent before must not be overtaken";
  pass(apps::Round::kTellMs + 1);
  EXPECT_THAT(told, Contains(0));
  told.clear();
  run_some(1);
  EXPECT_THAT(told, Contains(0)) << "as long as its events come";
  pass(apps::Round::kMsMin + 1);
  EXPECT_FALSE(slow_apps.goes_round(project));
}

TEST_F(HogAppsTest, ABatchHasItsTimeAndThreeThatUseItUpDisable) {
  SlowRuntime slow(runtime_);
  HogApps slow_apps(loop_, slow, {.deadline_ms = 500});
  const auto returns = app("return event");
  const auto run_many = [&] {
    std::vector<HogResult> out;
    slow_apps.run(returns, std::vector<std::string>(200, R"({"event":"e","properties":{}})"),
                  [&](std::vector<HogResult> got) { out = std::move(got); });
    EXPECT_EQ(runtime_.run_until([&] { return !out.empty(); }), runtime::SimEnd::kDone);
    return out;
  };
  for (int batch = 0; batch < 3; batch++) {
    EXPECT_NE(slow_apps.status(returns).health, apps::Health::kDisabled);
    const auto results = run_many();
    const std::string all = did(results);
    const size_t reached = all.find('f');
    EXPECT_GT(reached, 5U) << all;
    EXPECT_LT(reached, 150U) << all;
    EXPECT_EQ(all, std::string(reached, 's') + std::string(200 - reached, 'f'));
    EXPECT_THAT(results.back().error, HasSubstr("no time was left"));
    EXPECT_THAT(results.back().event, HasSubstr("$transformations_failed"));
  }
  EXPECT_EQ(slow_apps.status(returns).health, apps::Health::kDisabled);
  catalog::Project project;
  project.apps = std::make_shared<const catalog::EnabledApps>(catalog::EnabledApps{returns});
  pass(apps::kRestMsMin + 1);
  EXPECT_TRUE(slow_apps.goes_round(project)) << "its probe is no neighbour's";
}

TEST_F(HogAppsTest, ThrownErrorsDegradeAndNeverDisable) {
  const auto throws = app("throw Error('not today')");
  for (int i = 0; i < 50; i++) EXPECT_EQ(did(run(throws, {"a", "b"})), "ff");
  EXPECT_EQ(apps_.status(throws).health, apps::Health::kDegraded);
}

TEST_F(HogAppsTest, AChangeBeginsAnewAndAnotherSnapshotDoesNot) {
  EXPECT_EQ(did(run(app(kGreedy), {"bad", "bad", "bad"})), "fff");
  EXPECT_EQ(did(run(app(kGreedy), {"ok"})), "-") << "the same app in a newer snapshot";
  EXPECT_EQ(did(run(app(kGreedy, 2), {"ok"})), "s");
  EXPECT_EQ(did(run(app("return null", 2), {"ok"})), "d") << "other files, as trials have them";
}

}  // namespace
}  // namespace penstock::ingest
