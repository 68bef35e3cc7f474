// Frames: round trips, damaged bytes, and which frames of a partition count. Method: values by
// hand.
#include "log/kafka/frame.h"

#include <gtest/gtest.h>

#include "log/kafka/client.h"
#include "log/kafka/state.h"

namespace penstock::log::kafka {
namespace {

Frame batch(int64_t epoch, int64_t base, uint32_t count) {
  return {FrameKind::kBatch, epoch, base, 3, base + count, count, "x"};
}

TEST(Frame, comes_back_as_it_was) {
  std::string text;
  encode({FrameKind::kBatch, 5, -1, 7, 1LL << 40, 2, "data"}, text);
  const auto f = decode_frame(text);
  ASSERT_TRUE(f);
  EXPECT_EQ(f->epoch, 5);
  EXPECT_EQ(f->base, -1);
  EXPECT_EQ(f->producer, 7U);
  EXPECT_EQ(f->sequence, 1LL << 40);
  EXPECT_EQ(f->count, 2U);
  EXPECT_EQ(f->data, "data");
}

TEST(Frame, what_is_cut_or_of_another_kind_is_corrupt) {
  std::string text;
  encode({FrameKind::kFence, 5, 0, 0, 0, 0, ""}, text);
  for (size_t cut = 0; cut < text.size(); cut++) {
    EXPECT_EQ(decode_frame(std::string_view(text).substr(0, cut)).error().code, Code::kCorrupt);
  }
  std::string other = text;
  other[1] = 3;
  EXPECT_FALSE(decode_frame(other));
  other = text;
  other[0] = 2;
  EXPECT_FALSE(decode_frame(other));
}

TEST(FrameOrder, a_fence_shuts_out_what_older_processes_still_had_under_way) {
  FrameOrder order;
  EXPECT_TRUE(order.take(batch(1, 0, 2)));
  EXPECT_TRUE(order.take(batch(1, 2, 1)));
  EXPECT_FALSE(order.take({FrameKind::kFence, 2, 3, 0, 0, 0, ""}));
  EXPECT_FALSE(order.take(batch(1, 3, 4))) << "late";
  EXPECT_TRUE(order.take(batch(2, 3, 1)));
  EXPECT_FALSE(order.take(batch(2, 3, 1))) << "the offsets are taken";
  EXPECT_EQ(order.end, 4);
}

TEST(FrameOrder, reading_may_begin_anywhere) {
  FrameOrder order;
  EXPECT_TRUE(order.take(batch(4, 100, 5)));
  EXPECT_EQ(order.end, 105);
}

TEST(Checkpoint, comes_back_as_it_was_and_nothing_else_is_one) {
  const Checkpoint c{12, 34, true, 11, {{1, 56}, {7, -1}}};
  const auto back = decode_checkpoint(encode_checkpoint(c));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->epoch, 12);
  EXPECT_EQ(back->end, 34);
  EXPECT_TRUE(back->clean);
  EXPECT_EQ(back->seen, 11);
  EXPECT_EQ(back->sequences, c.sequences);
  const auto older = decode_checkpoint("1 12 34 0 1=56"), quiet = decode_checkpoint("1 12 34 1");
  ASSERT_TRUE(older && quiet);
  EXPECT_EQ(older->epoch, 12);
  EXPECT_EQ(older->seen, -1) << "what an older process left may lie behind it";
  EXPECT_EQ(older->sequences, (std::map<uint64_t, int64_t>{{1, 56}}));
  EXPECT_EQ(quiet->seen, 12);
  for (const char* wrong :
       {"", "2 1 1 1", "3 1 1 1 1", "1 1", "1 1 1 0 5", "1 1 1 0 5=x", "1 1 1 0x"}) {
    EXPECT_FALSE(decode_checkpoint(wrong)) << wrong;
  }
}

TEST(TopicRisks, of_a_topic_that_is_safe_there_are_none) {
  TopicFacts facts{8,
                   3,
                   {{"min.insync.replicas", "2"},
                    {"unclean.leader.election.enable", "false"},
                    {"cleanup.policy", "delete"},
                    {"retention.ms", "-1"},
                    {"retention.bytes", "-1"},
                    {"max.message.bytes", "100000000"}}};
  TopicSpec spec;
  EXPECT_TRUE(topic_risks(facts, spec).empty());
  const auto risky = [&](const char* name, const char* value) {
    TopicFacts other = facts;
    other.settings[name] = value;
    return topic_risks(other, spec).size();
  };
  EXPECT_EQ(risky("min.insync.replicas", "1"), 1U);
  EXPECT_EQ(risky("min.insync.replicas", "3"), 1U);
  EXPECT_EQ(risky("unclean.leader.election.enable", "true"), 1U);
  EXPECT_EQ(risky("cleanup.policy", "compact,delete"), 1U);
  EXPECT_EQ(risky("retention.ms", "1000"), 1U);
  EXPECT_EQ(risky("retention.bytes", "1000"), 1U);
  EXPECT_EQ(risky("max.message.bytes", "1048588"), 1U);
  spec.retention_ms = 1000;
  EXPECT_EQ(risky("retention.ms", "1000"), 0U) << "as it was asked for";
  facts.replicas = 1;
  EXPECT_EQ(topic_risks(facts, spec).size(), 1U);
}

TEST(KafkaErrors, callers_act_on_them) {
  EXPECT_EQ(error_of(RD_KAFKA_RESP_ERR__QUEUE_FULL, "x").code, Code::kBusy);
  EXPECT_EQ(error_of(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, "x").code, Code::kMaybe);
  EXPECT_EQ(error_of(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, "x").code, Code::kUnavailable);
  EXPECT_EQ(error_of(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "x").code, Code::kInvalid);
  EXPECT_EQ(error_of(RD_KAFKA_RESP_ERR__AUTHENTICATION, "x").code, Code::kDenied);
  EXPECT_EQ(error_of(RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, "x").code, Code::kExhausted);
  EXPECT_EQ(error_of(RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, "x").code, Code::kNotFound);
}

}  // namespace
}  // namespace penstock::log::kafka
