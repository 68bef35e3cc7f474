// AppCounts: what configurations have done since they were installed: the engine's counts since the
// process started, over those that a KeyValue kept from before.
//
// Keys: `C`, the configuration (8, big-endian); a varint for each count, in an order that only
// grows. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "admin/app_sources.h"
#include "kv/key_value.h"

namespace penstock::cli {

class AppCounts {
 public:
  Status open(kv::KeyValue& kept);
  /// Adds what was before this process to what it has counted.
  void complete(admin::AppRunStatus& status);
  /// Keeps what `complete` made of the newest statuses.
  Status save();

 private:
  static constexpr size_t kCounts = 8;
  using Counts = std::array<uint64_t, kCounts>;

  kv::KeyValue* kept_ = nullptr;
  std::map<int64_t, Counts> before_, counted_, now_, saved_;
};

}  // namespace penstock::cli
