// IngestService: the loop of cycles; see ingest.h for what a cycle is.
//
// One cycle at a time: take records of one lane, decide, append, apply, advance. Whatever fails,
// the same records are decided again later: their sequence keeps an append whose outcome was
// unknown from being written twice, and then the log is read back instead of trusted from memory.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>

#include "ingest/commands/executor.h"
#include "ingest/cycle/app_gate.h"
#include "ingest/cycle/decider.h"
#include "ingest/cycle/lane_choice.h"
#include "ingest/cycle/lane_reader.h"
#include "ingest/detour.h"
#include "ingest/ingest.h"
#include "ingest/redrive.h"
#include "ingest/refusal_warnings.h"

namespace penstock::ingest {

class IngestService final : public Ingest, private CommandHost {
 public:
  IngestService(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                catalog::Catalog& catalog, persons::PersonStore& persons, ledger::Ledger& ledger,
                event::Slice slice, IngestOptions options);
  ~IngestService() override;

  Status start() override;
  void stop(runtime::Task done) override;
  IngestStats stats() const override;
  std::vector<CommandStatus> commands() const override { return executor_->statuses(); }
  std::vector<RedriveStatus> redrives() const override { return redrive_->statuses(); }
  void try_out(event::Source source, std::string record, TriedOut done) override;

 private:
  struct Cycle;

  LaneReader& reader(event::Lane lane) { return *readers_[static_cast<size_t>(lane)]; }
  Result<std::vector<log::Position>> first_positions(event::Lane lane) const;
  Partition outcomes_of(event::Lane lane, Partition in_lane) const {
    return layout_.outcomes(slice_.index, lane, in_lane);
  }
  bool decides(Partition processed) const override {
    return slice_.is_all() || layout_.slice_of_outcomes(processed) == slice_.index;
  }
  /// Whether lanes hold records that another slice decides.
  bool passes_over() const { return !slice_.is_all() && !layout_.apart; }
  /// Whose positions are those of the records that are decided here, or another slice's.
  std::string group() const;
  /// Begins a cycle when there is work and none is running.
  void pump();
  StoreProgress store_progress() const;
  void look_at_store_later();
  /// `before`: a cycle whose append may have happened or not; its records once more.
  void run(LaneChoice::Turn turn, const std::shared_ptr<Cycle>& before);
  /// What the cycle takes; nothing when it has to wait for apps.
  Status take(Cycle& cycle, const LaneChoice::Turn& turn, const catalog::Snapshot& snapshot);
  static void take_again(Cycle& cycle, const Cycle& before);
  Status decide(Cycle& cycle, const catalog::Snapshot& snapshot);
  void append(std::shared_ptr<Cycle> cycle);
  void on_appended(std::shared_ptr<Cycle> cycle, Result<std::vector<log::Appended>> appended);
  void apply(std::shared_ptr<Cycle> cycle);
  Status apply_outputs(const Cycle& cycle);
  /// `busy_` keeps everything `work` of a cycle touches to itself.
  void off_loop(std::move_only_function<void()> work, runtime::Task then) override;
  void catch_up(std::shared_ptr<Cycle> cycle);
  /// Between cycles a foreign append is applied at once; a cycle finds it by itself.
  void on_foreign_append(Partition partition, Offset base, const std::vector<std::string>& records);
  Status apply_slice(Partition partition, Offset base, const std::vector<std::string_view>& records,
                     size_t persons_from);
  void advance_to_log(LaneReader& from);
  /// Applies what the processed topic holds beyond what was applied, reading it back.
  void read_back(std::move_only_function<void(Status)> done);
  // CommandHost
  void pause(runtime::Task work) override;
  void resume() override;
  void apply_log(std::move_only_function<void(Status)> done) override {
    read_back(std::move(done));
  }
  int64_t last_cycle_ms() const override { return finished_ms_; }
  const ledger::Ledger& books() const override { return ledger_; }
  void quarantine_changed() override { redrive_->look_for_jobs(); }
  void finish(Cycle& cycle);
  void note_positions();
  void retry(const Error& error, runtime::Task again);
  void schedule_checkpoint();
  void checkpoint(runtime::Task done);
  void stop_when_quiet();
  /// Wraps a callback so that it is dropped when the service is gone.
  std::weak_ptr<int> alive() const { return alive_; }

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  catalog::Catalog& catalog_;
  persons::PersonStore& persons_;
  ledger::Ledger& ledger_;
  event::Slice slice_;
  IngestOptions options_;
  event::Layout layout_;
  LaneChoice choice_;
  Decider decider_;
  AppGate gate_;
  std::array<std::unique_ptr<LaneReader>, event::kLanes.size()> readers_;  // by lane
  std::shared_ptr<Redrive> redrive_;
  std::shared_ptr<Detour> detour_;
  std::shared_ptr<const catalog::Snapshot> seen_;  // when the last cycle ended
  std::shared_ptr<RefusalWarnings> refusals_;
  std::shared_ptr<CommandExecutor> executor_;
  std::deque<runtime::Task> pauses_;    // wait for the cycle to end
  std::map<int32_t, int64_t> applied_;  // next offset of each processed partition that is ours
  size_t jobs_ = 0;                     // off the loop
  bool busy_ = false, started_ = false, stopping_ = false, checkpointing_ = false;
  bool looking_ = false;  // at the store, in a moment
  int64_t retry_ms_ = 0;
  int64_t cycle_ms_ = 0, finished_ms_ = 0;  // times of the last cycle, and of the last applied one
  runtime::TimerId checkpoint_timer_ = 0;
  runtime::Task stopped_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);

  mutable std::mutex stats_mutex_;
  IngestStats stats_;
  std::map<std::pair<event::Lane, int32_t>, int64_t> decided_;  // for the lag
};

}  // namespace penstock::ingest
