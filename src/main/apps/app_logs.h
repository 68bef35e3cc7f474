// AppLogs: the newest lines that apps have logged, for the admin API.
//
// In memory and in a KeyValue, so that a restart keeps them; a bounded number for each
// configuration. Keys: `L`, the line's number (8, big-endian). `read` from any thread; the rest on
// the KeyValue's writing thread.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "admin/app_sources.h"
#include "kv/key_value.h"

namespace penstock::cli {

inline constexpr size_t kAppLogLinesMax = 1000;        // of one configuration
inline constexpr size_t kAppLogBytesMax = 512U << 10;  // of one configuration's messages

class AppLogs {
 public:
  /// Takes over what is there; null: lines are gone with the process.
  Status open(kv::KeyValue* kept);
  void add(admin::AppLogLine line);
  std::vector<admin::AppLogLine> read(const admin::AppLogsAsked& asked) const;

 private:
  struct Lines {
    std::deque<admin::AppLogLine> lines;
    size_t bytes = 0;
  };
  void take(admin::AppLogLine line, kv::WriteBatch& batch);

  kv::KeyValue* kept_ = nullptr;
  mutable std::mutex mutex_;
  std::map<int64_t, Lines> by_config_;
  uint64_t last_ = 0;
};

}  // namespace penstock::cli
