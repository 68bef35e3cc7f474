// AppTallies: what configurations have counted themselves (meta.metrics), and how their jobs and
// tasks by the clock ended; kept in a KeyValue over restarts.
//
// Keys: `T`, the configuration (8, big-endian). Any thread; `open` before all else.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "admin/app_sources.h"
#include "kv/key_value.h"

namespace penstock::cli {

class AppTallies {
 public:
  Status open(kv::KeyValue& kept);
  /// `kind` is "sum", "max" or "min".
  void metric(int64_t config, std::string_view name, std::string_view kind, double value);
  void ran(int64_t config, std::string_view category, bool succeeded);
  void add_to(admin::AppRunStatus& out) const;
  /// Keeps what has changed since the last time.
  Status save();

 private:
  struct Tally {
    std::map<std::string, double> metrics;
    std::map<std::string, admin::AppCallCounts> ran;
  };
  static std::string encoded(const Tally& tally);
  static bool decode(std::string_view text, Tally& tally);

  kv::KeyValue* kept_ = nullptr;
  mutable std::mutex mutex_;
  std::map<int64_t, Tally> tallies_;
  std::set<int64_t> changed_;
};

}  // namespace penstock::cli
