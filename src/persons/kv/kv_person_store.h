// KvPersonStore: PersonStore over one KeyValue.
//
// One atomic write per apply: persons, mappings, the reverse index, groups, counts and the
// positions. Reads
// are plain KeyValue reads from any thread; the mutex guards the positions and `apply`.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "kv/key_value.h"
#include "log/replay.h"
#include "persons/kv/person_codec.h"
#include "persons/person_store.h"

namespace penstock::persons {

class KvPersonStore final : public PersonStore {
 public:
  explicit KvPersonStore(std::unique_ptr<kv::KeyValue> kv);

  Result<std::vector<std::optional<Person>>> fetch(
      const std::vector<DistinctIdKey>& keys) const override;
  Result<std::optional<Person>> get(ProjectId project, const Uuid& id) const override;
  Result<std::vector<std::string>> distinct_ids(ProjectId project, const Uuid& id,
                                                size_t ids_max) const override;
  Result<std::vector<Mapping>> mappings(ProjectId project, const Uuid& id, size_t ids_max,
                                        std::string_view after) const override;
  Result<std::vector<FoundId>> find_ids(ProjectId project, std::string_view prefix,
                                        size_t ids_max) const override;
  Result<std::vector<std::optional<Group>>> fetch_groups(
      const std::vector<GroupKey>& keys) const override;
  Result<std::vector<GroupType>> group_types(ProjectId project) const override;
  Result<MergeHistory> merges(ProjectId project, const Uuid& person) const override;
  Result<LastVersions> last_versions(ProjectId project, std::string_view distinct_id,
                                     const Uuid& person) const override;
  bool has_deleted_ids(ProjectId project) const override;
  Result<std::optional<std::string>> command_report(ProjectId project,
                                                    const Uuid& id) const override;
  Result<std::vector<std::string>> command_reports(ProjectId project,
                                                   size_t reports_max) const override;
  Status apply(const PersonUpdates& updates, const std::vector<log::Position>& applied) override;
  std::vector<log::Position> applied() const override;
  void recover(log::Log& log, runtime::Loop& home, Done done) override;
  Status checkpoint(log::Log& log) override;
  Result<uint64_t> count(ProjectId project) const override;

 private:
  /// One apply in the making: the batch and what it will have written, so that later changes of the
  /// same keys see earlier ones.
  struct Change {
    kv::WriteBatch batch;
    std::unordered_map<std::string, std::optional<std::string>> known;  // read or written
    std::map<ProjectId, int64_t> count_delta;
    std::set<int64_t> deleted_in;
    std::unordered_set<Uuid> stored;  // PersonUpdates::stored

    void put(const std::string& key, std::string value) {
      batch.put(key, value);
      known.insert_or_assign(key, std::move(value));
    }
    /// What is known of a key; reads for a key that nobody asked for are none.
    const std::optional<std::string>& get(const std::string& key) { return known[key]; }
  };

  bool is_repeat(const std::vector<log::Position>& applied) const;
  Status read(Change& change, const PersonUpdates& updates) const;
  Status apply_person(Change& change, const event::PersonChange& person) const;
  Status apply_mapping(Change& change, const event::DistinctIdChange& mapping) const;
  static Status apply_group(Change& change, const event::GroupChange& group);
  static Status apply_group_type(Change& change, const event::GroupTypeChange& type);
  // merge_history.cc
  Status apply_merges(Change& change, const PersonUpdates& updates) const;
  Status forget_merges(Change& change, ProjectId project, const Uuid& person,
                       const std::map<std::string, size_t>& added) const;
  Status apply_reports(Change& change,
                       const std::vector<event::PersonCommandReport>& reports) const;
  Status load();
  Status keep_positions();

  mutable std::mutex mutex_;
  std::unique_ptr<kv::KeyValue> kv_;
  bool loaded_ = false;
  bool unflushed_ = false;
  log::Positions applied_;
  std::set<int64_t> deleted_in_;  // projects
};

}  // namespace penstock::persons
