// Merge history and the reports of commands in PostgreSQL; what is kept is as in KvPersonStore.
#include <algorithm>
#include <limits>
#include <tuple>

#include "persons/postgres/history_sql.h"
#include "persons/postgres/json_text.h"
#include "persons/postgres/postgres_person_store.h"
#include "persons/postgres/reduced.h"

namespace penstock::persons {
namespace {

/// References that are followed for one person: it went as often as its merges were undone.
constexpr int64_t kReferencesMax = 200;

using When = std::tuple<int64_t, Uuid, int64_t, uint32_t, Uuid>;  // project, person, time, …

When when(const Uuid& person, const event::PersonMerge& m) {
  return {m.project.value, person, m.time_ms, m.place, m.event_uuid};
}

/// The columns in which both tables of merges begin.
struct MergeColumns {
  ArrayWriter teams{ArrayOf::kInt8}, persons{ArrayOf::kUuid}, times{ArrayOf::kInt8},
      places{ArrayOf::kInt8}, events{ArrayOf::kUuid};

  void add(const Uuid& person, const event::PersonMerge& m) {
    teams.add(m.project.value);
    persons.add(person);
    times.add(m.time_ms);
    places.add(static_cast<int64_t>(m.place));
    events.add(m.event_uuid);
  }
  void append_to(Params& params) {
    params.array(teams).array(persons).array(times).array(places).array(events);
  }
};

Status put_merges(Connection& connection, const Reduced& changes) {
  if (changes.merges.empty()) return {};
  MergeColumns columns;
  ArrayWriter revisions(ArrayOf::kInt8), records(ArrayOf::kBytes);
  ArrayWriter teams(ArrayOf::kInt8), persons(ArrayOf::kUuid);
  for (const event::PersonMerge& m : changes.merges) {
    columns.add(m.result, m);
    revisions.add(static_cast<int64_t>(m.revision));
    std::string record;
    event::encode(m, record);
    records.add(std::string_view(record));
    teams.add(m.project.value);
    persons.add(m.result);
  }
  Params params, who;
  columns.append_to(params);
  params.array(revisions).array(records);
  PENSTOCK_CHECK(connection.run(sql::kPutMerges, params));
  who.array(teams).array(persons).number(kMergesKeptMax).number(kMergeBytesKeptMax);
  PENSTOCK_CHECK(connection.run(sql::kForgetMerges, who));
  return {};
}

Status put_references(Connection& connection, const std::vector<Reduced::Reference>& references) {
  if (references.empty()) return {};
  MergeColumns columns;
  ArrayWriter results(ArrayOf::kUuid), revisions(ArrayOf::kInt8);
  for (const auto& [source, merge] : references) {
    columns.add(source, merge);
    results.add(merge.result);
    revisions.add(static_cast<int64_t>(merge.revision));
  }
  Params params;
  columns.append_to(params);
  params.array(results).array(revisions);
  PENSTOCK_CHECK(connection.run(sql::kPutReferences, params));
  return {};
}

Status put_reports(Connection& connection, const std::vector<event::PersonCommandReport>& reports) {
  if (reports.empty()) return {};
  ArrayWriter teams(ArrayOf::kInt8), ids(ArrayOf::kUuid), records(ArrayOf::kBytes);
  ArrayWriter projects(ArrayOf::kInt8);
  for (const event::PersonCommandReport& report : reports) {
    teams.add(report.project.value);
    projects.add(report.project.value);
    ids.add(report.id);
    std::string record;
    event::encode(report, record);
    records.add(std::string_view(record));
  }
  Params params, forget;
  params.array(teams).array(ids).array(records);
  PENSTOCK_CHECK(connection.run(sql::kPutReports, params));
  forget.array(projects).number(kCommandReportsKeptMax);
  PENSTOCK_CHECK(connection.run(sql::kForgetReports, forget));
  return {};
}

std::vector<std::string> texts(const Rows& rows) {
  std::vector<std::string> out;
  for (int i = 0; i < rows.size(); i++) out.emplace_back(rows.bytes(i, 0));
  return out;
}

}  // namespace

void Reduced::take_history(const PersonUpdates& updates) {
  std::map<When, const event::PersonMerge*> by_result, by_source;
  for (const event::PersonMerge& m : updates.merges) {
    auto [it, fresh] = by_result.try_emplace(when(m.result, m), &m);
    if (!fresh && m.revision < it->second->revision) continue;
    it->second = &m;
    const auto source = event::PersonMerge::person(m.source);
    if (source && source->id != m.result) by_source[when(source->id, m)] = &m;
  }
  for (const auto& [key, m] : by_result) merges.push_back(*m);
  for (const auto& [key, m] : by_source) references.push_back({std::get<1>(key), *m});
  std::map<std::pair<ProjectId, Uuid>, const event::PersonCommandReport*> last;
  for (const event::PersonCommandReport& report : updates.reports) {
    last[{report.project, report.id}] = &report;
  }
  for (const auto& [key, report] : last) reports.push_back(*report);
}

Status put_history(Connection& connection, const Reduced& changes) {
  PENSTOCK_CHECK(put_merges(connection, changes));
  PENSTOCK_CHECK(put_references(connection, changes.references));
  PENSTOCK_CHECK(put_reports(connection, changes.reports));
  if (changes.deleted_in.empty()) return {};
  ArrayWriter projects(ArrayOf::kInt8);
  for (const int64_t project : changes.deleted_in) projects.add(project);
  Params params;
  params.array(projects);
  PENSTOCK_CHECK(connection.run(sql::kPutDeletedIn, params));
  return {};
}

Result<std::set<int64_t>> load_deleted_in(Connection& connection) {
  PENSTOCK_TRY(const Rows rows, connection.run(sql::kDeletedIn));
  std::set<int64_t> out;
  for (int i = 0; i < rows.size(); i++) out.insert(rows.number(i, 0));
  return out;
}

Result<MergeHistory> PostgresPersonStore::merges(ProjectId project, const Uuid& person) const {
  Params params;
  params.number(project.value).uuid(person).number(kReferencesMax);
  PENSTOCK_TRY(const Rows rows, read(sql::kMerges, params));
  MergeHistory out;
  out.records = texts(rows);
  if (rows.size() > 0) out.forgotten = static_cast<uint64_t>(rows.number(0, 1));
  return out;
}

Result<LastVersions> PostgresPersonStore::last_versions(ProjectId project,
                                                        std::string_view distinct_id,
                                                        const Uuid& person) const {
  Params params;
  params.number(project.value).text(to_postgres_text(distinct_id)).uuid(person);
  PENSTOCK_TRY(const Rows rows, read(sql::kLastVersions, params));
  if (rows.size() == 0) return LastVersions{};
  return LastVersions{rows.number(0, 0), rows.number(0, 1)};
}

bool PostgresPersonStore::has_deleted_ids(ProjectId project) const {
  const std::lock_guard lock(mutex_);
  return deleted_in_.contains(project.value);
}

Result<std::optional<std::string>> PostgresPersonStore::command_report(ProjectId project,
                                                                       const Uuid& id) const {
  Params params;
  params.number(project.value).uuid(id);
  PENSTOCK_TRY(const Rows rows, read(sql::kReport, params));
  if (rows.size() == 0) return std::nullopt;
  return std::string(rows.bytes(0, 0));
}

Result<std::vector<std::string>> PostgresPersonStore::command_reports(ProjectId project,
                                                                      size_t reports_max) const {
  constexpr auto kMost = static_cast<size_t>(std::numeric_limits<int32_t>::max());
  Params params;
  params.number(project.value).number(static_cast<int64_t>(std::min(reports_max, kMost)));
  PENSTOCK_TRY(const Rows rows, read(sql::kReports, params));
  return texts(rows);
}

}  // namespace penstock::persons
