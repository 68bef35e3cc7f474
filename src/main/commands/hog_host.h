// TerminalHost: what Hog programs get from `penstock hog`: the clock and chance, nothing else.
#pragma once

#include <chrono>
#include <random>

#include "hog/machine.h"

namespace penstock::cli {

class TerminalHost : public hog::Host {
 public:
  int64_t now_ms() override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  int64_t clock_us() override {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  double random() override { return std::uniform_real_distribution<double>(0, 1)(random_); }

 private:
  std::mt19937_64 random_{std::random_device{}()};
};

}  // namespace penstock::cli
