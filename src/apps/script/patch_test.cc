// Goal: a patch rebuilds what it was made of, and what a worker sends in its place is refused, not
// followed. Method: random pairs of texts; cut and changed bytes of a well-formed answer.
#include "apps/script/patch.h"

#include <gtest/gtest.h>

#include <random>

#include "apps/plugin_lists.h"
#include "apps/script/batch_answer.h"

namespace penstock::apps {
namespace {

std::string put(std::string_view before, std::string_view after) {
  std::string out;
  ByteWriter w(out);
  put_patch(w, before, after);
  return out;
}

std::optional<std::string> taken(std::string_view before, std::string_view patch) {
  ByteReader in(patch);
  const Patch read = read_patch(in);
  return in.ok() && in.at_end() ? patched(before, read) : std::nullopt;
}

TEST(PatchTest, RebuildsWhatItWasMadeOf) {
  std::mt19937_64 dice(8);
  for (int i = 0; i < 20'000; i++) {
    std::string before;
    for (size_t n = dice() % 60; n > 0; n--) before.push_back(static_cast<char>('a' + dice() % 2));
    std::string after = before;
    for (size_t changes = dice() % 4; changes > 0; changes--) {
      const size_t at = after.empty() ? 0 : dice() % after.size();
      after.replace(at, dice() % 5, std::string(dice() % 5, 'a'));
    }
    EXPECT_EQ(taken(before, put(before, after)), after);
  }
}

TEST(PatchTest, HoldsOnlyWhatIsNew) {
  const std::string before = R"({"event":"x","properties":{"$os":"Linux","plan":"scale"}})";
  const std::string after = R"({"event":"x","properties":{"$os":"Linux","plan":"scale","a":1}})";
  EXPECT_LE(put(before, after).size(), 10U);
  EXPECT_LE(put(before, before).size(), 3U);
}

TEST(PatchTest, MembersArePutWhereTheyWouldBePutIntoTheWhole) {
  std::mt19937_64 dice(9);
  const std::vector<std::string> befores{
      R"({"event":"x","properties":{"$os":"Linux","plan":"scale"},"timestamp":"t","z":{}})",
      R"({"event":"x","properties":{ },"z":1})", R"({"properties":{"a":{"b":1} }})"};
  for (int i = 0; i < 3000; i++) {
    const std::string& before = befores[dice() % befores.size()];
    const size_t open = before.find('}', before.find("properties"));
    NewText text;
    // Anything between front and behind may be what an app wrote: here it is what was there.
    text.front = dice() % (before.size() + 1);
    text.behind = dice() % (before.size() - text.front + 1);
    text.between = before.substr(text.front, before.size() - text.front - text.behind);
    text.properties_end = open;
    ASSERT_EQ(text.whole(before), before);
    std::string expected = before;
    put_plugin_lists(expected, open, R"("l":["m"])");
    text.put_members(before, R"("l":["m"])");
    ASSERT_EQ(text.whole(before), expected) << text.front << ' ' << text.behind;
    ASSERT_EQ(text.size(), expected.size());
    std::string patch;
    ByteWriter w(patch);
    put_patch(w, text);
    ASSERT_EQ(taken(before, patch), expected);
  }
}

TEST(PatchTest, OneOfAnotherTextIsRefused) {
  const std::string patch = put("0123456789", "01234x56789");
  EXPECT_EQ(taken("0123456789", patch), "01234x56789");
  EXPECT_EQ(taken("012345678", patch), std::nullopt);
  EXPECT_FALSE((Patch{.front = 1, .behind = ~size_t{0}}.fits(10)));
  EXPECT_FALSE((Patch{.front = ~size_t{0}, .behind = 2}.fits(10)));
}

TEST(PatchTest, AnAnswerIsReadWholeOrNotAtAll) {
  std::string frame;
  ByteWriter w(frame);
  w.u64(7);
  w.varint(2);
  w.u8(static_cast<uint8_t>(Fate::kChanged));
  put_patch(w, "{}", R"({"a":1})");
  w.varint(1);
  w.u64(3);
  w.u8(static_cast<uint8_t>(AppStep::Did::kSucceeded));
  w.varint(12);
  w.bytes("");
  w.bytes("");
  w.u8(static_cast<uint8_t>(Fate::kDropped));
  w.u64(3);
  w.varint(0);
  w.u64(4096);
  BatchAnswer answer;
  ASSERT_TRUE(answer.read(frame));
  EXPECT_EQ(answer.batch, 7U);
  ASSERT_EQ(answer.events.size(), 2U);
  EXPECT_EQ(patched("{}", answer.events[0].patch), R"({"a":1})");
  EXPECT_EQ(answer.steps.at(0).cpu_us, 12);
  EXPECT_EQ(answer.events[1].dropped_by, 3U);
  EXPECT_EQ(answer.memory_bytes, 4096U);
  for (size_t size = 0; size < frame.size(); size++) {
    EXPECT_FALSE(answer.read(std::string_view(frame).substr(0, size)));
  }
  EXPECT_FALSE(answer.read(frame + "x"));
  std::string other = frame;
  other[9] = 9;  // a fate that is none
  EXPECT_FALSE(answer.read(other));
}

}  // namespace
}  // namespace penstock::apps
