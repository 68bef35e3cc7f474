// AppLogs: the newest lines that apps have logged, for the admin API.
//
// In memory, a bounded number for each configuration; gone with the process. Any thread.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "admin/app_sources.h"

namespace penstock::cli {

inline constexpr size_t kAppLogLinesMax = 1000;        // of one configuration
inline constexpr size_t kAppLogBytesMax = 512U << 10;  // of one configuration's messages

class AppLogs {
 public:
  void add(admin::AppLogLine line);
  std::vector<admin::AppLogLine> read(const admin::AppLogsAsked& asked) const;

 private:
  struct Lines {
    std::deque<admin::AppLogLine> lines;
    size_t bytes = 0;
  };
  mutable std::mutex mutex_;
  std::map<int64_t, Lines> by_config_;
  uint64_t last_ = 0;
};

}  // namespace penstock::cli
