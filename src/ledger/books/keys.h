// Keys and values of the ledger's KeyValue; the page for it is docs/formats/ledger.md.
//
// Keys begin with one letter for the kind; numbers in keys are big-endian so that byte order is
// number order. Minutes are stored inverted: a scan meets the newest first. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ledger/ledger.h"

namespace penstock::ledger {

inline constexpr char kCountsPrefix = 'c';     // project, inverted minute, lane → LedgerCounts
inline constexpr char kTotalsPrefix = 't';     // project → LedgerCounts
inline constexpr char kPositionPrefix = 'p';   // kind, lane, partition → OffsetSet
inline constexpr char kAcceptedPrefix = 'd';   // uuid, project → AcceptedEntry
inline constexpr char kOldAccepted = 'e';      // the same as it was kept before, without a hash
inline constexpr char kOtherPrefix = 'x';      // uuid, source → OtherEntry (not accepted)
inline constexpr char kRefusedRing = 'r';      // refused offset → key under kOtherPrefix
inline constexpr char kQuarantineData = 'q';   // quarantine id → token, reason, stage, raw
inline constexpr char kQuarantineToken = 'k';  // token, NUL, quarantine id → size
inline constexpr char kQuarantineUsage = 'u';  // token → entries, bytes
inline constexpr char kRangePrefix = 'b';      // inverted minute, lane, partition, from → range
inline constexpr char kRequestPrefix = 'i';    // request, kind, place → see request_key
inline constexpr char kRedriveJob = 'j';       // command → RedriveJob
inline constexpr char kLeftEarly = 'g';        // quarantine id → how it left before it came
inline constexpr char kLostPrefix = 'l';       // kind, lane, partition → what the log lost, as text

enum class PositionKind : char {
  kReceived = 'r',  // raw topics: counted as received
  kDecided = 'd',   // raw topics: an outcome was counted
  kApplied = 'a',   // processed: applied
  kStored = 's',    // processed: counted as stored
  kRefused = 'f',   // refused: applied
};

std::string counts_key(const LedgerKey& key);
LedgerKey parse_counts_key(std::string_view bytes);
/// The first key of a project's minutes from `minute` down to older ones.
std::string counts_scan_from(ProjectId project, int64_t minute);
std::string totals_key(ProjectId project);
std::string position_key(PositionKind kind, event::Lane lane, Partition partition);
std::string accepted_key(const Uuid& uuid, ProjectId project);
/// For a second accepted event of one identity, of the days when there could be one: `trace` finds
/// it, dedup does not.
std::string accepted_again_key(const Uuid& uuid, ProjectId project, const event::Source& source);
std::string accepted_prefix(const Uuid& uuid);
std::string other_key(const Uuid& uuid, char kind, const event::Source& source);
std::string other_prefix(const Uuid& uuid);
std::string refused_ring_key(int64_t offset);

/// Where a quarantine entry lies in `processed`; as text it is the entry's public id.
struct QuarantineId {
  int64_t received_ms = 0;
  Partition partition;
  Offset offset;

  std::string bytes() const;
  std::string text() const;
  static QuarantineId from_bytes(std::string_view bytes);
  static std::optional<QuarantineId> parse(std::string_view text);
};
std::string quarantine_key(std::string_view id_bytes);
std::string quarantine_token_prefix(std::string_view token);
std::string quarantine_token_key(std::string_view token, std::string_view id_bytes);
std::string quarantine_usage_key(std::string_view token);

std::string range_key(const DecidedRange& range);
/// The first key of the ranges behind a place, and of a minute's.
std::string range_scan_after(const DecidedPlace& place);
std::string range_scan_from(int64_t minute);
std::string encode_range(const DecidedRange& range);
bool decode_range(std::string_view key, std::string_view value, DecidedRange& out);

/// `kind` 'c': events came under the client's own id at the time `place`, nothing more is kept.
/// 'r': a refusal at the offset `place` of the refused topic; the value is an OtherEntry.
std::string request_key(const Uuid& request, char kind, int64_t place);
std::string request_prefix(const Uuid& request);
/// The place in such a key.
int64_t request_place(std::string_view key);

std::string redrive_job_key(const Uuid& command);
std::string encode_job(const RedriveJob& job);
bool decode_job(std::string_view bytes, RedriveJob& out);

std::string encode_counts(const LedgerCounts& counts);
bool decode_counts(std::string_view bytes, LedgerCounts& out);

/// What the event index keeps of an accepted event.
struct AcceptedEntry {
  std::optional<uint64_t> content_hash{};
  ProjectId project{};
  int64_t received_ms = 0;
  event::Source source{};
  Offset processed{};
  uint64_t duplicates = 0;
  int64_t last_duplicate_ms = 0;
  std::string event{}, distinct_id{};
  Partition processed_in = source.partition;  // which of `processed`
};
std::string encode_accepted(const AcceptedEntry& entry);
bool decode_accepted(std::string_view bytes, AcceptedEntry& out);
/// Only what dedup needs.
bool decode_accepted_hash(std::string_view bytes, std::optional<uint64_t>& out);
/// A value under kOldAccepted.
bool decode_old_accepted(std::string_view bytes, AcceptedEntry& out);

/// What it keeps of everything else: `state` is TraceEntry's.
struct OtherEntry {
  std::string state;
  ProjectId project{};
  int64_t received_ms = 0;
  event::Source source{};
  int status = 0;
  std::string reason{}, stage{}, event{}, distinct_id{};
  // Not in entries of older versions:
  std::optional<Offset> processed{};
  std::string quarantine_id{};  // 20 bytes
  std::string by{};
  int64_t changed_ms = 0;
  Uuid request{};
  Partition processed_in = source.partition;
};
std::string encode_other(const OtherEntry& entry);
bool decode_other(std::string_view bytes, OtherEntry& out);

struct QuarantineData {
  LedgerKey key;
  event::Source source{};
  Uuid uuid;
  int64_t received_ms = 0;
  std::string token, reason, stage, raw;
  // Not in entries of older versions:
  std::string version{};
  int64_t decided_ms = 0;
  std::string edited{}, edited_by{};
  int64_t edited_ms = 0;
};
std::string encode_quarantine(const QuarantineData& data);
bool decode_quarantine(std::string_view bytes, QuarantineData& out);

}  // namespace penstock::ledger
