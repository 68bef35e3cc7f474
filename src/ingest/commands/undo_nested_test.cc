// Merges on merges: what an undo means for the others.
#include <gtest/gtest.h>

#include <algorithm>

#include "event/json_fields.h"
#include "event/person_command.h"
#include "ingest/testing/story.h"

namespace penstock::ingest {
namespace {

using testing::merge_event;
using testing::PersonSeen;
using testing::set_event;
using testing::Story;
using testing::StoryEvent;
using testing::without_merge;

constexpr const char* kDangerous = "$merge_dangerously";
const std::vector<std::string> kIds{"a", "a2", "b", "c"};

void expect_same(Story& a, Story& b) {
  const auto left = a.persons(kIds), right = b.persons(kIds);
  for (const std::string& id : kIds) {
    ASSERT_EQ(left.contains(id), right.contains(id)) << id;
    if (left.contains(id)) {
      EXPECT_EQ(left.at(id), right.at(id)) << id;
    }
  }
}

/// Persons a, b and c; tells these events, those in `undone` without their merge.
void tell(Story& s, const std::vector<StoryEvent>& events, const std::vector<uint64_t>& left_out) {
  s.tell({set_event(1, "a", R"({"of":"a","x":1})"), set_event(2, "b", R"({"of":"b","y":1})"),
          set_event(3, "c", R"({"of":"c","z":1})")});
  for (const StoryEvent& e : events) {
    s.tell({std::ranges::find(left_out, e.n) == left_out.end() ? e : without_merge(e)});
  }
}

TEST(UndoNested, AnOlderMergeWhileANewerOneStands) {
  // a into b, then b into c; the first is undone: a alone, b and c together.
  const std::vector<StoryEvent> events{
      merge_event(4, "a", "b", "{}", kDangerous), set_event(5, "a", R"({"late":"a"})"),
      merge_event(6, "b", "c", "{}", kDangerous), set_event(7, "b", R"({"late":"b"})")};
  Story real(1), other(1);
  tell(real, events, {});
  tell(other, events, {4});
  EXPECT_EQ(real.undo("c", 4).state, "done");
  expect_same(real, other);
  // Then the newer one too.
  Story none(1);
  tell(none, events, {4, 6});
  EXPECT_EQ(real.undo("c", 6).state, "done");
  expect_same(real, none);
}

TEST(UndoNested, TheNewerFirstThenTheOlder) {
  const std::vector<StoryEvent> events{
      merge_event(4, "a", "b", "{}", kDangerous), merge_event(5, "b", "c", "{}", kDangerous),
      set_event(6, "a", R"({"late":"a"})"), set_event(7, "c", R"({"late":"c"})")};
  Story real(2), newer(2), both(2);
  tell(real, events, {});
  tell(newer, events, {5});
  tell(both, events, {4, 5});
  EXPECT_EQ(real.undo("c", 5).state, "done");
  expect_same(real, newer);
  EXPECT_EQ(real.undo("b", 4).state, "done");
  expect_same(real, both);
  EXPECT_EQ(real.undo("b", 4).state, "failed") << "twice";
}

TEST(UndoNested, AMergeThatOnlyTheUndoneOneBroughtThere) {
  // a into b, then c joins through a: without the first merge, c is a's.
  const std::vector<StoryEvent> events{merge_event(4, "a", "b", "{}", kDangerous),
                                       merge_event(5, "c", "a", "{}", kDangerous),
                                       set_event(6, "c", R"({"late":"c"})")};
  Story real(3), other(3), none(3);
  tell(real, events, {});
  tell(other, events, {4});
  tell(none, events, {4, 5});
  EXPECT_EQ(real.undo("b", 4).state, "done");
  EXPECT_EQ(real.person("c")->id, real.person("a")->id);
  expect_same(real, other);
  // Its own history says so, and it can be undone from there.
  EXPECT_EQ(real.undo("a", 5).state, "done");
  expect_same(real, none);
}

TEST(UndoNested, WhatWouldJoinBothSidesAgainJoinsNobody) {
  const std::vector<StoryEvent> events{merge_event(4, "a", "b", "{}", kDangerous),
                                       merge_event(5, "a", "b", R"({"again":1})", kDangerous),
                                       set_event(6, "a", R"({"late":1})")};
  Story real(4), other(4);
  tell(real, events, {});
  tell(other, events, {4, 5});
  EXPECT_EQ(real.undo("b", 4).state, "done");
  expect_same(real, other);
}

TEST(UndoNested, AfterAnUndoTheSameEventMergesAgainAndThatIsUndoneToo) {
  Story real(5), other(5);
  for (Story* s : {&real, &other}) {
    tell(*s, {merge_event(4, "a", "b", R"({"n":4})", kDangerous)},
         s == &other ? std::vector<uint64_t>{4} : std::vector<uint64_t>{});
  }
  EXPECT_EQ(real.undo("b", 4).state, "done");
  expect_same(real, other);
  const StoryEvent again = merge_event(8, "a", "b", R"({"n":8})", kDangerous);
  real.tell({again});
  other.tell({without_merge(again)});
  EXPECT_EQ(real.person("a")->id, real.person("b")->id);
  EXPECT_EQ(real.undo("b", 8).state, "done");
  expect_same(real, other);
  EXPECT_EQ(real.merges("b").size(), 2U);
}

TEST(UndoNested, AnIdTakenOffByHandStaysOff) {
  Story s(6);
  tell(s, {merge_event(4, "a2", "a", "{}"), merge_event(5, "a", "b", "{}", kDangerous)}, {});
  const auto b = s.person("b");
  const auto taken = s.world.report_of(s.world.command(
      event::kTakeIds, R"({"person":")" + b->id.text() + R"(","distinct_ids":["a2"]})"));
  ASSERT_EQ(taken.state, "done") << taken.report;
  EXPECT_TRUE(s.person("a2")->properties.empty()) << "as PostHog's split does it";
  const Uuid own = s.person("a2")->id;
  EXPECT_EQ(own, persons::person_uuid({1}, "a2"));
  EXPECT_EQ(s.undo("b", 5).state, "done");
  EXPECT_EQ(s.person("a2")->id, own);
  EXPECT_EQ(s.person("a")->distinct_ids, std::set<std::string>{"a"});
  // The same event again brings it back: it says so.
  s.tell({merge_event(9, "a2", "a", "{}", kDangerous)});
  EXPECT_EQ(s.person("a2")->id, s.person("a")->id);
}

TEST(TakeIds, RefusesWhatItCannotDo) {
  Story s(7);
  tell(s, {merge_event(4, "a2", "a", "{}")}, {});
  const std::string a = s.person("a")->id.text();
  const auto ask = [&](const std::string& ids) {
    return s.world.report_of(s.world.command(
        event::kTakeIds, R"({"person":")" + a + R"(","distinct_ids":)" + ids + "}"));
  };
  for (const char* wrong : {"[]", R"(["b"])", R"(["a"])", R"(["a","a2"])", R"(["nobody"])"}) {
    EXPECT_EQ(ask(wrong).state, "failed") << wrong;
  }
  EXPECT_EQ(s.person("a2")->id.text(), a);
  EXPECT_EQ(s.world.report_of(s.world.command("make_coffee", "{}")).state, "failed");
  EXPECT_EQ(s.world.report_of(s.world.command(event::kUndoMerge, "{}")).state, "failed");
  EXPECT_EQ(ask(R"(["a2"])").state, "done");
}

TEST(UndoMerge, WithoutTheLogThatReachesBackSaysSo) {
  // The snapshots are what is left: the source as it was, the target without what only it had.
  Story s(8);
  tell(s, {merge_event(4, "a", "b", "{}", kDangerous), set_event(5, "b", R"({"late":1})")}, {});
  s.world.forget_processed();
  s.tell({set_event(6, "a", R"({"new":1})")});
  const auto report = s.undo("b", 4);
  EXPECT_EQ(report.state, "done") << report.report;
  EXPECT_NE(report.report.find("\"exact\":false"), std::string::npos) << report.report;
  EXPECT_EQ(s.person("a")->properties["of"], R"("a")");
  EXPECT_EQ(s.person("a")->properties["new"], "1");
  EXPECT_EQ(s.person("b")->properties["late"], "1");
  EXPECT_EQ(s.person("b")->properties["of"], R"("b")");
  EXPECT_FALSE(s.person("b")->properties.contains("x"));
}

}  // namespace
}  // namespace penstock::ingest
