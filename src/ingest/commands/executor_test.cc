// Commands through failures: each is carried out once; a deletion reaches every place.
#include <gtest/gtest.h>

#include "event/person_command.h"
#include "ingest/testing/story.h"

namespace penstock::ingest {
namespace {

using testing::merge_event;
using testing::set_event;
using testing::Story;
using testing::without_merge;
using testing::World;

std::string person_body(const Uuid& id) { return R"({"person":")" + id.text() + "\"}"; }

TEST(DeletePerson, NothingIsLeftAndALaterEventIsSomebodyNew) {
  IngestOptions options;
  std::vector<ErasedPerson> asked;
  int failures = 3;
  options.commands.places.push_back({"rows", [&](const ErasedPerson& p, ErasePlace::Done done) {
                                       asked.push_back(p);
                                       if (failures-- > 0) {
                                         done(fail(Code::kUnavailable, "not yet"));
                                       } else {
                                         done(R"({"rows":7})");
                                       }
                                     }});
  options.commands.places.push_back({"broken", [](const ErasedPerson&, ErasePlace::Done done) {
                                       done(fail(Code::kInvalid, "no"));
                                     }});
  options.commands.attempts_max = 5;
  Story s(1, options);
  s.tell({set_event(1, "anon", R"({"email":"secret"})"), set_event(2, "me", R"({"x":1})"),
          set_event(3, "else", R"({"x":1})")});
  s.tell({merge_event(4, "anon", "me", "{}", "$merge_dangerously")});
  const Uuid me = s.person("me")->id;
  const auto report = s.world.report_of(s.world.command(event::kDeletePerson, person_body(me)));
  EXPECT_EQ(report.state, "failed") << "one place is broken, and said so";
  EXPECT_NE(report.report.find(R"("place":"persons","state":"done")"), std::string::npos);
  EXPECT_NE(report.report.find(R"("place":"rows","state":"done","rows":7)"), std::string::npos);
  EXPECT_NE(report.report.find(R"("place":"broken","state":"failed","error":"no")"),
            std::string::npos);
  EXPECT_EQ(report.report.find("anon"), std::string::npos) << "ids are not kept";
  ASSERT_EQ(asked.size(), 4U);
  EXPECT_EQ(asked[0].distinct_ids.size(), 2U);
  EXPECT_EQ(asked[0].persons.size(), 2U) << "the one that had become part of it too";
  EXPECT_FALSE(s.person("me").has_value());
  EXPECT_FALSE(s.person("anon").has_value());
  EXPECT_TRUE(s.person("else").has_value());
  const auto history = s.world.persons().merges({1}, me);
  for (const std::string& bytes : history->records) {
    EXPECT_EQ(bytes.find("secret"), std::string::npos);
    EXPECT_EQ(bytes.find("anon"), std::string::npos);
  }
  EXPECT_EQ(s.world.report_of(s.world.command(event::kDeletePerson, person_body(me))).state,
            "failed")
      << "nobody is there any more";

  // From the log alone nobody comes back.
  const auto rebuilt = [&] {
    auto fresh = persons::make_person_store(kv::make_memory_kv());
    bool done = false;
    fresh->recover(s.world.log(), s.world.loop(), [&](const Status&) { done = true; });
    s.world.runtime().run_until([&] { return done; });
    return fresh;
  };
  EXPECT_FALSE((*rebuilt()->fetch({{{1}, "me"}}))[0].has_value());
  EXPECT_FALSE((*rebuilt()->get({1}, me)).has_value());

  // Later events: a new person, also when rebuilt.
  s.tell({set_event(20, "me", R"({"y":1})")});
  s.tell({merge_event(21, "anon", "me", "{}")});
  ASSERT_TRUE(s.person("me").has_value());
  EXPECT_FALSE(s.person("me")->properties.contains("x"));
  EXPECT_EQ(s.person("me")->distinct_ids, (std::set<std::string>{"anon", "me"}));
  const auto again = (*rebuilt()->fetch({{{1}, "me"}, {{1}, "anon"}}));
  ASSERT_TRUE(again[0].has_value() && again[1].has_value());
  EXPECT_EQ(again[0]->id, s.person("me")->id);
  EXPECT_EQ(again[0]->id, again[1]->id);
}

TEST(PersonCommands, AreCarriedOutOnceThroughFailuresAndCrashes) {
  // Goal: refused and unknown appends and crashes repeat a command without repeating its effect.
  for (uint64_t seed = 1; seed <= 40; seed++) {
    std::mt19937_64 random(seed);
    int erased = 0;
    IngestOptions options;
    options.commands.places.push_back({"rows", [&](const ErasedPerson&, ErasePlace::Done done) {
                                         erased++;
                                         done("{}");
                                       }});
    Story s(seed, options);
    const auto merge = merge_event(4, "a", "b", R"({"z":1})", "$merge_dangerously");
    s.tell({set_event(1, "a", R"({"x":1})"), set_event(2, "b", R"({"y":1})"),
            set_event(3, "c", R"({"x":1})")});
    s.tell({merge});
    s.tell({set_event(5, "a", R"({"late":1})")});
    const Uuid b = s.person("b")->id, c = s.person("c")->id;
    s.world.log().percent = 40;
    const Uuid undo =
        s.world.command(event::kUndoMerge, R"({"person":")" + b.text() + R"(","event":")" +
                                               Story::uuid(4).text() + "\"}");
    const Uuid remove = s.world.command(event::kDeletePerson, person_body(c));
    for (int life = 0; life < 3; life++) {
      s.world.run_ms(static_cast<int64_t>(random() % 200));
      s.world.crash(seed * 10 + static_cast<uint64_t>(life));
      s.world.start();
    }
    s.world.log().percent = 0;
    EXPECT_EQ(s.world.report_of(undo).state, "done") << seed;
    EXPECT_EQ(s.world.report_of(remove).state, "done") << seed;
    EXPECT_GE(erased, 1);
    EXPECT_FALSE(s.person("c").has_value());
    EXPECT_EQ(s.person("a")->properties["late"], "1") << seed;
    EXPECT_EQ(s.person("a")->properties["x"], "1");
    EXPECT_FALSE(s.person("b")->properties.contains("x"));
    EXPECT_EQ(s.person("b")->properties["z"], "1");
    // Each has one last report in the log, and the rebuilt store agrees.
    std::map<Uuid, int> last;
    for (const auto& partition : s.world.processed()) {
      for (const std::string& bytes : partition) {
        const auto record = event::decode_processed(bytes);
        const auto* report = std::get_if<event::PersonCommandReport>(&*record);
        if (report != nullptr && report->state != "running") last[report->id]++;
      }
    }
    EXPECT_EQ(last[undo], 1) << seed;
    EXPECT_EQ(last[remove], 1) << seed;
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(PersonCommands, EventsGoOnWhileTheLogIsRead) {
  // Goal: a long history is read beside the cycles. Method: 25,000 events since the merge, more
  // than fits into a pause, and events that come meanwhile.
  Story real(3), other(3);
  const auto merge = merge_event(4, "a", "b", "{}", "$merge_dangerously");
  for (Story* s : {&real, &other}) {
    s->tell({set_event(1, "a", R"({"x":1})"), set_event(2, "b", R"({"y":1})")});
    s->tell({s == &real ? merge : without_merge(merge)});
    for (int round = 0; round < 5; round++) {
      std::vector<testing::StoryEvent> many;
      for (int i = 0; i < 5000; i++) {
        const auto n = static_cast<uint64_t>(100 + round * 5000 + i);
        many.push_back({n, i % 50 == 0 ? (i % 100 == 0 ? "a" : "b") : "x" + std::to_string(i % 9),
                        "seen", R"({"$set":{"n":)" + std::to_string(n) + "}}"});
      }
      s->tell(many);
    }
  }
  const Uuid undo =
      real.world.command(event::kUndoMerge, R"({"person":")" + real.person("b")->id.text() +
                                                R"(","event":")" + Story::uuid(4).text() + "\"}");
  for (uint64_t n = 0; n < 5; n++) {
    const auto late =
        set_event(70'000 + n, n % 2 == 0 ? "a" : "b", R"({"late":)" + std::to_string(n) + "}");
    real.tell({late});
    other.tell({late});
  }
  EXPECT_EQ(real.world.report_of(undo).state, "done");
  for (const char* id : {"a", "b", "x1"}) EXPECT_EQ(real.person(id), other.person(id)) << id;
}

}  // namespace
}  // namespace penstock::ingest
