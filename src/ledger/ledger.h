// Ledger: what became of every event, counted exactly, and where each one is.
//
// For every project, minute of receipt and lane: received = stored + dropped(reason) + quarantined
// + redriven + deduplicated + in flight. Counts are derived state: `received` from the raw topics,
// outcomes from the processed topic, stored from the loader's progress. They are kept with their
// log positions in one KeyValue, written atomically together, and caught up from the log at start,
// so they are equal after any crash. The same place keeps the event index (dedup and trace) and
// quarantine, for the same reason.
//
// "Project" here is RawRecord::project, the token's project at receipt; 0 collects events whose
// token was unknown then. Threads: all methods may be called from any thread (one mutex inside,
// held briefly). Failure: what KeyValue answers; after a failed write the Ledger keeps its counts
// in memory and `healthy()` is false until a write succeeds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "event/processed_record.h"
#include "event/raw_record.h"
#include "kv/key_value.h"
#include "log/log.h"

namespace penstock::ledger {

struct LedgerKey {
  ProjectId project;
  int64_t minute = 0;  // Unix minutes of receipt
  event::Lane lane = event::Lane::kMain;
  auto operator<=>(const LedgerKey&) const = default;
};

/// The minute of a time of receipt.
constexpr int64_t minute_of(int64_t ms) { return ms >= 0 ? ms / 60'000 : (ms - 59'999) / 60'000; }

struct LedgerCounts {
  uint64_t received = 0;
  uint64_t accepted = 0;  // decided to become a row; stored or on its way
  uint64_t stored = 0;
  uint64_t deduplicated = 0;
  uint64_t quarantined = 0;                 // still there
  uint64_t redriven = 0;                    // left quarantine and was received again
  std::map<std::string, uint64_t> dropped;  // by reason

  uint64_t dropped_total() const;
  /// Outcomes decided so far.
  uint64_t decided() const {
    return accepted + deduplicated + quarantined + redriven + dropped_total();
  }
  /// Waiting for ingest plus waiting for the store.
  uint64_t in_flight() const { return (received - decided()) + (accepted - stored); }
  void add(const LedgerCounts& other);
};

struct LedgerRow {
  LedgerKey key;
  LedgerCounts counts;
};

/// The books checked against the log's own offsets, which are counted elsewhere.
struct LedgerBalance {
  bool balanced = false;
  uint64_t received = 0, received_by_offsets = 0;  // all projects; all raw partitions
  uint64_t decided = 0, decided_by_offsets = 0;    // decided by the positions ingest recorded
  uint64_t stored = 0, accepted = 0;
  uint64_t uncounted = 0;  // durable in the log and not in the books yet: 0 when all is quiet
  std::string detail;      // what differs, empty when balanced
};

/// The key of dedup: a uuid belongs to one event of a project (docs/decisions/0010-exact-dedup.md).
struct EventIdentity {
  ProjectId project;
  Uuid uuid;
  bool operator==(const EventIdentity&) const = default;
};
struct EventIdentityHash {
  size_t operator()(const EventIdentity& i) const noexcept {
    return std::hash<Uuid>{}(i.uuid) ^ static_cast<size_t>(i.project.value);
  }
};

/// What is known of the event that was accepted under an identity.
struct AcceptedBefore {
  std::optional<uint64_t> content_hash;  // absent: an older version accepted it

  /// A repeat; otherwise another event under the same uuid.
  bool same(uint64_t hash) const { return !content_hash || *content_hash == hash; }
};

/// One line of an event's story. Several: duplicates, refusals, re-drives of the same uuid.
struct TraceEntry {
  Uuid uuid;  // of the event; nil: a refused request that named none
  /// refused, in_flight (`stage` says where it waits), stored, dropped, quarantined or redriven.
  std::string state;
  ProjectId project;
  int64_t received_ms = 0;
  event::Source source;
  std::string event, distinct_id;  // when known
  std::string reason, stage;       // why refused, dropped or quarantined
  int status = 0;                  // HTTP status of a refusal
  uint64_t duplicates = 0;         // later copies that were dropped
  int64_t last_duplicate_ms = 0;
  /// Where its outcome lies in `processed_in`, the partition of `processed` that has it or will.
  std::optional<Offset> processed;
  Partition processed_in;
  std::string quarantine_id;  // of one in quarantine
  std::string by;             // who discarded it
  int64_t changed_ms = 0;     // when it left quarantine; 0: it did not
  Uuid request;               // of a refusal, when known
};

struct QuarantineEntry {
  std::string id;  // opaque; names the entry for the API
  ProjectId project;
  std::string token, reason, stage;
  Uuid uuid;
  int64_t received_ms = 0;
  event::Source source;
  std::string raw;         // the raw record's bytes
  std::string version;     // of the code that put it there; empty: an older one
  int64_t decided_ms = 0;  // when; 0: an older version
  Offset processed;        // of its outcome, in `processed_in`
  Partition processed_in;
  std::string edited;  // the event's text that an operator put in its place; or empty
  std::string edited_by;
  int64_t edited_ms = 0;
};

/// A re-drive that an operator asked for.
struct RedriveJob {
  Uuid id;  // of the command that began it
  ProjectId project;
  std::string who;
  std::string body;   // JSON: select, per_second, total, positions
  std::string state;  // "running", "done" or "stopped"
  int64_t began_ms = 0, ended_ms = 0;
};

/// How many events of a range had one outcome.
struct DecidedCount {
  ProjectId project;  // as LedgerKey
  event::OutcomeKind kind = event::OutcomeKind::kAccepted;
  std::string reason;
  uint64_t count = 0;
};
/// Where outcomes of one minute and lane lie together; other records may lie between them.
struct DecidedRange {
  int64_t minute = 0;
  event::Lane lane = event::Lane::kMain;
  Partition partition;  // of `processed`
  Offset from, to;
  int64_t first_ms = 0, last_ms = 0;  // times of receipt
  std::vector<DecidedCount> counts;
};
/// A place in their order: minutes newest first, then lane, partition, offset.
struct DecidedPlace {
  int64_t minute = 0;
  event::Lane lane = event::Lane::kMain;
  Partition partition;
  Offset offset;
};

/// What is known of a request by the id that the client gave it or that it was answered with.
struct RequestHits {
  std::vector<TraceEntry> refused;
  std::vector<int64_t> received_ms;  // when events came under the client's own id
};

/// The books looked through for what cannot be.
struct LedgerAudit {
  uint64_t rows = 0;
  std::vector<std::string> wrong;  // at most kAuditFindingsMax
};
inline constexpr size_t kAuditFindingsMax = 20;

struct QuarantineUsage {
  uint64_t entries = 0, bytes = 0;
};

struct LedgerOptions {
  uint64_t quarantine_bytes_per_token_max = 64U << 20;
  uint64_t quarantine_bytes_max = 1U << 30;
  /// Refusals kept for `trace`; the oldest make room.
  uint64_t refused_kept_max = 1'000'000;
  /// False: only what dedup needs is kept. For measuring what the rest costs; a server has it on.
  bool books = true;
  /// Another process decides, or stores: its part is read from the log, at `recover` and each time
  /// that it is called again.
  bool decided_elsewhere = false, stored_elsewhere = false;
  /// The outcomes of a lane's partition lie in the partition of its number (event::Layout::apart).
  bool lanes_apart = false;
};

/// Records of one processed partition, in order, the first at `base`.
struct ProcessedSlice {
  Partition partition;
  Offset base;
  const std::vector<std::string_view>* records = nullptr;
};

class Ledger {
 public:
  virtual ~Ledger() = default;

  using Done = std::move_only_function<void(Status)>;
  /// Catches up with the log after a restart and then runs `done` on `home`; `log` is started.
  /// Call before anything is appended or applied; called again it takes what other processes have
  /// done since, as the options say, and what they refused.
  virtual void recover(log::Log& log, runtime::Loop& home, Done done) = 0;

  /// Capture: these appended batches are durable and about to be acknowledged.
  struct Received {
    LedgerKey key;
    uint64_t count = 0;
  };
  virtual void received(event::Lane lane, const std::vector<log::Appended>& appended,
                        const std::vector<uint32_t>& record_counts,
                        const std::vector<Received>& counts) = 0;
  /// Capture: a refusal that is durable in the refused topic.
  virtual Status apply_refused(const log::ReadBatch& batch) = 0;

  /// Ingest: which of these were accepted before (one answer each, in order).
  virtual Result<std::vector<std::optional<AcceptedBefore>>> accepted(
      const std::vector<EventIdentity>& identities) const = 0;
  /// Ingest: a processed batch is durable at this position. Repeating one is harmless.
  virtual Status apply_processed(Partition partition, Offset base,
                                 const std::vector<std::string_view>& records) = 0;
  /// The first record of a processed partition that is not applied yet.
  virtual Offset applied(Partition partition) const = 0;
  /// The same for several partitions, in one write.
  virtual Status apply_processed_many(const std::vector<ProcessedSlice>& slices) {
    for (const ProcessedSlice& slice : slices) {
      if (Status s = apply_processed(slice.partition, slice.base, *slice.records); !s) return s;
    }
    return {};
  }
  /// True when quarantine has room for `bytes` more of this token.
  virtual bool quarantine_has_room(std::string_view token, size_t bytes) const = 0;

  /// Loader: accepted records in [from, to) of a processed partition are rows now, and all below
  /// `from` were before; what is not known of those is counted from the log. Both may be equal.
  virtual Status apply_stored(Partition partition, Offset from, Offset to,
                              const std::vector<Received>& counts) = 0;

  /// Rows of a project with minute in [from, to), newest first, at most `rows_max`.
  virtual Result<std::vector<LedgerRow>> rows(ProjectId project, int64_t from_minute,
                                              int64_t to_minute, size_t rows_max) const = 0;
  virtual Result<LedgerCounts> totals(std::optional<ProjectId> project) const = 0;
  virtual LedgerBalance balance(const log::Log& log) const = 0;
  /// Looks through the rows from `from_minute` on; without it, through all of them, and whether
  /// they sum up to the totals. Takes no lock: a large scan disturbs nobody.
  virtual Result<LedgerAudit> audit(std::optional<int64_t> from_minute) const = 0;
  /// Where the outcomes of minutes in [from, to) lie, beginning behind `after`; until `visit`
  /// answers false. What the log has deleted is left out sooner or later.
  virtual Status visit_decided(int64_t from_minute, int64_t to_minute,
                               const std::optional<DecidedPlace>& after,
                               const std::function<bool(const DecidedRange&)>& visit) const = 0;
  /// Whether the accepted event whose outcome lies there is a row.
  virtual bool stored(Partition partition, Offset processed) const = 0;

  virtual Result<std::vector<TraceEntry>> trace(const Uuid& uuid) const = 0;
  virtual Result<RequestHits> request(const Uuid& request) const = 0;
  /// Entries of a token (empty: all), oldest first, after `after_id`; an answer may be shorter
  /// than asked, and is empty only at the end.
  virtual Result<std::vector<QuarantineEntry>> quarantined(std::string_view token,
                                                           std::string_view after_id,
                                                           size_t entries_max) const = 0;
  virtual Result<std::optional<QuarantineEntry>> quarantine_entry(std::string_view id) const = 0;
  /// Ingest: which of these (event::RawRecord::quarantine_entry) are in quarantine.
  virtual Result<std::vector<bool>> in_quarantine(
      const std::vector<std::string_view>& entries) const = 0;
  /// Those that run, then the ended ones, newest first, at most `jobs_max`.
  virtual Result<std::vector<RedriveJob>> redrive_jobs(size_t jobs_max) const = 0;
  /// These leave quarantine at once, whatever the log says of them: for erasing a person.
  virtual Status take_quarantined(const std::vector<std::string>& ids) = 0;
  virtual QuarantineUsage quarantine_usage() const = 0;

  /// Of events of these distinct ids that were received up to then the index forgets name and
  /// distinct id, durably; uuid, content hash, outcome and counts stay, so that dedup and the books
  /// hold. Looks at the whole index: blocks, for a pool job. Answers how many entries it changed;
  /// repeating is harmless.
  virtual Result<uint64_t> forget_ids(ProjectId project,
                                      const std::vector<std::string>& distinct_ids,
                                      int64_t received_until_ms) = 0;

  /// Writes what is gathered and makes it durable, then commits log positions; blocks.
  virtual Status checkpoint(log::Log& log) = 0;
  virtual bool healthy() const = 0;
};

std::unique_ptr<Ledger> make_ledger(std::unique_ptr<kv::KeyValue> kv, LedgerOptions options);

}  // namespace penstock::ledger
