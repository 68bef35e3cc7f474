// KvDefinitions: DefinitionStore over one KeyValue.
//
// `apply` decides everything from the hashes in memory; the KeyValue is written when there is news
// and read only once an hour for each event. A write that failed is kept and goes first the next
// time, so that memory and disk never disagree for long. The mutex guards counts and positions.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "definitions/definition_store.h"
#include "definitions/detect/read_event.h"
#include "definitions/state/known_set.h"
#include "event/processed_record.h"

namespace penstock::definitions {

class KvDefinitions final : public DefinitionStore {
 public:
  KvDefinitions(std::unique_ptr<kv::KeyValue> kv, DefinitionLimits limits);
  Status load();

  Status apply(Partition partition, Offset base,
               const std::vector<std::string_view>& records) override;
  std::vector<log::Position> applied() const override;
  void skip_to(Partition partition, Offset to) override;
  Status save() override;
  Status flush(log::Log& log) override;

  Result<std::vector<EventDefinition>> events(ProjectId project,
                                              const DefinitionsAsked& asked) const override;
  Result<std::vector<PropertyDefinition>> properties(ProjectId project, Owner owner,
                                                     const DefinitionsAsked& asked) const override;
  Result<std::vector<PropertyDefinition>> properties_of(
      ProjectId project, std::string_view event, const DefinitionsAsked& asked) const override;
  Result<std::vector<std::string>> events_with(ProjectId project, std::string_view property,
                                               const DefinitionsAsked& asked) const override;
  DefinitionCounts counts(ProjectId project) const override;
  const DefinitionLimits& limits() const override { return limits_; }

 private:
  struct Project {
    DefinitionCounts counts;
    bool changed = false;
  };
  /// A name that is not known for certain yet: what has to be looked at after the event was read.
  struct News {
    Owner owner;
    bool pair;
    std::string name;
    std::string_view raw;
    uint64_t name_hash;
  };

  Status take(const event::Outcome& outcome);
  Status take_event(ProjectId project, Project& state, std::string_view name, uint64_t hash,
                    int64_t now_ms, bool& known);
  /// Whether the property is known now, with a type.
  bool take_property(ProjectId project, Project& state, const News& news,
                     std::string_view group_type, int64_t now_ms, bool& settled);
  void take_pair(ProjectId project, Project& state, std::string_view event, uint64_t hash,
                 const News& news, bool settled);
  bool has_room(uint64_t of_kind, uint64_t of_kind_max) const;
  Status write();
  Result<std::vector<std::string>> names_below(const std::string& prefix,
                                               const DefinitionsAsked& asked) const;

  std::unique_ptr<kv::KeyValue> kv_;
  const DefinitionLimits limits_;
  // Of the loop that applies.
  KnownSet known_;
  EventReader reader_;
  std::vector<News> news_;
  std::string name_scratch_;
  kv::WriteBatch batch_;

  mutable std::mutex mutex_;
  std::unordered_map<int64_t, Project> projects_;
  std::map<int32_t, int64_t> next_, saved_;
  bool unflushed_ = false;
};

}  // namespace penstock::definitions
