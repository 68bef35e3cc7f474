#include "store/engine/upkeep_sql.h"

#include <fmt/format.h>

#include "base/codec.h"

namespace penstock::store::sql {
namespace {

// What joinGet answers for a distinct id without an override.
constexpr std::string_view kNobody = "toUUID('00000000-0000-0000-0000-000000000000')";
constexpr std::string_view kOverride =
    "joinGet('default.penstock_overrides', 'person_id', team_id, distinct_id_hash)";
constexpr std::string_view kFrozenVersion =
    "joinGet('default.penstock_squash', 'version', team_id, distinct_id)";
constexpr std::string_view kIds = "SELECT text FROM default.penstock_erasing WHERE kind = 0";
constexpr std::string_view kSplitOff = "SELECT text FROM default.penstock_erasing WHERE kind = 1";
constexpr std::string_view kSessions = "SELECT text FROM default.penstock_erasing WHERE kind = 2";

/// The hash finds rows; what is written for good is of a distinct id that is frozen itself.
std::string stale() {
  return fmt::format("{0} != {1} AND {0} != person_id AND {2} > 0", kOverride, kNobody,
                     kFrozenVersion);
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

std::string in_one_go(const std::vector<std::string>& statements) {
  std::string out;
  ByteWriter w(out);
  w.varint(statements.size());
  for (const std::string& statement : statements) {
    w.bytes(statement);
    w.bytes("");
  }
  return out;
}

std::vector<std::string> at_start() {
  // A job repeats what it began; a mutation that went on without it would see its helper tables
  // emptied.
  return {"KILL MUTATION WHERE database = 'default' AND NOT is_done SYNC",
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
  return "SELECT DISTINCT partition_id FROM system.parts WHERE active AND database = 'default' "
         "AND table = 'sharded_events' ORDER BY partition_id";
}

std::string stale_count(std::string_view partition) {
  return fmt::format("SELECT countIf({}) FROM sharded_events WHERE _partition_id = {}", stale(),
                     quoted(partition));
}

std::string rewrite(std::string_view partition) {
  return fmt::format("ALTER TABLE sharded_events UPDATE person_id = {} IN PARTITION ID {} WHERE {}",
                     kOverride, quoted(partition), stale());
}

std::string room_for(std::string_view partition) {
  // A mutated part shares the files of columns that stay, unless all are in one file. The engine
  // asks for room for a whole part before it begins one.
  return fmt::format(
      "SELECT (SELECT min(free_space) FROM system.disks), greatest(max(bytes_on_disk), "
      "sum(if(part_type = 'Wide', column_bytes_on_disk, bytes_on_disk))) FROM "
      "system.parts_columns WHERE active AND database = 'default' AND table = 'sharded_events' "
      "AND partition_id = {} AND column = 'person_id'",
      quoted(partition));
}

std::string applied_count() {
  return fmt::format("SELECT count() FROM person_distinct_id_overrides WHERE version <= {}",
                     kFrozenVersion);
}

std::string delete_applied() {
  return fmt::format("ALTER TABLE person_distinct_id_overrides DELETE WHERE version <= {}",
                     kFrozenVersion);
}

std::string thaw() { return "TRUNCATE TABLE penstock_squash"; }

std::vector<EraseTarget> erase_targets(const EraseRequest& request) {
  const std::string team = fmt::format("team_id = {}", request.project.value);
  const std::string person = quoted(request.person_id.text());
  const std::string by_id = fmt::format("{} AND distinct_id IN ({})", team, kIds);
  const std::string by_either =
      fmt::format("{} AND (distinct_id IN ({}) OR person_id = {})", team, kIds, person);
  return {{"events", "sharded_events",
           fmt::format("{} AND (distinct_id IN ({}) OR (person_id = {} AND distinct_id NOT IN "
                       "({})))",
                       team, kIds, person, kSplitOff)},
          {"log_entries", "log_entries",
           fmt::format("{} AND log_source = 'session_replay' AND log_source_id IN ({})", team,
                       kSessions)},
          {"session_replay_blocks", "session_replay_blocks", by_id},
          {"heatmaps", "heatmaps", by_id},
          // Every type of warning has members of its own.
          {"ingestion_warnings", "ingestion_warnings",
           fmt::format("{} AND arrayExists(member -> member.2 IN ({}) OR member.2 = {}, "
                       "JSONExtractKeysAndValues(details, 'String'))",
                       team, kIds, person)},
          {"person_distinct_id_overrides", "person_distinct_id_overrides", by_either},
          {"person_distinct_id2", "person_distinct_id2", by_either},
          {"person", "person", fmt::format("{} AND id = {}", team, person)}};
}

std::string put_down_ids(const std::vector<std::string>& ids) {
  std::string rows, out;
  ByteWriter r(rows), w(out);
  for (const std::string& id : ids) {
    r.u8(0);
    r.bytes(id);
  }
  w.varint(ids.empty() ? 1 : 2);
  w.bytes("TRUNCATE TABLE penstock_erasing");
  w.bytes("");
  if (!ids.empty()) {
    w.bytes("INSERT INTO penstock_erasing (kind, text) SETTINGS async_insert=0");
    w.bytes(rows);
  }
  return out;
}

std::vector<std::string> complete_ids(const EraseRequest& request) {
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
                      team, kIds)};
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
      "WHERE database = 'default' AND table = {} AND NOT is_done",
      quoted(table));
}

std::string give_up(std::string_view table) {
  return fmt::format("KILL MUTATION WHERE database = 'default' AND table = {} AND NOT is_done SYNC",
                     quoted(table));
}

}  // namespace penstock::store::sql
