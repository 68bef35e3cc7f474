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
  HogApps apps_{loop_, runtime_, nullptr,
                [this](const apps::LogEntry& entry) { logged_.push_back(entry.message); }};
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
