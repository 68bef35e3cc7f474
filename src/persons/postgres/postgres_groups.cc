// Groups and their types in PostHog's tables.
#include "persons/postgres/json_text.h"
#include "persons/postgres/postgres_person_store.h"
#include "persons/postgres/reduced.h"
#include "persons/postgres/sql.h"

namespace penstock::persons {

Result<std::vector<std::optional<Group>>> PostgresPersonStore::fetch_groups(
    const std::vector<GroupKey>& keys) const {
  std::vector<std::optional<Group>> out(keys.size());
  if (keys.empty()) return out;
  ArrayWriter teams(ArrayOf::kInt8), types(ArrayOf::kInt8), names(ArrayOf::kText);
  for (const GroupKey& key : keys) {
    teams.add(key.project.value);
    types.add(static_cast<int64_t>(key.type_index));
    names.add(std::string_view(to_postgres_text(key.key)));
  }
  Params params;
  params.array(teams).array(types).array(names);
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(ready());
  PENSTOCK_TRY(const Rows rows, connection_.run(sql::kFetchGroups, params));
  for (int i = 0; i < rows.size(); i++) {
    const auto at = static_cast<size_t>(rows.number(i, 0) - 1);
    if (at >= out.size()) continue;
    out[at] = Group{.project = keys[at].project,
                    .type_index = keys[at].type_index,
                    .key = keys[at].key,
                    .properties = compact_json(rows.jsonb(i, 1)),
                    .created_at_ms = rows.time_ms(i, 2),
                    .version = static_cast<uint64_t>(rows.number(i, 3))};
  }
  return out;
}

Result<std::vector<GroupType>> PostgresPersonStore::group_types(ProjectId project) const {
  Params params;
  params.number(project.value);
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(ready());
  PENSTOCK_TRY(const Rows rows, connection_.run(sql::kGroupTypes, params));
  std::vector<GroupType> out;
  for (int i = 0; i < rows.size(); i++) {
    out.push_back({static_cast<uint8_t>(rows.number(i, 0)), std::string(rows.bytes(i, 1)),
                   rows.is_null(i, 2) ? 0 : rows.time_ms(i, 2)});
  }
  return out;
}

Status put_groups(Connection& connection,
                  const std::vector<Reduced::Named<event::GroupChange>>& groups) {
  if (groups.empty()) return {};
  ArrayWriter teams(ArrayOf::kInt8), types(ArrayOf::kInt8), names(ArrayOf::kText),
      properties(ArrayOf::kJsonb), created(ArrayOf::kTimestamp), versions(ArrayOf::kInt8);
  for (const auto& [group, name] : groups) {
    teams.add(group.project.value);
    types.add(static_cast<int64_t>(group.type_index));
    names.add(std::string_view(name));
    properties.add(std::string_view(to_jsonb_text(group.properties)));
    created.add_time_ms(group.created_at_ms);
    versions.add(static_cast<int64_t>(group.version));
  }
  Params params;
  params.array(teams).array(types).array(names).array(properties).array(created).array(versions);
  PENSTOCK_CHECK(connection.run(sql::kPutGroups, params));
  return {};
}

Status put_group_types(Connection& connection, const std::vector<event::GroupTypeChange>& changes) {
  if (changes.empty()) return {};
  ArrayWriter teams(ArrayOf::kInt8), types(ArrayOf::kInt8), names(ArrayOf::kText),
      created(ArrayOf::kTimestamp);
  for (const event::GroupTypeChange& type : changes) {
    teams.add(type.project.value);
    types.add(static_cast<int64_t>(type.index));
    names.add(std::string_view(to_postgres_text(type.name)));
    created.add_time_ms(type.created_at_ms);
  }
  Params params;
  params.array(teams).array(types).array(names).array(created);
  PENSTOCK_CHECK(connection.run(sql::kPutGroupTypes, params));
  return {};
}

}  // namespace penstock::persons
