// How a cycle's changes become one transaction.
#include <tuple>

#include "base/diag.h"
#include "base/metrics.h"
#include "persons/postgres/json_text.h"
#include "persons/postgres/postgres_person_store.h"
#include "persons/postgres/sql.h"

namespace penstock::persons {
namespace {

/// Another writer that keeps inserting the same persons first is beyond this an error.
constexpr int kRacesMax = 5;

Counter applied_metric{"penstock_persons_postgres_changes_total",
                       "Person and distinct id changes written to PostgreSQL."};
Counter refused_metric{"penstock_persons_postgres_refused_total",
                       "Changes that PostgreSQL refused for their values and that were left out."};

}  // namespace

Reduced::Reduced(const PersonUpdates& updates) : group_types(updates.group_types) {
  std::map<std::pair<ProjectId, Uuid>, const event::PersonChange*> by_person;
  for (const event::PersonChange& p : updates.persons) {
    auto [it, fresh] = by_person.try_emplace({p.project, p.id}, &p);
    if (!fresh && p.version > it->second->version) it->second = &p;
  }
  for (const auto& [key, p] : by_person) (p->is_deleted ? deleted : persons).push_back(*p);
  std::map<std::pair<ProjectId, std::string>, const event::DistinctIdChange*> by_id;
  for (const event::DistinctIdChange& d : updates.distinct_ids) {
    auto [it, fresh] = by_id.try_emplace({d.project, to_postgres_text(d.distinct_id)}, &d);
    if (!fresh && d.version > it->second->version) it->second = &d;
  }
  for (const auto& [key, d] : by_id) {
    ids.push_back({*d, key.second});
    if (d->is_deleted) deleted_in.insert(d->project.value);
  }
  std::map<std::tuple<ProjectId, uint8_t, std::string>, const event::GroupChange*> by_group;
  for (const event::GroupChange& g : updates.groups) {
    auto [it, fresh] = by_group.try_emplace({g.project, g.type_index, to_postgres_text(g.key)}, &g);
    if (!fresh && g.version > it->second->version) it->second = &g;
  }
  for (const auto& [key, g] : by_group) groups.push_back({*g, std::get<2>(key)});
  take_history(updates);
}

namespace {

Params person_params(const std::vector<event::PersonChange>& persons) {
  ArrayWriter teams(ArrayOf::kInt8), uuids(ArrayOf::kUuid), versions(ArrayOf::kInt8),
      properties(ArrayOf::kJsonb), created(ArrayOf::kTimestamp), identified(ArrayOf::kBool),
      seen(ArrayOf::kTimestamp), stamps(ArrayOf::kBytes);
  for (const event::PersonChange& p : persons) {
    teams.add(p.project.value);
    uuids.add(p.id);
    versions.add(static_cast<int64_t>(p.version));
    properties.add(std::string_view(to_jsonb_text(p.properties)));
    created.add_time_ms(p.created_at_ms);
    identified.add(p.is_identified);
    stamps.add(p.stamps);
    if (p.last_seen_at_ms) {
      seen.add_time_ms(*p.last_seen_at_ms);
    } else {
      seen.add_null();
    }
  }
  Params out;
  out.array(teams).array(uuids).array(versions).array(properties).array(created).array(identified);
  out.array(seen).array(stamps);
  return out;
}

Params key_params(const std::vector<event::PersonChange>& persons, bool with_versions) {
  ArrayWriter teams(ArrayOf::kInt8), uuids(ArrayOf::kUuid), versions(ArrayOf::kInt8);
  for (const event::PersonChange& p : persons) {
    teams.add(p.project.value);
    uuids.add(p.id);
    versions.add(static_cast<int64_t>(p.version));
  }
  Params out;
  out.array(teams).array(uuids);
  if (with_versions) out.array(versions);
  return out;
}

Status put_persons(Connection& connection, const std::vector<event::PersonChange>& persons) {
  if (persons.empty()) return {};
  const Params params = person_params(persons);
  for (int race = 0;; race++) {
    PENSTOCK_TRY(const Rows rows, connection.run(sql::kPutPersons, params));
    if (rows.size() == 0 || rows.number(0, 0) <= 0) break;
    if (race == kRacesMax) return fail(Code::kBusy, "another writer inserts the same persons");
  }
  PENSTOCK_CHECK(connection.run(sql::kAdopt, key_params(persons, false)));
  return {};
}

Status delete_persons(Connection& connection, const std::vector<event::PersonChange>& persons) {
  if (persons.empty()) return {};
  PENSTOCK_CHECK(connection.run(sql::kDeletePersons, key_params(persons, true)));
  return {};
}

Status put_ids(Connection& connection,
               const std::vector<Reduced::Named<event::DistinctIdChange>>& ids) {
  if (ids.empty()) return {};
  ArrayWriter teams(ArrayOf::kInt8), names(ArrayOf::kText), uuids(ArrayOf::kUuid),
      versions(ArrayOf::kInt8), deleted(ArrayOf::kBool), attached(ArrayOf::kInt8);
  for (const auto& [change, name] : ids) {
    teams.add(change.project.value);
    names.add(std::string_view(name));
    uuids.add(change.person_id);
    versions.add(change.version);
    deleted.add(change.is_deleted);
    attached.add(change.attached_at_ms);
  }
  Params params;
  params.array(teams).array(names).array(uuids).array(versions).array(deleted);
  params.array(attached);
  PENSTOCK_CHECK(connection.run(sql::kPutMappings, params));
  return {};
}

/// Runs `change` so that its failure leaves the transaction usable; a refused value is left out.
template <typename Change>
Status guarded(Connection& connection, std::string_view what, Change change) {
  PENSTOCK_CHECK(connection.run("SAVEPOINT one"));
  Status s = change();
  // References that are checked at the commit would otherwise fail there, with everything else.
  if (s) s = connection.run_script("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED");
  if (s) {
    PENSTOCK_CHECK(connection.run("RELEASE one"));
    return {};
  }
  if (!is_refused(s)) return s;
  refused_metric.add();
  diag::error("PostgreSQL refuses a change; it is left out",
              {{"change", std::string(what)}, {"error", s.error().message}});
  PENSTOCK_CHECK(connection.run("ROLLBACK TO one"));
  return {};
}

}  // namespace

Status PostgresPersonStore::put_positions(const log::Positions& positions) const {
  if (positions.empty()) return {};
  ArrayWriter partitions(ArrayOf::kInt8), offsets(ArrayOf::kInt8);
  for (const auto& [partition, next] : positions) {
    partitions.add(static_cast<int64_t>(partition));
    offsets.add(next);
  }
  Params params;
  params.text(options_.source).array(partitions).array(offsets);
  PENSTOCK_CHECK(connection_.run(sql::kPutPositions, params));
  return {};
}

/// Persons before the ids that point to them, deletions when nothing points there any more.
Status PostgresPersonStore::transaction(const Reduced& changes) const {
  PENSTOCK_CHECK(connection_.run("BEGIN"));
  PENSTOCK_CHECK(put_persons(connection_, changes.persons));
  PENSTOCK_CHECK(put_ids(connection_, changes.ids));
  PENSTOCK_CHECK(delete_persons(connection_, changes.deleted));
  PENSTOCK_CHECK(put_groups(connection_, changes.groups));
  PENSTOCK_CHECK(put_group_types(connection_, changes.group_types));
  PENSTOCK_CHECK(put_history(connection_, changes));
  PENSTOCK_CHECK(put_positions(changes.positions));
  PENSTOCK_CHECK(connection_.run("COMMIT"));
  return {};
}

/// The slow way, when a value somewhere in the batch was refused.
Status PostgresPersonStore::one_by_one(const Reduced& changes) const {
  PENSTOCK_CHECK(connection_.run("BEGIN"));
  for (const event::PersonChange& p : changes.persons) {
    PENSTOCK_CHECK(guarded(connection_, "person " + p.id.text(),
                           [&] { return put_persons(connection_, {p}); }));
  }
  for (const auto& id : changes.ids) {
    PENSTOCK_CHECK(guarded(connection_, "distinct id of " + id.change.person_id.text(),
                           [&] { return put_ids(connection_, {id}); }));
  }
  for (const event::PersonChange& p : changes.deleted) {
    PENSTOCK_CHECK(guarded(connection_, "deletion of person " + p.id.text(),
                           [&] { return delete_persons(connection_, {p}); }));
  }
  for (const auto& group : changes.groups) {
    PENSTOCK_CHECK(guarded(connection_,
                           "a group of type " + std::to_string(group.change.type_index),
                           [&] { return put_groups(connection_, {group}); }));
  }
  for (const event::GroupTypeChange& type : changes.group_types) {
    PENSTOCK_CHECK(guarded(connection_, "type of groups " + std::to_string(type.index),
                           [&] { return put_group_types(connection_, {type}); }));
  }
  PENSTOCK_CHECK(put_history(connection_, changes));
  PENSTOCK_CHECK(put_positions(changes.positions));
  PENSTOCK_CHECK(connection_.run("COMMIT"));
  return {};
}

Status PostgresPersonStore::write(const PersonUpdates& updates,
                                  const std::vector<log::Position>& applied) const {
  Reduced changes(updates);
  for (const log::Position& p : applied) {
    const auto it = applied_.find(p.partition.value);
    if (it != applied_.end() && it->second >= p.next.value) continue;
    changes.positions[p.partition.value] = p.next.value;
  }
  const size_t count = changes.size();
  if (count == 0 && changes.positions.empty()) return {};
  const auto roll_back = [&] {
    // Without a session there is nothing to roll back.
    if (connection_.is_open() && !connection_.run("ROLLBACK")) connection_.close();
  };
  Status s = transaction(changes);
  if (!s) roll_back();
  if (is_refused(s) && connection_.is_open()) {
    s = one_by_one(changes);
    if (!s) roll_back();
  }
  if (!s) return s;
  for (const auto& [partition, next] : changes.positions) applied_[partition] = next;
  deleted_in_.insert(changes.deleted_in.begin(), changes.deleted_in.end());
  unflushed_ = true;
  applied_metric.add(count);
  return {};
}

}  // namespace penstock::persons
