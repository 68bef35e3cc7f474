// ProcessedRecord: what ingest or replay decided about one captured record, and what it caused.
//
// The processed topic holds exactly one Outcome for every raw record, in the raw partition's order,
// followed by the person, distinct-id and group changes (ingest) or the blocks and console lines
// (replay) that came of it. Everything downstream (SQL rows, ledger counts, person state, the event
// index, quarantine) is derived from this stream and can be rebuilt from it. Layout and versions:
// docs/formats/records.md. Decoded views point into the encoded bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "event/lane.h"
#include "event/quarantine_change.h"

namespace penstock::event {

enum class OutcomeKind : uint8_t {
  kAccepted = 1,     // becomes rows: of `events`, of `heatmaps`, or (lane replay) part of a block
  kDropped = 2,      // by a rule, with its reason
  kDuplicate = 3,    // the same event was accepted before
  kQuarantined = 4,  // kept with its bytes and reason; can be re-driven
};
std::string_view outcome_name(OutcomeKind kind);

enum class PersonMode : uint8_t { kFull = 0, kPropertyless = 1, kForceUpgrade = 2 };
std::string_view person_mode_name(PersonMode mode);

/// Why a row has the person it has.
enum class PersonWhy : uint8_t {
  kUnknown = 0,             // an older version decided
  kExisting = 1,            // its distinct id belonged to this person
  kCreated = 2,             // nobody had the distinct id: the event made the person
  kMerged = 3,              // an identify or alias brought its two ids together in this person
  kPersonless = 4,          // no profile was asked for: the person that the distinct id would have
  kPersonlessExisting = 5,  // the same, and the distinct id belongs to a person already
};
std::string_view person_why_name(PersonWhy why);

/// Where the raw record lies.
struct Source {
  Lane lane = Lane::kMain;
  Partition partition;
  Offset offset;
};

/// The row of `events` (contract section 8); only for kAccepted.
struct EventRow {
  std::string_view event;
  std::string_view properties;  // JSON object text
  int64_t timestamp_ms = 0;
  std::string_view distinct_id;
  std::string_view elements_chain;
  int64_t created_at_ms = 0;
  std::optional<int64_t> captured_at_ms;
  Uuid person_id;
  std::string_view person_properties;  // JSON object text
  int64_t person_created_at_ms = 0;
  PersonMode person_mode = PersonMode::kFull;
  bool historical = false;
  /// Its rows are the Heatmap that follows; `events` gets none, and the rest here only says what
  /// it was (docs/decisions/0007-heatmaps.md).
  bool heatmap_only = false;
  PersonWhy person_why = PersonWhy::kUnknown;
};

struct Outcome {
  OutcomeKind kind = OutcomeKind::kAccepted;
  ProjectId project;       // whose event it is; 0: unknown token
  ProjectId received_for;  // RawRecord::project: the ledger counts under it
  Uuid uuid;
  /// Of an accepted event and its duplicates: what the client said
  /// (docs/decisions/0010-exact-dedup.md). Absent: an older version decided, or the event came to
  /// nothing before it was read.
  std::optional<uint64_t> content_hash;
  int64_t received_ms = 0;  // capture's clock; its minute is the ledger's minute
  Source source;
  bool redriven = false;       // the record came back from quarantine
  std::string_view reason;     // for kDropped and kQuarantined: a tag such as "unknown_token"
  std::string_view stage;      // for kQuarantined: the step that failed
  std::string_view token;      // for kQuarantined
  std::string_view raw;        // for kQuarantined: the raw record's bytes, unchanged
  std::string_view version{};  // for kQuarantined: of the code that decided
  int64_t decided_ms = 0;      // 0: not known
  uint32_t request = 0;        // RawRecord's
  Uuid client_request{};       // RawRecord's
  std::string_view quarantine_entry{};  // RawRecord's: this outcome takes the entry out
  /// What apps did with an accepted or dropped event, a JSON array (docs/formats/records.md);
  /// empty: it went through none.
  std::string_view apps{};
  EventRow row;  // for kAccepted; in the replay lane only what identifies it
};

/// Full new state of a person; the higher version wins. Message `clickhouse_person`.
struct PersonChange {
  ProjectId project;
  Uuid id;
  std::string_view properties;  // JSON object text
  int64_t created_at_ms = 0;
  bool is_identified = false;
  bool is_deleted = false;
  uint64_t version = 0;
  std::optional<int64_t> last_seen_at_ms;
  std::string_view stamps{};  // persons::PropertyStamps; not part of the message
};

/// A distinct id now belongs to a person. Message `clickhouse_person_distinct_id`.
struct DistinctIdChange {
  ProjectId project;
  std::string_view distinct_id;
  Uuid person_id;
  bool is_deleted = false;
  int64_t version = 0;
  int64_t attached_at_ms = 0;  // persons::Person::attached_at_ms; not part of the message
};

/// Something the project's people should know (contract section 10).
struct IngestionWarning {
  ProjectId project;
  std::string_view type;
  std::string_view source;   // "plugin-server" or "capture"
  std::string_view details;  // JSON object text
  int64_t timestamp_ms = 0;
};

/// A part of a session's recording that lies in the object store. Message
/// `clickhouse_session_replay_events`.
struct ReplayBlock {
  ProjectId project;
  std::string_view session_id;
  std::string_view distinct_id;
  int64_t first_timestamp_ms = 0, last_timestamp_ms = 0;
  std::string_view block_url;  // docs/formats/replay_blocks.md
  std::string_view first_url;
  std::vector<std::string_view> urls;
  uint64_t click_count = 0, keypress_count = 0, mouse_activity_count = 0, active_milliseconds = 0;
  uint64_t console_log_count = 0, console_warn_count = 0, console_error_count = 0;
  uint64_t size = 0;  // of the lines, before compression
  uint64_t event_count = 0, message_count = 0;
  std::string_view snapshot_source;
  std::string_view snapshot_library;
  uint32_t retention_period_days = 0;  // 0: kept for ever
};

/// A line that a recorded page wrote to its console, or another source's log. Message
/// `log_entries`.
struct LogEntry {
  ProjectId project;
  std::string_view source;     // "session_replay"
  std::string_view source_id;  // the session
  int64_t timestamp_ms = 0;
  std::string_view level;  // "info", "warn" or "error"
  std::string_view message;
};

/// One place where somebody clicked or moved, or how far they scrolled; units of kHeatmapScale.
struct HeatmapPoint {
  std::string_view url, type;
  int16_t x = 0, y = 0;
  bool target_fixed = false;
};
inline constexpr int16_t kHeatmapScale = 16;  // pixels

/// The points that one event told of. Message `clickhouse_heatmap_events`, once for each point.
struct Heatmap {
  ProjectId project;
  std::string_view session_id;
  std::string_view distinct_id;
  int64_t timestamp_ms = 0;
  int16_t viewport_width = 0, viewport_height = 0;
  std::vector<HeatmapPoint> points;
};

/// Full new state of a group; the higher version wins, the first is 1. Message `clickhouse_groups`.
struct GroupChange {
  ProjectId project;
  uint8_t type_index = 0;
  std::string_view key;
  std::string_view properties;  // JSON object text
  int64_t created_at_ms = 0;
  uint64_t version = 1;
};

/// A project's type of groups has its index from now on; neither ever changes.
struct GroupTypeChange {
  ProjectId project;
  uint8_t index = 0;
  std::string_view name;
  int64_t created_at_ms = 0;  // time of the event that brought it
};
/// Types of groups a project can have; their indexes are 0 to 4.
inline constexpr uint8_t kGroupTypesMax = 5;

/// Two persons became one, or a distinct id came to a person, because an event said so. Kept as
/// merge history (persons/person_store.h), so that it can be undone
/// (docs/decisions/0013-undoing-merges.md).
struct PersonMerge {
  ProjectId project;
  Uuid event_uuid;
  std::string_view event;
  int64_t time_ms = 0;  // when it was decided: EventRow::created_at_ms of the event
  uint32_t place = 0;   // of the event among those decided at that time
  std::string_view source_id, target_id;  // the distinct ids that the event named
  /// The persons in full before the merge, each an encoded PersonChange; empty: there was none.
  std::string_view source, target;
  Uuid result;                             // who has all ids afterwards
  std::vector<std::string_view> moved;     // the ids it got by this
  std::vector<int64_t> moved_attached_ms;  // of each, DistinctIdChange::attached_at_ms before
  /// Next offsets of the processed partitions, by number, when the cycle began that decided it.
  std::vector<int64_t> positions;
  bool undone = false;
  /// An undo writes records of the history anew; of the same event the highest counts.
  uint64_t revision = 0;

  /// The person in full; nullopt: there was none, or it cannot be read.
  static std::optional<PersonChange> person(std::string_view bytes);
};

/// How far a command about persons is (event/person_command.h); the last one about an id counts.
struct PersonCommandReport {
  ProjectId project;
  Uuid id;
  std::string_view kind;
  std::string_view who;
  std::string_view state;   // "running", "done" or "failed"
  std::string_view report;  // JSON object text
  int64_t time_ms = 0;
};

/// What became of a cookieless visitor: a session's new state (the higher version wins), or one
/// more `$identify` of theirs.
struct CookielessChange {
  ProjectId project;
  int32_t day = 0;  // days since 1970
  Uuid visitor;     // a hash of 16 bytes, no UUID
  bool is_identify = false;
  Uuid id;  // of the session, or of the $identify event
  int64_t last_activity_ms = 0;
  uint64_t version = 0;
};

using ProcessedRecord =
    std::variant<Outcome, PersonChange, DistinctIdChange, IngestionWarning, ReplayBlock, LogEntry,
                 Heatmap, GroupChange, GroupTypeChange, PersonMerge, PersonCommandReport,
                 CookielessChange, QuarantineChange>;

void encode(const ProcessedRecord& record, std::string& out);
/// kCorrupt when the bytes are not a record of a known version.
Result<ProcessedRecord> decode_processed(std::string_view bytes);

}  // namespace penstock::event
