// PersonStore: persons, the distinct ids that point to them, and groups.
//
// Fetch many, apply many. State is derived from the processed topic: ingest appends PersonChange,
// DistinctIdChange and the groups' records first and applies them here once they are durable, with
// the position, so that a restart replays what is missing. Merge rules live in ingest, not here.
// One implementation over kv::KeyValue (memory or RocksDB), one over PostgreSQL
// (persons/postgres_store.h), both behind this page.
//
// Threads: writes and fetches from one loop or one job at a time; other reads from any thread.
// Failure: KeyValue's, or PostgreSQL's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "event/processed_record.h"
#include "kv/key_value.h"
#include "log/log.h"

namespace penstock::persons {

struct Person {
  ProjectId project;
  Uuid id;
  std::string properties = "{}";  // JSON object text
  int64_t created_at_ms = 0;
  bool is_identified = false;
  uint64_t version = 0;
  std::optional<int64_t> last_seen_at_ms;
  std::string stamps;  // PropertyStamps::bytes
  /// Of the distinct id it was fetched by: when a merge gave the id to it; 0: always was its own.
  int64_t attached_at_ms = 0;
  /// And the version of its mapping, if it has no other distinct id.
  std::optional<int64_t> only_mapping{};
};

struct DistinctIdKey {
  ProjectId project;
  std::string distinct_id;
};

/// A distinct id of a person and the version of that mapping.
struct Mapping {
  std::string distinct_id;
  int64_t version = 0;
  int64_t attached_at_ms = 0;  // as Person::attached_at_ms
};

struct GroupKey {
  ProjectId project;
  uint8_t type_index = 0;
  std::string key;
};

struct Group {
  ProjectId project;
  uint8_t type_index = 0;
  std::string key;
  std::string properties = "{}";  // JSON object text
  int64_t created_at_ms = 0;
  uint64_t version = 0;
};

struct GroupType {
  uint8_t index = 0;
  std::string name;
  int64_t created_at_ms = 0;
};

/// A distinct id that was searched for, and whose it is.
struct FoundId {
  std::string distinct_id;
  Uuid person_id;
  int64_t version = 0;
};

/// The merges a person took part in, as the one that stayed or the one that went, in the order of
/// their decision.
struct MergeHistory {
  std::vector<std::string> records;  // each an encoded event::PersonMerge
  uint64_t forgotten = 0;            // older ones that made room
};
/// Kept for each person that stayed; the newest is kept whatever its size.
inline constexpr size_t kMergesKeptMax = 50;
inline constexpr size_t kMergeBytesKeptMax = 1U << 20;
/// Reports of commands kept for each project.
inline constexpr size_t kCommandReportsKeptMax = 1000;

/// The last versions of a distinct id's mapping and of a person, deleted ones too; -1: never there.
struct LastVersions {
  int64_t mapping = -1, person = -1;
};

struct PersonUpdates {
  std::vector<event::PersonChange> persons;
  std::vector<event::DistinctIdChange> distinct_ids;
  std::vector<event::GroupChange> groups;
  std::vector<event::GroupTypeChange> group_types;
  /// Made from what this store holds now, so that version 0 (of a group: 1) means new; saves
  /// looking. A replay leaves it false.
  bool current = false;
  /// Persons, with `current`, that the change was made from: alive in this store, in the version
  /// before. They need not be looked at again.
  std::unordered_set<Uuid> stored{};
  std::vector<event::PersonMerge> merges{};
  std::vector<event::PersonCommandReport> reports{};

  /// Takes what a record of the processed topic changes in this store; others are passed over. It
  /// borrows what the record borrows.
  void take(const event::ProcessedRecord& record);
  /// What consecutive records of the processed topic change; borrows from them.
  static Result<PersonUpdates> of(const std::vector<std::string_view>& records);
};

class PersonStore {
 public:
  virtual ~PersonStore() = default;
  /// The person each distinct id belongs to, in order; nullopt: none.
  virtual Result<std::vector<std::optional<Person>>> fetch(
      const std::vector<DistinctIdKey>& keys) const = 0;
  virtual Result<std::optional<Person>> get(ProjectId project, const Uuid& id) const = 0;
  virtual Result<std::vector<std::string>> distinct_ids(ProjectId project, const Uuid& id,
                                                        size_t ids_max) const = 0;
  /// The same with versions, for moving them; in byte order, behind `after`; `ids_max` bounds the
  /// answer.
  virtual Result<std::vector<Mapping>> mappings(ProjectId project, const Uuid& id, size_t ids_max,
                                                std::string_view after = {}) const = 0;
  /// Distinct ids that begin with `prefix`, in byte order: an exact match comes first.
  virtual Result<std::vector<FoundId>> find_ids(ProjectId project, std::string_view prefix,
                                                size_t ids_max) const = 0;
  /// The groups, in order; nullopt: there is none.
  virtual Result<std::vector<std::optional<Group>>> fetch_groups(
      const std::vector<GroupKey>& keys) const = 0;
  /// A project's types of groups, by index; at most kGroupTypesMax.
  virtual Result<std::vector<GroupType>> group_types(ProjectId project) const = 0;
  virtual Result<MergeHistory> merges(ProjectId project, const Uuid& person) const = 0;
  /// What a new mapping or person must exceed.
  virtual Result<LastVersions> last_versions(ProjectId project, std::string_view distinct_id,
                                             const Uuid& person) const = 0;
  /// Whether a distinct id of the project was ever deleted; costs nothing. Until then an id without
  /// a mapping never had one.
  virtual bool has_deleted_ids(ProjectId project) const = 0;
  /// What became of a command: an encoded event::PersonCommandReport.
  virtual Result<std::optional<std::string>> command_report(ProjectId project,
                                                            const Uuid& id) const = 0;
  /// The newest first, at most `reports_max`.
  virtual Result<std::vector<std::string>> command_reports(ProjectId project,
                                                           size_t reports_max) const = 0;
  /// Whether everything is in that the log held when it was last looked at; kUnavailable: not yet.
  /// `fetch` and `apply` look by themselves; other reads answer from what there is.
  virtual Status caught_up() const { return {}; }
  /// Applies in order; a change whose version is not above the stored one is skipped, and so is a
  /// group type whose index or name is taken. `applied` is
  /// recorded in the same atomic write.
  virtual Status apply(const PersonUpdates& updates, const std::vector<log::Position>& applied) = 0;
  /// Positions of the processed topic up to which changes are in.
  virtual std::vector<log::Position> applied() const = 0;
  using Done = std::move_only_function<void(Status)>;
  /// Replays the processed topic from `applied()` to its end, then runs `done` on `home`.
  virtual void recover(log::Log& log, runtime::Loop& home, Done done) = 0;
  /// Makes applied changes durable, then commits kGroupPersons; blocks.
  virtual Status checkpoint(log::Log& log) = 0;
  virtual Result<uint64_t> count(ProjectId project) const = 0;
};

std::unique_ptr<PersonStore> make_person_store(std::unique_ptr<kv::KeyValue> kv);

/// UUIDv5 of "<project>:<distinct_id>" in PostHog's person namespace.
Uuid person_uuid(ProjectId project, std::string_view distinct_id);

}  // namespace penstock::persons
