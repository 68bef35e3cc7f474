// Undoing merges: both persons are as if the merge had not happened.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

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
using testing::World;

std::string member(const std::string& report, std::string_view key) {
  const auto fields = event::JsonFields::parse(report);
  return fields ? std::string(fields->find(key).value_or("absent")) : "not JSON";
}

void expect_same(Story& a, Story& b, const std::vector<std::string>& ids,
                 const std::string& what = "") {
  const auto left = a.persons(ids), right = b.persons(ids);
  for (const std::string& id : ids) {
    ASSERT_EQ(left.contains(id), right.contains(id)) << id << " " << what;
    if (!left.contains(id)) continue;
    const PersonSeen &l = left.at(id), &r = right.at(id);
    EXPECT_EQ(l.id.text(), r.id.text()) << id << " " << what;
    EXPECT_EQ(l.properties, r.properties) << id << " " << what;
    EXPECT_EQ(l.created_at_ms, r.created_at_ms) << id << " " << what;
    EXPECT_EQ(l.is_identified, r.is_identified) << id << " " << what;
    EXPECT_EQ(l.distinct_ids, r.distinct_ids) << id << " " << what;
  }
}

const std::vector<std::string> kIds{"a1", "a2", "a3", "d1", "b1", "b2", "b3", "e1"};

TEST(UndoMerge, BothPersonsAreAsIfItHadNotHappened) {
  const std::vector<StoryEvent> before{set_event(1, "a1", R"({"plan":"free","from":"a"})"),
                                       merge_event(2, "a2", "a1"),
                                       set_event(3, "b1", R"({"plan":"pro"})")};
  const StoryEvent merge = merge_event(4, "a1", "b1", R"({"email":"x"})", "$merge_dangerously");
  const std::vector<StoryEvent> after{set_event(5, "a2", R"({"plan":"team"})"),
                                      set_event(6, "b1", R"({"seats":3})"),
                                      merge_event(7, "b2", "b1"), set_event(8, "b2", R"({"y":1})")};
  Story real(1), other(1);
  for (Story* s : {&real, &other}) {
    s->tell(before);
    s->tell({s == &real ? merge : without_merge(merge)});
    s->tell(after);
  }
  ASSERT_EQ(real.person("a1")->id, real.person("b1")->id);
  const World::Report report = real.undo("b1", 4);
  EXPECT_EQ(report.state, "done") << report.report;
  EXPECT_EQ(member(report.report, "exact"), "true");
  EXPECT_EQ(member(report.report, "restored_ids"), "2");
  EXPECT_EQ(member(report.report, "person_ids"), "2");
  EXPECT_EQ(real.person("a2")->properties["plan"], R"("team")");
  EXPECT_EQ(real.person("b1")->properties["plan"], R"("pro")");
  EXPECT_FALSE(real.person("b1")->properties.contains("from"));
  expect_same(real, other, kIds);
  // The history of both says so, and it is not undone twice.
  for (const char* id : {"a1", "b1"}) {
    const auto merges = real.merges(id);
    const auto found = std::ranges::find(merges, Story::uuid(4), &event::PersonMerge::event_uuid);
    ASSERT_NE(found, merges.end()) << id;
    EXPECT_TRUE(found->undone);
  }
  EXPECT_EQ(real.undo("b1", 4).state, "failed");
  // What comes later goes to each its own.
  for (Story* s : {&real, &other}) {
    s->tell({set_event(20, "a1", R"({"z":1})"), set_event(21, "b2", R"({"z":2})")});
  }
  expect_same(real, other, kIds);
}

TEST(UndoMerge, AnIdThatWasAddedIsTakenOffAgain) {
  for (const bool anon_first : {true, false}) {
    Story real(2), other(2);
    for (Story* s : {&real, &other}) {
      const StoryEvent merge = merge_event(2, "a1", "b1", R"({"email":"x"})");
      s->tell({set_event(1, anon_first ? "a1" : "b1", R"({"x":1})")});
      s->tell({s == &real ? merge : without_merge(merge)});
      s->tell({set_event(3, "b1", R"({"y":1})"), set_event(4, "a1", R"({"y":2})")});
    }
    EXPECT_EQ(real.undo("b1", 2).state, "done");
    expect_same(real, other, kIds, anon_first ? "anon first" : "user first");
  }
  // Neither had a person.
  Story real(3), other(3);
  for (Story* s : {&real, &other}) {
    const StoryEvent merge = merge_event(2, "a1", "b1", R"({"email":"x"})");
    s->tell({s == &real ? merge : without_merge(merge)});
    s->tell({set_event(3, "b1", R"({"y":1})"), set_event(4, "a1", R"({"y":2})")});
  }
  EXPECT_EQ(real.undo("b1", 2).state, "done");
  expect_same(real, other, kIds, "neither");
}

/// Merges within each family, ordinary events, and the one merge between both.
std::vector<StoryEvent> random_story(std::mt19937_64& random, size_t& merge_at) {
  const std::vector<std::vector<std::string>> families{{"a1", "a2", "a3", "d1"},
                                                       {"b1", "b2", "b3", "e1"}};
  const auto pick = [&](size_t n) { return static_cast<size_t>(random() % n); };
  std::vector<StoryEvent> out;
  const size_t count = 6 + pick(14);
  merge_at = 1 + pick(count - 2);
  for (size_t i = 0; i < count; i++) {
    const uint64_t n = i + 1;
    const std::string value = std::to_string(pick(3));
    const std::string key(1, static_cast<char>('p' + pick(4)));
    const auto& family = families[pick(2)];
    const std::string id = family[pick(4)];
    if (i == merge_at) {
      out.push_back(merge_event(n, families[0][pick(4)], families[1][pick(4)],
                                "{\"" + key + "\":" + value + "}", "$merge_dangerously"));
    } else if (pick(4) == 0) {
      out.push_back(merge_event(n, family[pick(4)], id, "{}", "$merge_dangerously"));
    } else {
      const char* members[] = {"$set", "$set_once", "$set"};
      std::string properties =
          std::string("{\"") + members[pick(3)] + "\":{\"" + key + "\":" + value + "}";
      if (pick(5) == 0)
        properties += R"(,"$unset":[")" + std::string(1, static_cast<char>('p' + pick(4))) + "\"]";
      if (pick(6) == 0) properties += R"(,"$process_person_profile":false)";
      out.push_back({n, id, "seen", properties + "}"});
    }
  }
  return out;
}

TEST(UndoMerge, EqualsTheHistoryWithoutTheMerge) {
  // Goal: an undo restores exactly. Method: random histories over three partitions, told in
  // groups, with one merge between two families of ids; undone, against the same without it.
  for (uint64_t seed = 1; seed <= 500; seed++) {
    std::mt19937_64 random(seed);
    size_t merge_at = 0;
    const std::vector<StoryEvent> events = random_story(random, merge_at);
    const uint64_t n = events[merge_at].n;
    // Every other time as if persons lived on another machine.
    Story real(seed, {.persons_block = seed % 2 == 0}), other(seed);
    for (size_t i = 0; i < events.size();) {
      const size_t group = std::min<size_t>(1 + random() % 3, events.size() - i);
      std::vector<StoryEvent> own(events.begin() + static_cast<std::ptrdiff_t>(i),
                                  events.begin() + static_cast<std::ptrdiff_t>(i + group));
      real.tell(own);
      for (StoryEvent& e : own) {
        if (e.n == n) e = without_merge(e);
      }
      other.tell(own);
      i += group;
    }
    const World::Report report = real.undo(events[merge_at].distinct_id, n);
    ASSERT_EQ(report.state, "done") << report.report << " seed " << seed;
    expect_same(real, other, kIds, "seed " + std::to_string(seed));
    if (::testing::Test::HasFailure()) {
      for (const StoryEvent& e : events) {
        std::fprintf(stderr, "%lu %s %s %s\n", e.n, e.distinct_id.c_str(), e.event.c_str(),
                     e.properties.c_str());
      }
      return;
    }
  }
}

}  // namespace
}  // namespace penstock::ingest
