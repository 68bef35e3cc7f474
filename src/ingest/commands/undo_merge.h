// UndoMerge: carries out kUndoMerge: both persons as if the merge had not happened.
//
// Reads the log from the merge on beside the cycles, round after round, until little is left; then
// pauses them, reads the rest and hands over what has to change. Ingest loop only. Failure:
// kInvalid and kNotFound are the asker's; others may pass when it is tried again.
#pragma once

#include <memory>
#include <optional>

#include "event/person_command.h"
#include "ingest/commands/decision_order.h"
#include "ingest/commands/what_if.h"
#include "ingest/commands/work.h"

namespace penstock::ingest {

class UndoMerge : public std::enable_shared_from_this<UndoMerge> {
 public:
  UndoMerge(runtime::Loop& loop, log::Log& log, const persons::PersonStore& store,
            CommandHost& host)
      : loop_(loop), log_(log), store_(store), host_(host) {}

  /// `done` runs while the host is paused, unless there was an error. `progress` gets records read
  /// and records to read.
  void start(ProjectId project, const Uuid& person, const Uuid& event,
             std::function<void(uint64_t, uint64_t)> progress, CommandDone done);
  void stop();

 private:
  /// `work` reads persons; `then` goes on if it did not fail.
  void read(Status (*work)(UndoMerge&), void (UndoMerge::*then)());
  Status prepare();
  void round();
  void go_through();
  void last_round();
  void finish(const Status& status);
  Result<CommandResult> result();

  runtime::Loop& loop_;
  log::Log& log_;
  const persons::PersonStore& store_;
  CommandHost& host_;
  ProjectId project_;
  Uuid person_, event_;
  std::function<void(uint64_t, uint64_t)> progress_;
  CommandDone done_;
  std::unique_ptr<MergeTree> tree_;
  const MergeTree::Entry* merge_ = nullptr;
  std::unique_ptr<WhatIf> what_if_;
  std::shared_ptr<DecisionOrder> order_;
  std::vector<log::PartitionBounds> ends_;  // of this round
  int64_t upto_ms_ = 0;
  uint64_t read_ = 0;
  int rounds_ = 0;
  bool reaches_back_ = true, paused_ = false;
};

}  // namespace penstock::ingest
