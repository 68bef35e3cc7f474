// KvLedger: the Ledger over one KeyValue.
//
// Everything that changes books and index is gathered into one Staged change, written as one batch
// together with every count and position not written yet, and only then applied to memory: after a
// failed write nothing has happened and the caller repeats. `received` and `apply_stored` touch
// memory alone; the next write carries them. Threads: one mutex around all of it.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "kv/key_value.h"
#include "ledger/books/keys.h"
#include "ledger/books/offset_set.h"
#include "ledger/ledger.h"
#include "log/scan.h"

namespace penstock::ledger {

class KvLedger final : public Ledger {
 public:
  KvLedger(std::unique_ptr<kv::KeyValue> kv, LedgerOptions options);
  ~KvLedger() override;

  void recover(log::Log& log, runtime::Loop& home, Done done) override;
  void received(event::Lane lane, const std::vector<log::Appended>& appended,
                const std::vector<uint32_t>& record_counts,
                const std::vector<Received>& counts) override;
  Status apply_refused(const log::ReadBatch& batch) override;
  Result<std::vector<std::optional<AcceptedBefore>>> accepted(
      const std::vector<EventIdentity>& identities) const override;
  Status apply_processed(Partition partition, Offset base,
                         const std::vector<std::string_view>& records) override;
  Offset applied(Partition partition) const override;
  Status apply_processed_many(const std::vector<ProcessedSlice>& slices) override;
  bool quarantine_has_room(std::string_view token, size_t bytes) const override;
  Status apply_stored(Partition partition, Offset from, Offset to,
                      const std::vector<Received>& counts) override;
  Result<std::vector<LedgerRow>> rows(ProjectId project, int64_t from_minute, int64_t to_minute,
                                      size_t rows_max) const override;
  Result<LedgerCounts> totals(std::optional<ProjectId> project) const override;
  LedgerBalance balance(const log::Log& log) const override;
  Result<LedgerAudit> audit(std::optional<int64_t> from_minute) const override;
  Status visit_decided(int64_t from_minute, int64_t to_minute,
                       const std::optional<DecidedPlace>& after,
                       const std::function<bool(const DecidedRange&)>& visit) const override;
  bool stored(Partition partition, Offset processed) const override;
  Result<std::vector<TraceEntry>> trace(const Uuid& uuid) const override;
  Result<RequestHits> request(const Uuid& request) const override;
  Result<std::vector<QuarantineEntry>> quarantined(std::string_view token,
                                                   std::string_view after_id,
                                                   size_t entries_max) const override;
  Result<std::optional<QuarantineEntry>> quarantine_entry(std::string_view id) const override;
  Result<std::vector<bool>> in_quarantine(
      const std::vector<std::string_view>& entries) const override;
  Result<std::vector<RedriveJob>> redrive_jobs(size_t jobs_max) const override;
  Status take_quarantined(const std::vector<std::string>& ids) override;
  QuarantineUsage quarantine_usage() const override;
  Result<uint64_t> forget_ids(ProjectId project, const std::vector<std::string>& distinct_ids,
                              int64_t received_until_ms) override;
  Status checkpoint(log::Log& log) override;
  bool healthy() const override;

 private:
  using LanePartition = std::pair<event::Lane, int32_t>;

  /// Positions of everything counted; small, copied while a change is staged.
  struct Positions {
    std::map<LanePartition, OffsetSet> received, decided;
    std::map<int32_t, OffsetSet> applied, stored, refused;
  };
  /// How an entry leaves quarantine.
  struct Leaving {
    std::string state;  // TraceEntry's
    std::string dropped_for{};
    std::string by{};
    int64_t at_ms = 0;
    std::string edit{};  // it does not leave: its text is another one
  };
  /// A change being put together; see the class comment.
  struct Staged {
    kv::WriteBatch batch;
    std::map<LedgerKey, LedgerCounts> counts;  // to add
    /// Of quarantined ones: re-driven (""), or dropped for that reason.
    std::map<LedgerKey, std::map<std::string, uint64_t>> taken;
    std::set<std::string> left;  // keys of quarantine entries that leave
    /// Entries that come in this change, by id in 20 bytes; they may leave in it too.
    std::map<std::string, std::pair<QuarantineData, OtherEntry>> entries;
    std::map<std::string, Leaving> left_early;  // by id in 20 bytes
    std::set<std::string> came_late;            // of those
    std::set<std::string> requests;             // keys
    std::vector<DecidedRange> ranges;  // as they will be; the last of a place is the newest
    Positions positions;               // as they will be
    std::vector<std::pair<LanePartition, std::pair<int64_t, LedgerKey>>> counted_early;
    std::unordered_map<std::string, AcceptedEntry> accepted;    // by key, written in this change
    std::map<std::string, QuarantineUsage, std::less<>> usage;  // new values
  };
  struct Step {
    std::string topic;
    std::vector<log::ScanRange> ranges;
    log::ScanVisitTogether visit;
  };

  Status load();
  Status load_positions();
  Status load_lost();
  Status note_lost(const log::Log& log);
  Status convert_old_index();
  Step received_step(log::Log& log, event::Lane lane);
  Step processed_step(log::Log& log);
  Step stored_step(log::Log& log);
  Step refused_step(log::Log& log);
  void run_steps(std::shared_ptr<std::vector<Step>> steps, size_t at, std::shared_ptr<Done> done);
  Status count_received(event::Lane lane, const log::ScanSlice& slice);
  Status apply_together(const std::vector<log::ScanSlice>& slices);
  Staged stage() const;
  Status add_outcome(Staged& staged, Partition partition, Offset at, const event::Outcome& outcome);
  Status add_accepted(Staged& staged, Partition partition, Offset at,
                      const event::Outcome& outcome);
  static Status add_for_dedup(Staged& staged, Offset at, const event::Outcome& outcome);
  Status add_duplicate(Staged& staged, Partition partition, Offset at,
                       const event::Outcome& outcome);
  Status add_change(Staged& staged, const event::QuarantineChange& change);
  Status load_left_early();
  const Leaving* left_early_of(const Staged& staged, const std::string& id_bytes) const;
  static std::string encode_leaving(const Leaving& how);
  Status leave(Staged& staged, std::string_view id_bytes, const Leaving& how);
  void add_to_range(Staged& staged, const LedgerKey& key, Partition partition, Offset at,
                    const event::Outcome& outcome);
  void keep_open(std::vector<DecidedRange> ranges);
  Status prune(const log::Log& log);
  void add_quarantined(Staged& staged, Partition partition, Offset at,
                       const event::Outcome& outcome);
  Status stage_slice(Staged& staged, const ProcessedSlice& slice);
  Status stage_refused(Staged& staged, Partition partition, Offset base,
                       const std::vector<std::string_view>& records);
  /// Writes the change with all pending counts; on success memory follows.
  Status write(Staged staged);
  Status put_books(Staged& staged, std::map<LedgerKey, LedgerCounts>& fresh);
  void put_positions(Staged& staged, std::map<std::string, std::string>& changed) const;
  static void put_entries(Staged& staged);
  void follow(Staged staged);
  void forget_cold();
  static Status commit(log::Log& log, const Positions& durable);
  void catch_up_stored(Partition partition, Offset from, Offset to, int64_t again_ms = 100);
  Status count_stored(const log::ScanSlice& slice, bool add_range);
  QuarantineUsage usage_of(const Staged& staged, std::string_view token) const;
  TraceEntry trace_accepted(const AcceptedEntry& entry) const;
  static TraceEntry trace_other(const OtherEntry& entry);
  static QuarantineEntry listed(std::string_view id_bytes, QuarantineData data);

  mutable std::mutex mutex_;
  std::unique_ptr<kv::KeyValue> kv_;
  LedgerOptions options_;
  log::Log* log_ = nullptr;
  runtime::Loop* home_ = nullptr;
  bool loaded_ = false;
  bool recovered_ = false;  // once: what comes later only follows other processes
  bool healthy_ = true;
  bool unflushed_ = false;

  std::map<LedgerKey, LedgerCounts> base_;     // what the KeyValue holds, the recent part
  std::map<LedgerKey, LedgerCounts> pending_;  // to add to it
  std::map<ProjectId, LedgerCounts> totals_;   // everything, pending included
  Positions positions_;
  std::map<std::string, std::string> written_;  // positions as the KeyValue holds them
  /// Counted when their outcome came before capture's `received`; taken off when it does come.
  std::map<LanePartition, std::map<int64_t, LedgerKey>> counted_early_;
  std::map<std::string, QuarantineUsage, std::less<>> usage_;
  QuarantineUsage usage_total_;
  /// Entries whose partition is replayed after the one that says how they left.
  std::map<std::string, Leaving> left_early_;
  /// What the log lacked at a start although it is in the books, by key under kLostPrefix.
  std::map<std::string, std::string> lost_;
  std::deque<DecidedRange> open_ranges_;  // written, and may still grow
  int64_t checkpoints_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace penstock::ledger
