// HeldLog: moves the log of a Penstock that is held, from inside, while capture goes on.
//
// It copies what the log has and what comes; when it is told to finish (move/hold.h) it closes the
// log to appends, copies the rest, compares, writes penstock.toml and asks its process to begin
// anew. So who decides that the log has moved is the one who writes to it: nothing is appended to
// the old log behind the switch, whatever becomes of the command that asked for it. If it fails the
// log is open again. What it is at stands in <data>/run. A thread of its own; made and ended on
// main's.
#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "main/move/hold.h"
#include "main/move/log_move.h"
#include "main/move/sealed_log.h"
#include "runtime/real_runtime.h"

namespace penstock::cli::move {

class HeldLog {
 public:
  /// `log` is of `settings`; all outlive it.
  HeldLog(const Settings& settings, runtime::Runtime& runtime, std::string data_dir, SealedLog& log,
          const catalog::Catalog& catalog, const LogOrder& order);
  /// Ends what it is at.
  ~HeldLog();

 private:
  using Clock = std::chrono::steady_clock;
  void run();
  Status work();
  Status finish(LogMove& move);
  bool keep_pace(const log::CopyProgress& progress);
  void tell(std::string_view state, const log::CopyProgress& progress, std::string_view text);

  const Settings& settings_;
  runtime::Runtime& runtime_;
  const std::string data_dir_;
  SealedLog& log_;
  const catalog::Catalog& catalog_;
  const LogOrder order_;
  std::atomic<bool> ending_{false};
  Clock::time_point begun_, told_;
  bool ready_ = false;
  runtime::LoopThread thread_{"move"};
};

}  // namespace penstock::cli::move
