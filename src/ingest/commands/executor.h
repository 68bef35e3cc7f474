// CommandExecutor: reads kTopicPersonCommands and carries its commands out, one after the other.
//
// Each slice of the projects has its partition of commands. What a command changes is appended to
// `processed` under kPersonCommandsProducer, in the slice's first partition, its report last; the
// sequence is (offset of the command + 1) << 20 plus a count. After a crash the last sequence says
// which command was under way, and its report whether it is done: if not, it is carried out again
// from what there is then. Runs on the ingest loop; `statuses` from any thread. Failure: the log's
// and the stores', retried with a growing delay; an asker's mistake ends in the report.
#pragma once

#include <deque>
#include <memory>
#include <mutex>

#include "event/person_command.h"
#include "ingest/commands/undo_merge.h"
#include "ingest/commands/work.h"
#include "ingest/person_commands.h"

namespace penstock::ingest {

class CommandExecutor : public std::enable_shared_from_this<CommandExecutor> {
 public:
  static std::shared_ptr<CommandExecutor> make(runtime::Loop& loop, runtime::Runtime& runtime,
                                               log::Log& log, const persons::PersonStore& store,
                                               CommandHost& host, Partition commands,
                                               Partition outcomes, PersonCommandOptions options);
  Status start();
  void stop();
  std::vector<CommandStatus> statuses() const;

 private:
  struct Command {
    std::string bytes;
    event::PersonCommand command;  // views into `bytes`
    int64_t offset = 0;
  };
  struct Erasure;
  using Step = void (CommandExecutor::*)();

  CommandExecutor(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                  const persons::PersonStore& store, CommandHost& host, Partition commands,
                  Partition outcomes, PersonCommandOptions options)
      : loop_(loop),
        runtime_(runtime),
        log_(log),
        store_(store),
        host_(host),
        commands_(commands),
        outcomes_(outcomes),
        options_(std::move(options)) {}
  void fetch();
  void take(const log::FetchResult& got);
  void next();
  void run();
  /// `done`: the command's report says so; `running`: it says what is left to do.
  struct Found {
    bool done = false;
    std::string running;
  };
  void carry_out(const Result<Found>& found);
  void run_paused(std::function<Result<CommandResult>()> work);
  void on_result(Result<CommandResult> result);
  /// While paused: appends the records and the report, applies them and resumes.
  void commit(CommandResult result);
  void append(std::shared_ptr<std::deque<std::string>> records, std::string state);
  void appended(Status done, std::string state);
  void apply_again();
  void finished();
  void retry_later(const Error& error, Step step);
  void show(std::string step, uint64_t done = 0, uint64_t total = 0);
  std::string report_record(const CommandResult& result) const;
  Result<Found> look(const event::PersonCommand& command) const;

  // What they read is in a store that may be far away: off the loop, on a command that stays.
  Result<CommandResult> take_ids(const event::PersonCommand& command) const;
  // erasure.cc
  Result<CommandResult> begin_erasure(const event::PersonCommand& command) const;
  void go_on_erasing(const std::string& report);
  void wait_for_load();
  void erase_next();
  void erased(Result<std::string> got);

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  const persons::PersonStore& store_;
  CommandHost& host_;
  const Partition commands_, outcomes_;
  PersonCommandOptions options_;
  int64_t fetched_ = 0;
  std::deque<Command> waiting_;  // the first one runs, and stays where it is until it is done
  std::shared_ptr<UndoMerge> undo_;
  std::shared_ptr<Erasure> erasure_;
  int64_t sequence_ = -1;  // the last
  int64_t retry_ms_ = 0;
  runtime::Task apply_again_;
  bool stopped_ = true, running_ = false, fetching_ = false, paused_ = false;

  mutable std::mutex mutex_;
  std::deque<CommandStatus> statuses_;  // like waiting_
};

}  // namespace penstock::ingest
