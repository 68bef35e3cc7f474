// Goal: what was refused is told to the project whose key the request carries, counted, soon, and
// never more than the bounds allow; what it is told is a count and no event.
#include "capture/refusal_tally.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "capture/testing/fixture.h"

namespace penstock::capture {
namespace {

class RefusalTallyTest : public testing::ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    const catalog::Principal by{std::nullopt, "test", ProjectId{}};
    ASSERT_TRUE(catalog_->create_project(by, "p", "phc_t"));
    turn();
  }
  std::shared_ptr<testing::Answer> post(std::string_view body, std::string_view path = "/batch/",
                                        const Headers& headers = {}) {
    return ask("POST", path, body, headers);
  }
  struct Told {
    std::string reason, path;
    int status = 0;
    uint64_t requests = 0;
    bool operator==(const Told&) const = default;
  };
  /// What is told in so many milliseconds; other appends are taken as well.
  std::vector<Told> told_in(int64_t ms) {
    runtime_.run_for(std::chrono::milliseconds(ms));
    std::vector<Told> out;
    while (!log_.held.empty()) {
      const auto& append = log_.held.front();
      if (append.topic == event::kTopicRefusalCounts) {
        for (const log::Batch& batch : append.batches) {
          ByteReader in(batch.data);
          for (uint32_t i = 0; i < batch.count; i++) {
            const auto count = event::decode_refusal_count(in.bytes());
            EXPECT_TRUE(count.has_value());
            if (!count) return out;
            EXPECT_EQ(count->project.value, 1);
            EXPECT_FALSE(count->message.empty());
            out.push_back({std::string(count->reason), std::string(count->path), count->status,
                           count->requests});
          }
        }
      }
      log_.answer({});
    }
    return out;
  }
};

TEST_F(RefusalTallyTest, OfEveryEndpointThatNamesAProject) {
  const std::string event = R"({"event":"e","distinct_id":"d"})";
  const Headers bearer{{"authorization", "Bearer phc_t"}};
  EXPECT_EQ(post(R"({"api_key":"phc_t","batch":[{"event":"e"}]})")->status, 400);
  EXPECT_EQ(post(R"({"api_key" : "phc_t","batch":[)", "/e/")->status, 400);
  EXPECT_EQ(post(R"([{"event":"$snapshot","properties":{"token":"phc_t"}}])", "/s/")->status, 400);
  EXPECT_EQ(post("{}", "/i/v1/analytics/events", bearer)->status, 400);
  EXPECT_EQ(post("x", "/i/v0/ai", bearer)->status, 415);
  EXPECT_EQ(post(R"({"token":"phc_t"})", "/flags/")->status, 400);
  // These are nobody's.
  EXPECT_EQ(post(R"({"api_key":"phc_stranger","batch":[{"event":"e"}]})")->status, 400);
  EXPECT_EQ(post("[" + event + "]")->status, 401);
  EXPECT_EQ(told_in(1100), (std::vector<Told>{
                               {"invalid_json", "/e/", 400, 1},
                               {"missing_distinct_id", "/batch/", 400, 1},
                               {"missing_distinct_id", "/flags/", 400, 1},
                               {"missing_required_headers", "/i/v1/analytics/events", 400, 1},
                               {"missing_session_id", "/s/", 400, 1},
                               {"unsupported_content_type", "/i/v0/ai", 415, 1},
                           }));
}

TEST_F(RefusalTallyTest, AClientThatCannotStopIsCountedAndToldOnceAMinute) {
  const auto send = [&](int n) {
    for (int i = 0; i < n; i++) post(R"({"api_key":"phc_t","batch":[)");
  };
  send(3);
  EXPECT_EQ(told_in(1100), (std::vector<Told>{{"invalid_json", "/batch/", 400, 3}}));
  send(100);
  EXPECT_TRUE(told_in(50'000).empty());
  send(20);
  EXPECT_EQ(told_in(12'000), (std::vector<Told>{{"invalid_json", "/batch/", 400, 120}}));
  EXPECT_TRUE(told_in(200'000).empty());
  send(1);
  EXPECT_EQ(told_in(1100).size(), 1U) << "forgotten meanwhile, so it is told at once";
}

TEST_F(RefusalTallyTest, WhatIsLeftIsToldWhenTheProcessStops) {
  post(R"({"api_key":"phc_t","batch":[)");
  service_->when_idle([] {});
  EXPECT_EQ(told_in(1).size(), 1U);
}

TEST_F(RefusalTallyTest, OneGiantAmongOthersIsDroppedAndAloneRefused) {
  CaptureOptions options;
  options.message_bytes_max = 200;
  make(options);
  const std::string giant = R"({"event":"e","distinct_id":"d","uuid":)"
                            R"("0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012","properties":{"x":")" +
                            std::string(200, 'x') + "\"}}";
  const auto both =
      post(R"({"api_key":"phc_t","batch":[{"event":"e","distinct_id":"d"},)" + giant + "]}");
  turn();
  const auto records = held_records();
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[1].reason, "message_size_too_large");
  EXPECT_EQ(records[1].disposition, event::Disposition::kDrop);
  EXPECT_TRUE(records[1].data.empty());
  EXPECT_TRUE(told_in(1100).empty()) << "it is in the books";
  EXPECT_EQ(both->status, 200);
  EXPECT_EQ(post(R"({"api_key":"phc_t","batch":[)" + giant + "]}")->status, 413);
  EXPECT_EQ(told_in(1100), (std::vector<Told>{{"message_size_too_large", "/batch/", 413, 1}}));
}

TEST_F(RefusalTallyTest, FlagsOverTheQuotaAreToldAsWell) {
  const catalog::Principal by{std::nullopt, "test", ProjectId{}};
  ASSERT_TRUE(catalog_->set_project_setting(
      by, ProjectId{1}, "admission",
      R"({"quotas":[{"resource":"feature_flags","events_per_month_max":1}]})"));
  turn();
  for (int i = 0; i < 3; i++) {
    EXPECT_EQ(post(R"({"token":"phc_t","distinct_id":"d"})", "/flags/")->status, 200);
  }
  EXPECT_EQ(told_in(1100), (std::vector<Told>{{"billing_limit_exceeded", "/flags/", 200, 2}}));
}

TEST(RefusalTally, KindsAreBoundedAndSoIsWhatIsKeptOfEach) {
  runtime::SimRuntime runtime{1};
  runtime::Loop& loop = runtime.make_loop();
  testing::HeldLog log;
  RefusalTally tally(loop, runtime, log);
  catalog::Project project;
  project.id = {1};
  for (int i = 0; i < 2000; i++) {
    tally.note(&project, {"r", 400, "/" + std::to_string(i), std::string(5000, 'x')});
  }
  tally.note(&project, {"r", 400, std::string(100'000, 'p'), "m"});
  tally.note(nullptr, {"r", 400, "/", "m"});
  tally.flush();
  ASSERT_EQ(log.held.size(), 1U);
  const log::Batch& batch = log.held.front().batches.front();
  EXPECT_EQ(batch.count, 512U);
  EXPECT_LT(batch.data.size(), 512U * 450);
}

TEST(RefusalTally, TheKeyIsFoundInWhateverText) {
  catalog::Snapshot projects;
  projects.projects.emplace_back();
  projects.projects[0].token = "phc_t";
  projects.by_token.emplace("phc_t", 0);
  const auto found = [&](std::string_view text) {
    return RefusalTally::project_in(text, projects) != nullptr;
  };
  EXPECT_TRUE(found(R"({"api_key":"phc_t")"));
  EXPECT_TRUE(found("{\"batch\":[{\"token\" :\n\"phc_t\"}]"));
  EXPECT_TRUE(found(R"(,"$token":"phc_t",)"));
  EXPECT_TRUE(found(R"({"token":"other","x":{"token":"phc_t"}})"));
  for (const char* text : {"", R"("api_key")", R"("api_key":)", R"("api_key":"phc_t)",
                           R"("api_key":"phc_x")", R"("api_key":5)", "api_key=phc_t"}) {
    EXPECT_FALSE(found(text)) << text;
  }
}

}  // namespace
}  // namespace penstock::capture
