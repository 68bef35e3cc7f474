// How long a project goes round: longer each time, but not for ever.
#include "apps/round.h"

#include <gtest/gtest.h>

namespace penstock::apps {
namespace {

TEST(Round, CaptureIsToldOnceWhatItSentBeforeWasLookedAt) {
  constexpr int64_t kT0 = 1'700'000'000'000;
  Round round;
  EXPECT_FALSE(round.is_new(kT0));
  for (const int64_t begins : {kT0, kT0 + 200'000}) {
    EXPECT_TRUE(round.waits(begins));
    EXPECT_FALSE(round.waits(begins + 500));
    EXPECT_TRUE(round.is_new(begins + Round::kTellMs - 1));
    EXPECT_FALSE(round.is_new(begins + Round::kTellMs));
    EXPECT_FALSE(round.waits(begins + Round::kTellMs)) << "it goes on";
    EXPECT_FALSE(round.is_new(begins + Round::kTellMs));
    EXPECT_FALSE(round.is_new(begins + 100'000)) << "it does not go round any more";
  }
}

TEST(Round, GrowsWithEachBeginningAndIsForgotten) {
  constexpr int64_t kT0 = 1'700'000'000'000;
  Round round;
  EXPECT_FALSE(round.goes(kT0));
  EXPECT_TRUE(round.is_forgotten(kT0));
  EXPECT_TRUE(round.waits(kT0));
  EXPECT_FALSE(round.waits(kT0 + 29'999)) << "it goes on, thirty seconds from now";
  EXPECT_TRUE(round.goes(kT0 + 59'998));
  EXPECT_FALSE(round.goes(kT0 + 59'999));
  int64_t now = kT0 + 59'999;
  for (int64_t expected = 60'000; expected < 2 * Round::kMsMax; expected *= 2) {
    EXPECT_TRUE(round.waits(now));
    const int64_t ends = now + std::min(expected, Round::kMsMax);
    EXPECT_TRUE(round.goes(ends - 1));
    EXPECT_FALSE(round.goes(ends));
    now = ends;
  }
  EXPECT_FALSE(round.is_forgotten(now + Round::kForgetMs));
  now += Round::kForgetMs + 1;
  EXPECT_TRUE(round.is_forgotten(now));
  EXPECT_TRUE(round.waits(now));
  EXPECT_FALSE(round.goes(now + Round::kMsMin)) << "as the first time";
}

}  // namespace
}  // namespace penstock::apps
