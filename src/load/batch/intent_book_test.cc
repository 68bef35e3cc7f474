// Which batches count, by the order of their records alone.
#include "load/batch/intent_book.h"

#include <gtest/gtest.h>

#include <vector>

namespace penstock::load {
namespace {

Intent batch(uint8_t of, uint64_t sequence, std::vector<Range> ranges) {
  Intent out;
  out.epoch.bytes[0] = of;
  out.sequence = sequence;
  out.ranges = std::move(ranges);
  return out;
}

class IntentBookTest : public ::testing::Test {
 protected:
  void apply(const std::string& record) {
    ASSERT_TRUE(book_.apply(Offset{at_++}, record).has_value());
    records_.push_back(record);
  }
  int64_t end(size_t partition) { return book_.end(partition).value_or(Offset{-1}).value; }

  IntentBook book_{2};
  int64_t at_ = 0;
  std::vector<std::string> records_;
};

TEST_F(IntentBookTest, OfTwoThatOverlapTheFirstCounts) {
  const Intent first = batch(1, 1, {{{0}, {0}, {10}}});
  const Intent second = batch(2, 1, {{{0}, {0}, {20}}, {{1}, {0}, {5}}});
  apply(intent_record(first));
  apply(intent_record(second));
  EXPECT_NE(book_.find(first), nullptr);
  EXPECT_EQ(book_.find(second), nullptr);
  EXPECT_EQ(end(0), 10);
  EXPECT_EQ(end(1), -1);  // all of it or nothing
  // What was written twice, because no answer came, is one batch, and none once it is stored.
  apply(intent_record(first));
  ASSERT_EQ(book_.open().size(), 1U);
  apply(stored_record(first));
  apply(intent_record(first));
  EXPECT_TRUE(book_.open().empty());
  // What retention deleted in between is left out.
  const Intent later = batch(2, 2, {{{0}, {50}, {60}}});
  apply(intent_record(later));
  EXPECT_EQ(end(0), 60);
}

TEST_F(IntentBookTest, ASplitGoesOnWhereItWas) {
  Intent one = batch(1, 1, {{{0}, {0}, {10}}});
  apply(intent_record(one));
  one.split = {true, 2, 3, 4};
  apply(split_record(one));
  ASSERT_EQ(book_.open().size(), 1U);
  EXPECT_EQ(book_.open()[0].split.table, 2U);
  EXPECT_EQ(book_.open()[0].split.at, 3U);
  EXPECT_EQ(book_.open()[0].batch_id(), one.batch_id());
  apply(stored_record(one));
  apply(split_record(one));
  EXPECT_TRUE(book_.open().empty());
}

TEST_F(IntentBookTest, ASnapshotSaysAllThatCameBefore) {
  apply(intent_record(batch(1, 1, {{{0}, {0}, {10}}})));
  Intent open = batch(2, 7, {{{0}, {10}, {12}}, {{1}, {3}, {9}}});
  open.split = {true, 1, 0, 0};
  apply(intent_record(open));
  apply(stored_record(batch(1, 1, {})));
  apply(book_.snapshot());
  EXPECT_EQ(book_.begin().value, 3);
  apply(intent_record(batch(1, 2, {{{0}, {12}, {13}}})));

  IntentBook fresh(2);
  for (int64_t i = 3; i < at_; i++) {
    ASSERT_TRUE(fresh.apply(Offset{i}, records_[static_cast<size_t>(i)]).has_value());
  }
  EXPECT_EQ(fresh.snapshot(), book_.snapshot());
  EXPECT_EQ(fresh.open().size(), 2U);
}

TEST_F(IntentBookTest, ASnapshotThatSomethingCameBeforeIsNone) {
  apply(intent_record(batch(1, 1, {{{0}, {0}, {10}}})));
  const std::string late = book_.snapshot();
  apply(intent_record(batch(1, 2, {{{0}, {10}, {20}}})));
  apply(late);
  EXPECT_EQ(end(0), 20);
  EXPECT_EQ(book_.begin().value, 0);
}

TEST_F(IntentBookTest, QuestionsAreAnsweredByPartitionsAndChangeNothing) {
  const Intent question = batch(7, 1, {}), other = batch(8, 1, {});
  apply(intent_record(batch(1, 1, {{{0}, {0}, {10}}})));
  apply(answer_record(question, {{{0}, {0}, {5}}}));
  EXPECT_EQ(book_.question(question), nullptr) << "nobody asked by then";
  apply(question_record(question));
  apply(question_record(other));
  ASSERT_NE(book_.question(question), nullptr);
  const uint64_t asked = book_.question(question)->asked;
  apply(answer_record(question, {{{0}, {4}, {20}}}));
  apply(answer_record(question, {{{0}, {6}, {15}}}));
  EXPECT_FALSE(book_.question(question)->partitions[1]);
  EXPECT_EQ(book_.question(question)->partitions[0]->from, Offset{6});
  EXPECT_EQ(book_.question(question)->partitions[0]->to, Offset{20});
  EXPECT_FALSE(book_.question(other)->partitions[0]);
  // Asked again it keeps what was answered.
  apply(question_record(question));
  EXPECT_GT(book_.question(question)->asked, asked);
  EXPECT_TRUE(book_.question(question)->partitions[0]);
  EXPECT_EQ(end(0), 10);
  EXPECT_EQ(book_.open().size(), 1U);
  for (uint8_t i = 0; i < 4; i++) apply(question_record(batch(20, i, {})));
  EXPECT_EQ(book_.questions().size(), 4U);
  EXPECT_EQ(book_.question(question), nullptr) << "the oldest is forgotten";
}

TEST_F(IntentBookTest, WhatItCannotReadIsAnError) {
  for (const std::string& bad :
       {std::string(), std::string("\x09"), std::string("\x01 no intent"),
        intent_record(batch(1, 1, {{{2}, {0}, {1}}})), std::string("\x04\0\0\0\0\0\0\0\0", 9)}) {
    IntentBook book(2);
    EXPECT_FALSE(book.apply(Offset{0}, bad).has_value()) << bad.size();
  }
  const Intent question = batch(7, 1, {});
  apply(question_record(question));
  const std::string beyond = answer_record(question, {{{2}, {0}, {1}}});
  EXPECT_FALSE(book_.apply(Offset{at_}, beyond).has_value());
}

}  // namespace
}  // namespace penstock::load
