#include "store/dialect/upkeep_sql.h"

#include <fmt/format.h>

#include "base/codec.h"

namespace penstock::store::sql {
namespace {

// What joinGet answers for a distinct id without an override.
constexpr std::string_view kNobody = "toUUID('00000000-0000-0000-0000-000000000000')";
std::string override_of(std::string_view db) {
  return fmt::format("joinGet('{}.penstock_overrides', 'person_id', team_id, distinct_id_hash)",
                     db);
}

std::string frozen_version(std::string_view db) {
  return fmt::format("joinGet('{}.penstock_squash', 'version', team_id, distinct_id)", db);
}

/// What was put down to be erased: 0 ids, 1 ids that were split off, 2 sessions.
std::string put_down(std::string_view db, int kind) {
  return fmt::format("SELECT text FROM {}.penstock_erasing WHERE kind = {}", db, kind);
}

/// The hash finds rows; what is written for good is of a distinct id that is frozen itself.
std::string stale(std::string_view db) {
  return fmt::format("{0} != {1} AND {0} != person_id AND {2} > 0", override_of(db), kNobody,
                     frozen_version(db));
}

std::string fill(std::string_view table) {
  return fmt::format(
      "INSERT INTO {} SELECT team_id, sipHash64(distinct_id), person_id FROM "
      "person_distinct_id_overrides FINAL WHERE is_deleted = 0",
      table);
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::vector<Statement> in_one_go(const std::vector<std::string>& statements) {
  std::vector<Statement> out;
  for (const std::string& statement : statements) out.push_back({statement, ""});
  return out;
}

std::vector<std::string> at_start() {
  // A job repeats what it began; a mutation that went on without it would see its helper tables
  // emptied.
  return {"KILL MUTATION WHERE database = currentDatabase() AND NOT is_done SYNC",
          "TRUNCATE TABLE penstock_overrides", fill("penstock_overrides")};
}

std::vector<std::string> renew_overrides() {
  return {"DROP TABLE IF EXISTS penstock_overrides_next",
          "CREATE TABLE penstock_overrides_next AS penstock_overrides",
          fill("penstock_overrides_next"),
          "EXCHANGE TABLES penstock_overrides AND penstock_overrides_next",
          "DROP TABLE penstock_overrides_next"};
}

std::vector<std::string> freeze() {
  return {"TRUNCATE TABLE penstock_squash",
          "INSERT INTO penstock_squash SELECT team_id, distinct_id, version FROM "
          "person_distinct_id_overrides FINAL"};
}

std::string frozen_count() { return "SELECT count() FROM penstock_squash"; }

std::string event_partitions() {
  return "SELECT DISTINCT partition_id FROM system.parts WHERE active AND database = "
         "currentDatabase() "
         "AND table = 'sharded_events' ORDER BY partition_id";
}

std::string stale_count(std::string_view database, std::string_view partition) {
  return fmt::format("SELECT countIf({}) FROM sharded_events WHERE _partition_id = {}",
                     stale(database), quoted(partition));
}

std::string rewrite(std::string_view database, std::string_view partition) {
  return fmt::format("ALTER TABLE sharded_events UPDATE person_id = {} IN PARTITION ID {} WHERE {}",
                     override_of(database), quoted(partition), stale(database));
}

std::string room_for(std::string_view partition) {
  // A mutated part shares the files of columns that stay, unless all are in one file. The engine
  // asks for room for a whole part before it begins one.
  return fmt::format(
      "SELECT (SELECT min(free_space) FROM system.disks), greatest(max(bytes_on_disk), "
      "sum(if(part_type = 'Wide', column_bytes_on_disk, bytes_on_disk))) FROM "
      "system.parts_columns WHERE active AND database = currentDatabase() AND table = "
      "'sharded_events' "
      "AND partition_id = {} AND column = 'person_id'",
      quoted(partition));
}

std::string applied_count(std::string_view database) {
  return fmt::format("SELECT count() FROM person_distinct_id_overrides WHERE version <= {}",
                     frozen_version(database));
}

std::string delete_applied(std::string_view database) {
  return fmt::format("ALTER TABLE person_distinct_id_overrides DELETE WHERE version <= {}",
                     frozen_version(database));
}

std::string thaw() { return "TRUNCATE TABLE penstock_squash"; }

std::vector<EraseTarget> erase_targets(std::string_view database, const EraseRequest& request) {
  const std::string team = fmt::format("team_id = {}", request.project.value);
  const std::string person = quoted(request.person_id.text());
  const std::string ids = put_down(database, 0), split_off = put_down(database, 1),
                    sessions = put_down(database, 2);
  const std::string by_id = fmt::format("{} AND distinct_id IN ({})", team, ids);
  const std::string by_either =
      fmt::format("{} AND (distinct_id IN ({}) OR person_id = {})", team, ids, person);
  return {{"events", "sharded_events",
           fmt::format("{} AND (distinct_id IN ({}) OR (person_id = {} AND distinct_id NOT IN "
                       "({})))",
                       team, ids, person, split_off)},
          {"log_entries", "log_entries",
           fmt::format("{} AND log_source = 'session_replay' AND log_source_id IN ({})", team,
                       sessions)},
          {"session_replay_blocks", "session_replay_blocks", by_id},
          {"heatmaps", "heatmaps", by_id},
          // Every type of warning has members of its own.
          {"ingestion_warnings", "ingestion_warnings",
           fmt::format("{} AND arrayExists(member -> member.2 IN ({}) OR member.2 = {}, "
                       "JSONExtractKeysAndValues(details, 'String'))",
                       team, ids, person)},
          {"person_distinct_id_overrides", "person_distinct_id_overrides", by_either},
          {"person_distinct_id2", "person_distinct_id2", by_either},
          {"person", "person", fmt::format("{} AND id = {}", team, person)}};
}

std::vector<Statement> put_down_ids(const std::vector<std::string>& ids) {
  std::string rows;
  ByteWriter r(rows);
  for (const std::string& id : ids) {
    r.u8(0);
    r.bytes(id);
  }
  std::vector<Statement> out;
  out.push_back({"TRUNCATE TABLE penstock_erasing", ""});
  if (!ids.empty()) {
    out.push_back(
        {"INSERT INTO penstock_erasing (kind, text) SETTINGS async_insert=0", std::move(rows)});
  }
  return out;
}

std::vector<std::string> complete_ids(std::string_view database, const EraseRequest& request) {
  const int64_t team = request.project.value;
  const std::string person = quoted(request.person_id.text());
  return {fmt::format("INSERT INTO penstock_erasing SELECT 0, distinct_id FROM "
                      "person_distinct_id_overrides FINAL WHERE team_id = {} AND person_id = {} "
                      "AND is_deleted = 0",
                      team, person),
          fmt::format("INSERT INTO penstock_erasing SELECT 1, distinct_id FROM "
                      "person_distinct_id_overrides FINAL WHERE team_id = {0} AND person_id != {1} "
                      "AND is_deleted = 0 AND distinct_id IN (SELECT distinct_id FROM "
                      "sharded_events WHERE team_id = {0} AND person_id = {1})",
                      team, person),
          fmt::format("INSERT INTO penstock_erasing SELECT DISTINCT 2, session_id FROM "
                      "session_replay_blocks WHERE team_id = {} AND distinct_id IN ({})",
                      team, put_down(database, 0))};
}

std::string count_of(const EraseTarget& target) {
  return fmt::format("SELECT count() FROM {} WHERE {}", target.table, target.where);
}

std::string note_count(const EraseRequest& request, const EraseTarget& target, uint64_t rows) {
  return fmt::format("INSERT INTO penstock_erasures (erasure, name, rows) SELECT {}, {}, {}",
                     quoted(request.id), quoted(target.name), rows);
}

std::string noted_count(const EraseRequest& request, const EraseTarget& target) {
  return fmt::format("SELECT max(rows) FROM penstock_erasures WHERE erasure = {} AND name = {}",
                     quoted(request.id), quoted(target.name));
}

std::string delete_of(const EraseTarget& target) {
  return fmt::format("ALTER TABLE {} DELETE WHERE {}", target.table, target.where);
}

std::string forget_ids() { return "TRUNCATE TABLE penstock_erasing"; }

std::string unfinished(std::string_view table) {
  return fmt::format(
      "SELECT count(), anyIf(latest_fail_reason, latest_fail_reason != '') FROM system.mutations "
      "WHERE database = currentDatabase() AND table = {} AND NOT is_done",
      quoted(table));
}

std::string give_up(std::string_view table) {
  return fmt::format(
      "KILL MUTATION WHERE database = currentDatabase() AND table = {} AND NOT is_done SYNC",
      quoted(table));
}

}  // namespace penstock::store::sql
