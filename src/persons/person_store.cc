#include "persons/person_store.h"

#include "persons/kv/kv_person_store.h"

namespace penstock::persons {
namespace {

/// PostHog's namespace for person ids.
constexpr Uuid kPersonNamespace{{0x93, 0x29, 0x79, 0xb4, 0x65, 0xc3, 0x44, 0x24, 0x84, 0x67, 0x0b,
                                 0x66, 0xec, 0x27, 0xbc, 0x22}};

}  // namespace

std::unique_ptr<PersonStore> make_person_store(std::unique_ptr<kv::KeyValue> kv) {
  return std::make_unique<KvPersonStore>(std::move(kv));
}

void PersonUpdates::take(const event::ProcessedRecord& record) {
  if (const auto* person = std::get_if<event::PersonChange>(&record)) {
    persons.push_back(*person);
  } else if (const auto* id = std::get_if<event::DistinctIdChange>(&record)) {
    distinct_ids.push_back(*id);
  } else if (const auto* group = std::get_if<event::GroupChange>(&record)) {
    groups.push_back(*group);
  } else if (const auto* type = std::get_if<event::GroupTypeChange>(&record)) {
    group_types.push_back(*type);
  } else if (const auto* merge = std::get_if<event::PersonMerge>(&record)) {
    merges.push_back(*merge);
  } else if (const auto* report = std::get_if<event::PersonCommandReport>(&record)) {
    reports.push_back(*report);
  }
}

Result<PersonUpdates> PersonUpdates::of(const std::vector<std::string_view>& records) {
  PersonUpdates out;
  for (const std::string_view bytes : records) {
    PENSTOCK_TRY(const event::ProcessedRecord record, event::decode_processed(bytes));
    out.take(record);
  }
  return out;
}

Uuid person_uuid(ProjectId project, std::string_view distinct_id) {
  std::string name = std::to_string(project.value);
  name.push_back(':');
  name.append(distinct_id);
  return Uuid::v5(kPersonNamespace, name);
}

}  // namespace penstock::persons
