// LogMove: the log of a data directory on its way to Kafka, or back: which topics, groups and
// producers there are, the target with its begin, and the copy (log/copy.h).
//
// The source runs and nobody decides anything meanwhile: only lanes grow. Used by a command that
// has the data directory to itself, and by a Penstock that is held. One thread; calls block.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "log/copy.h"
#include "main/settings.h"
#include "runtime/real_runtime.h"

namespace penstock::cli::move {

class LogMove {
 public:
  /// `settings` name the source's engine; `source` and `catalog` outlive it.
  LogMove(const Settings& settings, runtime::Runtime& runtime, std::string data_dir,
          log::Log& source, const catalog::Catalog& catalog);
  ~LogMove();

  /// Opens the target, leaves the groups' positions there and compares what it has already.
  Status begin(std::function<bool(const log::CopyProgress&)> on_piece, size_t piece_bytes);
  Result<uint64_t> catch_up() { return copy_->catch_up(); }
  /// Closes the target; kConflict: a topic has come since, or the ends are not the same.
  Status finish();
  const log::CopyProgress& progress() const { return copy_->progress(); }
  /// What was copied, for people.
  std::string summary() const;

 private:
  Result<std::vector<log::TopicSpec>> topics() const;
  Status open_target(const log::Begins& begins);
  Status keep_positions(const std::vector<std::string>& names, const log::Begins& begins);
  void close_target();

  Settings settings_;  // of the target
  const bool out_;
  runtime::Runtime& runtime_;
  const std::string data_dir_;
  log::Log& source_;
  const catalog::Catalog& catalog_;
  runtime::LoopThread answers_{"move-answers"};
  std::vector<log::TopicSpec> topics_;
  std::unique_ptr<log::Log> target_;
  std::unique_ptr<log::LogCopy> copy_;
};

}  // namespace penstock::cli::move
