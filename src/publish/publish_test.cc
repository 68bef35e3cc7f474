// Goal: every record of the processed topic becomes its messages, in order, in the topic of its
// kind and in the partition of its key; what is refused is tried again, a restart goes on where it
// was, and what is too large is told. Method: the stage over a log in memory that can be told to
// refuse.
#include "publish/publish.h"

#include <gtest/gtest.h>

#include <map>

#include "base/hash.h"
#include "event/lane.h"
#include "event/messages.h"
#include "log/forwarding_log.h"
#include "log/memory_log.h"
#include "log/testing/batch.h"
#include "publish/row_message.h"
#include "runtime/sim_runtime.h"

namespace penstock::publish {
namespace {

constexpr int32_t kPartitions = 3;

class Refusing : public log::ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  void append(runtime::Loop& home, std::string topic, std::vector<log::Batch> batches,
              log::AppendDone done) override {
    if (topic == refuses && times > 0) {
      times--;
      home.post([done = std::move(done)]() mutable { done(fail(Code::kBusy, "not now")); });
      return;
    }
    ForwardingLog::append(home, std::move(topic), std::move(batches), std::move(done));
  }
  std::string_view refuses;
  int times = 0;
};

class PublishTest : public ::testing::Test {
 protected:
  PublishTest() : log_(log::make_memory_log(runtime_)) {
    std::vector<log::TopicSpec> topics;
    const auto add = [&](std::string_view name) {
      topics.push_back(
          {.name = std::string(name), .partitions = kPartitions, .required_groups = {}});
    };
    add(event::kTopicProcessed);
    for (const std::string_view name : event::kMessageTopics) add(name);
    EXPECT_TRUE(log_.start(std::move(topics)).has_value());
  }

  void decide(int32_t partition, const event::ProcessedRecord& record) {
    std::string bytes;
    event::encode(record, bytes);
    append(partition, bytes);
  }
  void append(int32_t partition, const std::string& record) {
    bool done = false;
    log_.append(loop_, std::string(event::kTopicProcessed), {log::batch_of(partition, {record})},
                [&](const Result<std::vector<log::Appended>>& r) { done = r.has_value(); });
    runtime_.run_until([&] { return done; });
  }

  static event::Outcome event_of(uint8_t n, std::string_view name = "e") {
    event::Outcome o;
    o.project = {7};
    o.uuid.bytes[15] = n;
    o.row.event = name;
    o.row.properties = o.row.person_properties = "{}";
    o.row.distinct_id = "d";
    return o;
  }

  void start(PublishOptions options = {}) {
    stage_ = Publish::make(loop_, runtime_, log_, options);
    ASSERT_TRUE(stage_->start().has_value());
  }
  void wait_for(uint64_t records) {
    runtime_.run_until([&] { return stage_->stats().records >= records; },
                       std::chrono::seconds(60));
    ASSERT_EQ(stage_->stats().records, records);
  }
  void stop() {
    bool done = false;
    stage_->stop([&] { done = true; });
    runtime_.run_until([&] { return done; });
    stage_.reset();
  }

  struct Message {
    std::string key, text;
    std::string_view product;
  };
  std::vector<Message> messages(std::string_view topic, int32_t partition) {
    std::vector<Message> out;
    bool done = false;
    log_.fetch(loop_, {std::string(topic), {{{partition}, {0}}}, 4U << 20, 0},
               [&](const Result<log::FetchResult>& got) {
                 done = true;
                 if (!got) return;
                 for (const log::ReadBatch& batch : got->batches) {
                   for (const std::string_view record : batch.records) {
                     auto m = decode_row_message(record);
                     ASSERT_TRUE(m.has_value());
                     EXPECT_TRUE(m->key.empty() || partition_of(m->key, kPartitions) == partition);
                     out.push_back({m->key, std::string(m->text), m->product});
                   }
                 }
               });
    runtime_.run_until([&] { return done; });
    return out;
  }
  std::vector<Message> all(std::string_view topic) {
    std::vector<Message> out;
    for (int32_t p = 0; p < kPartitions; p++) {
      for (Message& m : messages(topic, p)) out.push_back(std::move(m));
    }
    return out;
  }

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  Refusing log_;
  std::unique_ptr<Publish> stage_;
};

TEST_F(PublishTest, every_record_becomes_its_messages_under_its_key) {
  decide(0, event_of(1));
  decide(1, event_of(2, "$ai_generation"));
  auto dropped = event_of(3);
  dropped.kind = event::OutcomeKind::kDropped;
  decide(0, dropped);
  for (uint64_t version = 0; version < 4; version++) {
    decide(2, event::PersonChange{{7}, Uuid{}, "{}", 0, false, false, version, {}});
  }
  decide(2, event::DistinctIdChange{{7}, "a", Uuid{}, false, 0});
  decide(2, event::GroupChange{{7}, 1, "acme", "{}", 0, 1});
  decide(2, event::IngestionWarning{{7}, "t", "capture", "{}", 0});
  start();
  wait_for(10);
  const auto events = all(event::kMessagesEvents);
  ASSERT_EQ(events.size(), 2U);
  for (const Message& m : events) {
    EXPECT_NE(m.text.find("\"uuid\":\"" + m.key + "\""), std::string::npos);
    EXPECT_EQ(m.product, m.text.find("$ai_") == std::string::npos ? "general" : "llma");
  }
  const auto persons = all(event::kMessagesPersons);
  ASSERT_EQ(persons.size(), 4U);
  for (size_t i = 0; i < persons.size(); i++) {
    EXPECT_NE(persons[i].text.find("\"version\":" + std::to_string(i)), std::string::npos);
    EXPECT_EQ(persons[i].product, "");
  }
  EXPECT_EQ(all(event::kMessagesDistinctIds).at(0).key, "7:a");
  EXPECT_EQ(all(event::kMessagesGroups).at(0).key, "7:1:acme");
  EXPECT_EQ(all(event::kMessagesWarnings).size(), 1U);
  EXPECT_EQ(stage_->stats().lag_records, 0U);
}

TEST_F(PublishTest, what_is_refused_is_repeated_and_a_restart_goes_on) {
  log_.refuses = event::kMessagesEvents;
  log_.times = 5;
  for (uint8_t n = 0; n < 50; n++) decide(n % kPartitions, event_of(n));
  decide(0, event::DistinctIdChange{{7}, "a", Uuid{}, false, 0});
  start({.fetch_bytes_max = 500, .batch_bytes_max = 700});
  wait_for(51);
  EXPECT_GE(stage_->stats().retries, 5U);
  EXPECT_EQ(stage_->stats().last_error, "");
  stop();
  for (uint8_t n = 50; n < 60; n++) decide(0, event_of(n));
  start();
  wait_for(10);
  std::map<std::string, int> seen;
  for (const Message& m : all(event::kMessagesEvents)) seen[m.key]++;
  EXPECT_EQ(seen.size(), 60U);
  for (const auto& [key, times] : seen) EXPECT_EQ(times, 1) << key;
  EXPECT_EQ(all(event::kMessagesDistinctIds).size(), 1U);
}

TEST_F(PublishTest, a_message_that_no_topic_takes_becomes_a_warning) {
  auto large = event_of(1);
  const std::string properties = R"({"p":")" + std::string(5000, 'x') + "\"}";
  large.row.properties = properties;
  decide(0, large);
  decide(0, event_of(2));
  start({.message_bytes_max = 4000});
  wait_for(2);
  EXPECT_EQ(all(event::kMessagesEvents).size(), 1U);
  const auto warnings = all(event::kMessagesWarnings);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].text.find("message_size_too_large"), std::string::npos);
  EXPECT_NE(warnings[0].text.find(large.uuid.text()), std::string::npos);
}

TEST_F(PublishTest, a_record_of_another_version_stops_it_and_says_so) {
  append(0, "\xff what is this");
  start();
  runtime_.run_until([&] { return !stage_->stats().last_error.empty(); });
  EXPECT_NE(stage_->stats().last_error, "");
  EXPECT_EQ(stage_->stats().messages, 0U);
}

TEST(RowMessage, is_what_it_was_and_refuses_what_it_is_not) {
  for (const std::string_view product : {"", "general", "llma"}) {
    std::string bytes;
    encode({product, "the key", "{\"text\":1}"}, bytes);
    const auto back = decode_row_message(bytes);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->product, product);
    EXPECT_EQ(back->key, "the key");
    EXPECT_EQ(back->text, "{\"text\":1}");
  }
  EXPECT_FALSE(decode_row_message(""));
  EXPECT_FALSE(decode_row_message("\x09"));
  EXPECT_FALSE(decode_row_message(std::string("\x01\x20short", 7)));
}

}  // namespace
}  // namespace penstock::publish
