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
#include <string>
#include <vector>

#include "kv/key_value.h"
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
  Status apply(const PersonUpdates& updates, const std::vector<log::Position>& applied) override;
  std::vector<log::Position> applied() const override;
  void recover(log::Log& log, runtime::Loop& home, Done done) override;
  Status checkpoint(log::Log& log) override;
  Result<uint64_t> count(ProjectId project) const override;

 private:
  struct Change;

  Status read(Change& change, const PersonUpdates& updates) const;
  Status apply_person(Change& change, const event::PersonChange& person) const;
  Status apply_mapping(Change& change, const event::DistinctIdChange& mapping) const;
  static Status apply_group(Change& change, const event::GroupChange& group);
  static Status apply_group_type(Change& change, const event::GroupTypeChange& type);
  Status load();

  mutable std::mutex mutex_;
  std::unique_ptr<kv::KeyValue> kv_;
  bool loaded_ = false;
  bool unflushed_ = false;
  std::map<int32_t, int64_t> applied_;
};

}  // namespace penstock::persons
