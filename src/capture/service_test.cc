// What a capture shard promises about its answers: 200 after the log, 503 when the log cannot,
// bounds on what waits, and records of what it refused.
#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "capture/capture.h"
#include "event/lane.h"
#include "runtime/sim_runtime.h"

namespace penstock::capture {
namespace {

/// A log whose appends are answered when the test says so.
class HeldLog : public log::Log {
 public:
  struct Append {
    std::string topic;
    std::vector<log::Batch> batches;
    log::AppendDone done;
  };

  Status start(std::vector<log::TopicSpec>) override { return {}; }
  void stop() override {}
  void append(runtime::Loop&, std::string topic, std::vector<log::Batch> batches,
              log::AppendDone done) override {
    held.push_back({std::move(topic), std::move(batches), std::move(done)});
  }
  void fetch(runtime::Loop&, log::FetchRequest, log::FetchDone) override {}
  Result<std::vector<log::PartitionBounds>> bounds(const std::string&) const override {
    return std::vector<log::PartitionBounds>(4);
  }
  int64_t last_sequence(const std::string&, Partition, uint64_t) const override { return -1; }
  Status commit(const std::string&, const std::string&, std::vector<log::Position>) override {
    return {};
  }
  std::vector<log::Position> committed(const std::string&, const std::string&) const override {
    return {};
  }
  log::LogStats stats() const override { return {}; }

  void answer(const Status& status) {
    Append append = std::move(held.front());
    held.pop_front();
    if (!status) return append.done(std::unexpected(status.error()));
    std::vector<log::Appended> out;
    for (const log::Batch& b : append.batches) out.push_back({b.partition, Offset{0}, false});
    append.done(std::move(out));
  }
  std::deque<Append> held;
};

class StatusTarget : public wire::Responder::Target {
 public:
  explicit StatusTarget(std::shared_ptr<int> status) : status_(std::move(status)) {}
  void send(wire::Response response) override {
    *status_ = response.status;
    for (const auto& [name, value] : response.headers) {
      if (name == "Retry-After") retry_after = true;
    }
  }
  void send_raw(std::string_view text, bool) override {
    *status_ = std::stoi(std::string(text.substr(9, 3)));
  }
  std::shared_ptr<wire::BodyStream> stream(wire::Response) override { return nullptr; }
  void abandon() override { *status_ = -1; }
  bool retry_after = false;

 private:
  std::shared_ptr<int> status_;
};

class CaptureServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { make({}); }

  void make(CaptureOptions options) {
    service_ = CaptureService::make(loop_, runtime_, log_, *catalog_, nullptr,
                                    std::make_shared<usage::Usage>(1), options);
    service_->set_ready(true);
  }

  /// Sends a request; the result is its status, 0 while it waits.
  std::shared_ptr<int> post(std::string_view body, std::string_view path = "/batch/") {
    auto status = std::make_shared<int>(0);
    body_.clear();
    body_.append(body);
    wire::Request request;
    request.method = "POST";
    request.target = request.path = path;
    request.headers = {{"content-type", "application/json"}};
    request.body = &body_;
    request.received_us = runtime_.clock().wall_us();
    target_ = std::make_shared<StatusTarget>(status);
    service_->handle(request, wire::Responder(target_));
    return status;
  }
  void turn() { runtime_.run_for(std::chrono::milliseconds(1)); }

  static std::string event(std::string_view id = "d") {
    return R"({"api_key":"phc_t","event":"e","distinct_id":")" + std::string(id) + "\"}";
  }

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  HeldLog log_;
  std::unique_ptr<catalog::Catalog> catalog_ = catalog::make_memory_catalog(runtime_);
  std::unique_ptr<CaptureService> service_;
  std::shared_ptr<StatusTarget> target_;
  PaddedBuffer body_;
};

TEST_F(CaptureServiceTest, Answers200OnlyWhenTheLogHasIt) {
  const auto status = post(event());
  turn();
  ASSERT_EQ(log_.held.size(), 1U);
  EXPECT_EQ(*status, 0) << "answered before it was durable";
  log_.answer({});
  EXPECT_EQ(*status, 200);
}

TEST_F(CaptureServiceTest, RequestsOfOneTurnShareAnAppend) {
  std::vector<std::shared_ptr<int>> statuses;
  for (int i = 0; i < 10; i++) statuses.push_back(post(event("d" + std::to_string(i))));
  turn();
  ASSERT_EQ(log_.held.size(), 1U);
  uint32_t records = 0;
  for (const log::Batch& b : log_.held.front().batches) records += b.count;
  EXPECT_EQ(records, 10U);
  log_.answer({});
  for (const auto& s : statuses) EXPECT_EQ(*s, 200);
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
  EXPECT_EQ(*status, 0);
  log_.answer({});
  EXPECT_EQ(*status, 200);
}

TEST_F(CaptureServiceTest, AnyFailureOfTheLogIs503AndSaysWhenToRetry) {
  for (const Code code : {Code::kBusy, Code::kExhausted, Code::kMaybe, Code::kUnavailable}) {
    const auto status = post(event());
    turn();
    log_.answer(fail(code, "no"));
    EXPECT_EQ(*status, 503) << code_name(code);
    EXPECT_TRUE(target_->retry_after);
  }
}

TEST_F(CaptureServiceTest, WhatWaitsIsBounded) {
  CaptureOptions options;
  options.requests_waiting_max = 5;
  make(options);
  std::vector<std::shared_ptr<int>> statuses;
  for (int i = 0; i < 8; i++) statuses.push_back(post(event()));
  turn();
  for (size_t i = 0; i < 8; i++) EXPECT_EQ(*statuses[i], i < 5 ? 0 : 503);
  log_.answer({});
  EXPECT_EQ(*post(event()), 0) << "room again";

  options = {};
  options.bytes_waiting_max = 2000;
  make(options);
  const std::string large = event(std::string(100, 'x') + R"(","properties":{"p":")" +
                                  std::string(2500, 'y') + "\"}, \"x\":\"");
  EXPECT_EQ(*post(large), 0);
  EXPECT_EQ(*post(large), 503);
}

TEST_F(CaptureServiceTest, NotReadyMeans503) {
  service_->set_ready(false);
  EXPECT_EQ(*post(event()), 503);
  EXPECT_TRUE(target_->retry_after);
  turn();
  EXPECT_TRUE(log_.held.empty());
}

TEST_F(CaptureServiceTest, WhatIsRefusedIsRecordedForTheTrace) {
  EXPECT_EQ(*post(R"({"api_key":"phc_t","batch":[{"event":"e",)"
                  R"("uuid":"0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012"}]})"),
            400);
  turn();
  ASSERT_EQ(log_.held.size(), 1U);
  EXPECT_EQ(log_.held.front().topic, event::kTopicRefused);
  EXPECT_NE(log_.held.front().batches.front().data.find("missing_distinct_id"), std::string::npos);
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
  EXPECT_EQ(*status, 200);
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
