#include "persons/property_stamps.h"

#include <gtest/gtest.h>

namespace penstock::persons {
namespace {

constexpr int64_t kCreated = 1'785'585'600'000;
constexpr uint32_t kMe = 7, kOther = 9;

PropertyStamp stamp(int64_t after, uint32_t writer, bool once = false, int64_t reached_after = -1) {
  return {kCreated + after, kCreated + (reached_after < 0 ? after : reached_after), writer, once};
}

TEST(PropertyStamps, WhatDatesFromTheFirstEventTakesNoRoom) {
  PropertyStamps stamps(kMe);
  stamps.put("$initial_referrer", stamp(0, kMe, true), kCreated);
  stamps.put("plan", stamp(0, kMe), kCreated);
  const std::string bytes = stamps.bytes(kCreated);
  EXPECT_EQ(bytes.size(), 5U);
  const PropertyStamps read = PropertyStamps::read(bytes, kCreated);
  EXPECT_EQ(read.get("$initial_referrer", kCreated), stamp(0, kMe, true));
  EXPECT_EQ(read.get("plan", kCreated), stamp(0, kMe));
}

TEST(PropertyStamps, ReadWhatTheyWrote) {
  PropertyStamps stamps(kMe);
  stamps.put("plan", stamp(-7, kOther, true, 5), kCreated);
  stamps.put("$initial_gclid", stamp(9, kMe, true), kCreated);
  stamps.put("$initial_referrer", stamp(3, kMe), kCreated);
  stamps.put("gone", stamp(99, kMe), kCreated);
  stamps.forget("gone");
  const std::string bytes = stamps.bytes(kCreated);
  const PropertyStamps read = PropertyStamps::read(bytes, kCreated);
  EXPECT_EQ(read.get("plan", kCreated), stamp(-7, kOther, true, 5));
  EXPECT_EQ(read.get("$initial_gclid", kCreated), stamp(9, kMe, true));
  EXPECT_EQ(read.get("$initial_referrer", kCreated), stamp(3, kMe));
  EXPECT_EQ(read.latest_once_ms(kCreated), kCreated + 9);
  EXPECT_EQ(PropertyStamps::latest_once_ms(bytes, kCreated), kCreated + 9);
  EXPECT_EQ(read.bytes(kCreated), bytes);
}

TEST(PropertyStamps, PinnedStampsOutliveAnEarlierBeginning) {
  PropertyStamps stamps(kMe);
  stamps.pin("plan", kCreated);
  const PropertyStamps read = PropertyStamps::read(stamps.bytes(kCreated - 10), kCreated - 10);
  EXPECT_EQ(read.get("plan", kCreated - 10), stamp(0, kMe));
}

TEST(PropertyStamps, DamagedBytesCountAsNone) {
  PropertyStamps stamps(kMe);
  stamps.put("plan", stamp(5, kOther), kCreated);
  std::string bytes = stamps.bytes(kCreated);
  bytes.pop_back();
  EXPECT_EQ(PropertyStamps::read(bytes, kCreated).bytes(kCreated),
            PropertyStamps().bytes(kCreated));
}

TEST(PropertyStamps, SetFollowsArrivalWithinAnIdAndTimeBetweenIds) {
  EXPECT_TRUE(set_replaces(stamp(1, kMe), stamp(9, kMe))) << "arrival";
  EXPECT_TRUE(set_replaces(stamp(9, kMe), stamp(1, kOther)));
  EXPECT_TRUE(set_replaces(stamp(9, kMe), stamp(9, kOther)));
  EXPECT_FALSE(set_replaces(stamp(1, kMe), stamp(9, kOther)));
  EXPECT_TRUE(set_replaces(stamp(1, kMe), stamp(9, kOther, true))) << "$set over $set_once";
  // What came by a merge at 5 or 6 gives way to the target's own, earlier ones too.
  EXPECT_FALSE(set_replaces(stamp(4, kMe, false, 5), stamp(1, kOther)));
  EXPECT_TRUE(set_replaces(stamp(1, kMe), stamp(4, kOther, false, 5)));
  EXPECT_TRUE(set_replaces(stamp(1, kMe, false, 5), stamp(4, kOther, false, 6)));
  EXPECT_FALSE(set_replaces(stamp(4, kMe, false, 6), stamp(1, kOther, false, 5)));
}

TEST(PropertyStamps, SetOnceGivesWayOnlyToWhatShouldHaveComeBefore) {
  EXPECT_FALSE(set_once_replaces(stamp(1, kMe, true), stamp(9, kMe, true))) << "arrival";
  EXPECT_TRUE(set_once_replaces(stamp(1, kMe, true), stamp(9, kOther, true)));
  EXPECT_FALSE(set_once_replaces(stamp(9, kMe, true), stamp(9, kOther, true)));
  EXPECT_FALSE(set_once_replaces(stamp(1, kMe, true), stamp(9, kOther))) << "$set stays";
  // Merged at 5: what the target had before stays, what it got afterwards gives way.
  EXPECT_FALSE(set_once_replaces(stamp(1, kMe, true, 5), stamp(4, kOther, true)));
  EXPECT_TRUE(set_once_replaces(stamp(1, kMe, true, 5), stamp(6, kOther, true)));
}

}  // namespace
}  // namespace penstock::persons
