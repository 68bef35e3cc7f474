// RedirectTopics: the log topics that projects redirect events to, opened when a project first
// names one and again at every start.
//
// Topics on disk that nobody names any more are opened too, so that retention ends them. Bounded:
// beyond kTopicsMax a new name is refused with a line in the log, and its events are answered 503.
// `ensure` blocks and may come from any thread; one at a time.
#pragma once

#include <mutex>
#include <set>
#include <string>

#include "catalog/catalog.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::cli {

class RedirectTopics {
 public:
  static constexpr size_t kTopicsMax = 64;

  /// `like` is the spec of them all; its name is ignored.
  RedirectTopics(log::Log& log, log::TopicSpec like) : log_(log), like_(std::move(like)) {}

  /// Those that lie in the log's directory.
  Status open_existing(const runtime::FileSystem& files, const std::string& log_directory);
  /// Those that a project's settings name.
  void ensure(const catalog::Snapshot& snapshot);

 private:
  Status open(const std::string& topic);

  log::Log& log_;
  const log::TopicSpec like_;
  std::mutex mutex_;
  std::set<std::string> open_, refused_;
};

}  // namespace penstock::cli
