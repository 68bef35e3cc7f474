// Round: for how long a project's events go round others', because its apps let them wait.
//
// Thirty seconds from the last time, and each time that it begins again twice as long, up to a
// quarter of an hour; ten minutes after its end it is forgotten. Whatever an app is written in has
// this rule (docs/decisions/0033-neighbours-of-apps.md). Pure: the caller says what time it is.
#pragma once

#include <algorithm>
#include <cstdint>

namespace penstock::apps {

class Round {
 public:
  static constexpr int64_t kMsMin = 30'000, kMsMax = 900'000, kForgetMs = 600'000;
  /// After this time capture is told. What it sends by `overflow` from then on would overtake what
  /// it has sent by `main` and nobody has looked at yet, which stood behind what waits.
  static constexpr int64_t kTellMs = 1000;

  /// Its events wait. True: it did not go round until now.
  bool waits(int64_t now_ms) {
    const bool anew = !goes(now_ms);
    if (anew) {
      for_ms_ = is_forgotten(now_ms) ? kMsMin : std::min(for_ms_ * 2, kMsMax);
      since_ms_ = now_ms;
    }
    until_ms_ = now_ms + for_ms_;
    return anew;
  }
  bool goes(int64_t now_ms) const { return now_ms < until_ms_; }
  bool is_new(int64_t now_ms) const { return goes(now_ms) && now_ms - since_ms_ < kTellMs; }
  bool is_forgotten(int64_t now_ms) const { return for_ms_ == 0 || now_ms - until_ms_ > kForgetMs; }

 private:
  int64_t since_ms_ = 0, until_ms_ = 0, for_ms_ = 0;
};

}  // namespace penstock::apps
