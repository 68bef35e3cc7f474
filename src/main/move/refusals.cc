#include "main/move/refusals.h"

#include <algorithm>

namespace penstock::cli::move {
namespace {

constexpr int64_t kAskMs = 500;

HttpCall readiness_of(const Instance& instance) {
  HttpCall call = capture_call(instance, "/_readiness");
  call.timeout_ms = kAskMs;
  return call;
}

}  // namespace

Refusals::Refusals(const Instance& instance, bool begun)
    : call_(readiness_of(instance)), captures_(!instance.capture_url.empty()), bad_(begun) {}

bool Refusals::look() {
  if (!captures_) return true;
  const auto asked = Clock::now();
  const auto reply = http(call_);
  if (!reply || reply->status != 200) {
    bad_ = true;
    return false;
  }
  const auto now = Clock::now();
  if (bad_) {
    const auto gap = std::chrono::duration_cast<std::chrono::milliseconds>(now - good_).count();
    longest_ms_ = std::max<int64_t>(longest_ms_, gap);
  }
  bad_ = false;
  good_ = asked;
  return true;
}

}  // namespace penstock::cli::move
