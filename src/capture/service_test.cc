// What a capture shard promises about its answers: 200 after the log, 503 when the log cannot,
// bounds on what waits, and records of what it refused.
#include <gtest/gtest.h>

#include <set>

#include "capture/testing/fixture.h"

namespace penstock::capture {
namespace {

using testing::Answer;

class CaptureServiceTest : public testing::ServiceTest {
 protected:
  std::shared_ptr<Answer> post(std::string_view body, std::string_view path = "/batch/") {
    return ask("POST", path, body, {{"content-type", "application/json"}});
  }

  static std::string event(std::string_view id = "d") {
    return R"({"api_key":"phc_t","event":"e","distinct_id":")" + std::string(id) + "\"}";
  }
};

TEST_F(CaptureServiceTest, Answers200OnlyWhenTheLogHasIt) {
  const auto status = post(event());
  turn();
  ASSERT_EQ(log_.held.size(), 1U);
  EXPECT_EQ(status->status, 0) << "answered before it was durable";
  log_.answer({});
  EXPECT_EQ(status->status, 200);
}

TEST_F(CaptureServiceTest, RequestsOfOneTurnShareAnAppend) {
  std::vector<std::shared_ptr<Answer>> statuses;
  for (int i = 0; i < 10; i++) statuses.push_back(post(event("d" + std::to_string(i))));
  turn();
  ASSERT_EQ(log_.held.size(), 1U);
  uint32_t records = 0;
  for (const log::Batch& b : log_.held.front().batches) records += b.count;
  EXPECT_EQ(records, 10U);
  log_.answer({});
  for (const auto& s : statuses) EXPECT_EQ(s->status, 200);
}

TEST_F(CaptureServiceTest, ARequestOverTwoLanesWaitsForBoth) {
  CaptureOptions options;
  options.historical_after_days = 1;
  make(options);
  const auto status =
      post(R"({"api_key":"phc_t","batch":[{"event":"e","distinct_id":"d"},)"
           R"({"event":"old","distinct_id":"d","timestamp":"2001-01-01T00:00:00Z"}]})");
  turn();
  ASSERT_EQ(log_.held.size(), 2U);
  log_.answer({});
  EXPECT_EQ(status->status, 0);
  log_.answer({});
  EXPECT_EQ(status->status, 200);
}

TEST_F(CaptureServiceTest, ARedirectedEventIsInItsTopicAndItsStubInTheLane) {
  const catalog::Principal by{std::nullopt, "test", ProjectId{}};
  const auto project = catalog_->create_project(by, "p", "phc_t");
  ASSERT_TRUE(project);
  ASSERT_TRUE(catalog_->set_project_setting(
      by, project->id, "admission",
      R"({"restrictions":[{"type":"redirect_to_topic","topic":"lab","event_names":["e"]}]})"));
  turn();
  for (const size_t failing : {size_t{2}, size_t{0}, size_t{1}}) {
    const auto status = post(event());
    turn();
    ASSERT_EQ(log_.held.size(), 2U);
    const std::vector<event::RawRecord> records = held_records();
    ASSERT_EQ(records.size(), 2U);
    const bool stub_first = log_.held.front().topic == event::kTopicMain;
    EXPECT_EQ((stub_first ? log_.held.back() : log_.held.front()).topic, "redirect_lab");
    const event::RawRecord& stub = records[stub_first ? 0 : 1];
    const event::RawRecord& whole = records[stub_first ? 1 : 0];
    EXPECT_EQ(whole.data, event());
    EXPECT_EQ(whole.disposition, event::Disposition::kProcess);
    EXPECT_TRUE(stub.data.empty());
    EXPECT_EQ(stub.disposition, event::Disposition::kDrop);
    EXPECT_EQ(stub.reason, "redirected_to_topic");
    EXPECT_EQ(stub.uuid, whole.uuid);
    log_.answer(failing == 0 ? fail(Code::kUnavailable, "no") : Status{});
    EXPECT_EQ(status->status, 0) << "both have to be durable";
    log_.answer(failing == 1 ? fail(Code::kUnavailable, "no") : Status{});
    EXPECT_EQ(status->status, failing == 2 ? 200 : 503);
  }
}

TEST_F(CaptureServiceTest, AnyFailureOfTheLogIs503AndSaysWhenToRetry) {
  for (const Code code : {Code::kBusy, Code::kExhausted, Code::kMaybe, Code::kUnavailable}) {
    const auto status = post(event());
    turn();
    log_.answer(fail(code, "no"));
    EXPECT_EQ(status->status, 503) << code_name(code);
    EXPECT_EQ(status->headers["retry-after"], "1");
  }
}

TEST_F(CaptureServiceTest, WhatWaitsIsBounded) {
  CaptureOptions options;
  options.requests_waiting_max = 10;  // of which one project alone has half
  make(options);
  std::vector<std::shared_ptr<Answer>> statuses;
  for (int i = 0; i < 8; i++) statuses.push_back(post(event()));
  turn();
  for (size_t i = 0; i < 8; i++) EXPECT_EQ(statuses[i]->status, i < 5 ? 0 : 503);
  log_.answer({});
  EXPECT_EQ(post(event())->status, 0) << "room again";

  options = {};
  options.bytes_waiting_max = 2000;
  make(options);
  const std::string large = event(std::string(100, 'x') + R"(","properties":{"p":")" +
                                  std::string(2500, 'y') + "\"}, \"x\":\"");
  EXPECT_EQ(post(large)->status, 0);
  EXPECT_EQ(post(large)->status, 503);
}

TEST_F(CaptureServiceTest, NotReadyMeans503) {
  service_->set_ready(false);
  const auto status = post(event());
  EXPECT_EQ(status->status, 503);
  EXPECT_EQ(status->headers["retry-after"], "1");
  turn();
  EXPECT_TRUE(log_.held.empty());
}

TEST_F(CaptureServiceTest, WhatIsRefusedIsRecordedForTheTrace) {
  EXPECT_EQ(post(R"({"api_key":"phc_t","batch":[{"event":"e",)"
                 R"("uuid":"0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012"}]})")
                ->status,
            400);
  turn();
  ASSERT_EQ(log_.held.size(), 1U);
  EXPECT_EQ(log_.held.front().topic, event::kTopicRefused);
  EXPECT_NE(log_.held.front().batches.front().data.find("missing_distinct_id"), std::string::npos);
}

TEST_F(CaptureServiceTest, WhatIsTooMuchForOneAppendGoesInSeveral) {
  const auto of_size = [](size_t bytes, std::string_view name) {
    return R"({"distinct_id":"one person","event":")" + std::string(name) +
           R"(","properties":{"p":")" + std::string(bytes, 'y') + "\"}}";
  };
  // Just below what goes at once, and an event that would not fit behind it; and once more.
  std::string batch = R"({"api_key":"phc_t","batch":[)" + of_size((6U << 20) - 500, "first");
  batch += "," + of_size(20U << 20, "second") + "," + of_size(5U << 20, "third") + "," +
           of_size(21U << 20, "fourth") + "]}";
  const catalog::Principal by{std::nullopt, "test", ProjectId{}};
  const auto project = catalog_->create_project(by, "p", "phc_t");
  ASSERT_TRUE(project);
  for (const char* admission :
       {"{}", R"({"restrictions":[{"type":"redirect_to_topic","topic":"lab"}]})"}) {
    ASSERT_TRUE(catalog_->set_project_setting(by, project->id, "admission", admission));
    turn();
    for (const bool fails : {false, true}) {
      const auto answer = ask("POST", "/batch/", testing::gzip(batch), {});
      turn();
      std::vector<std::string> whole;
      for (const event::RawRecord& record : held_records()) {
        if (!record.data.empty()) whole.emplace_back(record.event);
      }
      EXPECT_EQ(whole, (std::vector<std::string>{"first", "second", "third", "fourth"}));
      for (size_t left = log_.held.size(); left > 0; left--) {
        EXPECT_EQ(answer->status, 0);
        for (const log::Batch& b : log_.held.front().batches) {
          EXPECT_LE(b.data.size(), log::kBatchBytesMax);
        }
        log_.answer(fails && left == 2 ? fail(Code::kUnavailable, "no") : Status{});
      }
      EXPECT_EQ(answer->status, fails ? 503 : 200);
    }
  }
}

TEST_F(CaptureServiceTest, AnEventThatNoAppendCanHoldIsTooLarge) {
  // Its name is in the record twice: decoded, and in the data.
  const std::string giant = R"({"distinct_id":"d","event":")" + std::string(13U << 20, 'n') + "\"}";
  const auto alone = ask("POST", "/batch/", R"({"api_key":"phc_t","batch":[)" + giant + "]}", {});
  EXPECT_EQ(alone->status, 413);
  const auto among = ask(
      "POST", "/batch/",
      R"({"api_key":"phc_t","batch":[)" + giant + R"(,{"distinct_id":"d","event":"small"}]})", {});
  land();
  EXPECT_EQ(among->status, 200);
}

TEST_F(CaptureServiceTest, IdleIsToldWhenEverythingIsAnswered) {
  const auto status = post(event());
  bool idle = false;
  service_->when_idle([&] { idle = true; });
  turn();
  EXPECT_FALSE(idle);
  log_.answer({});
  turn();
  EXPECT_TRUE(idle);
  EXPECT_EQ(status->status, 200);
}

TEST_F(CaptureServiceTest, AnEventOfAPersonAlwaysTakesTheSamePartition) {
  std::set<int32_t> partitions;
  for (int i = 0; i < 20; i++) {
    post(event("one person"));
    turn();
    for (const log::Batch& b : log_.held.front().batches) partitions.insert(b.partition.value);
    log_.answer({});
  }
  EXPECT_EQ(partitions.size(), 1U);
}

}  // namespace
}  // namespace penstock::capture
