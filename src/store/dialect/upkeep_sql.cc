#include "store/dialect/upkeep_sql.h"

#include <fmt/format.h>

#include "base/codec.h"

namespace penstock::store::sql {
namespace {

// What joinGet answers for a distinct id without an override.
constexpr std::string_view kNobody = "toUUID('00000000-0000-0000-0000-000000000000')";
std::string override_of(const Place& at) {
  return fmt::format("joinGet('{}.penstock_overrides', 'person_id', team_id, distinct_id_hash)",
                     at.database);
}

/// What stands frozen of a row's distinct id: "version" (0: nothing), "person_id".
std::string frozen(const Place& at, std::string_view what) {
  if (!at.cluster.empty()) {
    return fmt::format("dictGet('{}.penstock_squash_now', '{}', (team_id, distinct_id))",
                       at.database, what);
  }
  return fmt::format("joinGet('{}.penstock_squash', '{}', team_id, distinct_id)", at.database,
                     what);
}

/// Whom a row is given. On a cluster the frozen person: a newer override stays and is joined.
std::string new_person(const Place& at) {
  return at.cluster.empty() ? override_of(at) : frozen(at, "person_id");
}

std::string on_cluster(const Place& at) {
  return at.cluster.empty() ? "" : fmt::format(" ON CLUSTER {}", quoted(at.cluster));
}

/// The rows of every node, where each has its own.
std::string everywhere(const Place& at, std::string_view table) {
  if (at.cluster.empty()) return std::string(table);
  return fmt::format("clusterAllReplicas({}, {})", quoted(at.cluster), table);
}

/// A replicated table takes no mutation that reads other tables unless it is told that they are
/// the same on every replica.
std::string mutation(const Place& at, std::string_view table, bool sharded, std::string_view what) {
  if (at.cluster.empty()) return fmt::format("ALTER TABLE {} {}", table, what);
  return fmt::format("ALTER TABLE {}.{}{} {} SETTINGS allow_nondeterministic_mutations = 1",
                     at.database, table, sharded ? on_cluster(at) : "", what);
}

std::string ours(const Place& at) {
  return at.cluster.empty() ? "database = currentDatabase()" : "database = " + quoted(at.database);
}

/// Where the rows of all shards are seen.
std::string_view all_events(const Place& at) {
  return at.cluster.empty() ? "sharded_events" : "writable_events";
}

/// Through a Distributed table a part's partition is not seen; the key's own expression prunes.
std::string in_partition(const Place& at, std::string_view partition) {
  if (at.cluster.empty()) return "_partition_id = " + quoted(partition);
  return fmt::format(
      "toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')), "
      "toDateTime64('2040-01-01 00:00:00', 6, 'UTC'))) = toUInt32({})",
      quoted(partition));
}

/// What was put down to be erased: 0 ids, 1 ids that were split off, 2 sessions.
std::string put_down(const Place& at, int kind) {
  return fmt::format("SELECT text FROM {}.penstock_erasing WHERE kind = {}", at.database, kind);
}

/// The hash finds rows; what is written for good is of a distinct id that is frozen itself.
std::string stale(const Place& at) {
  return fmt::format("{0} != {1} AND {0} != person_id AND {2} > 0", new_person(at), kNobody,
                     frozen(at, "version"));
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
          "DROP TABLE penstock_overrides_next",
          refresh_recent()};
}

std::string newest_overrides(std::string_view where) {
  return fmt::format(
      "SELECT team_id, distinct_id, if(argMax(is_deleted, version) = 1, {}, argMax(person_id, "
      "version)) AS person FROM person_distinct_id_overrides WHERE {} GROUP BY team_id, "
      "distinct_id",
      kNobody, where);
}

std::string refresh(std::string_view where) {
  return fmt::format(
      "INSERT INTO penstock_overrides SELECT team_id, sipHash64(distinct_id), person FROM ({})",
      newest_overrides(where));
}

std::string refresh_recent() { return refresh("_timestamp >= now() - 600"); }

std::string not_refreshed(std::string_view database, std::string_view where) {
  return fmt::format(
      "SELECT countIf(joinGet('{}.penstock_overrides', 'person_id', team_id, "
      "sipHash64(distinct_id)) != person) FROM ({})",
      database, newest_overrides(where));
}

std::vector<std::string> freeze(const Place& at) {
  const std::string what =
      at.cluster.empty()
          ? "INSERT INTO penstock_squash SELECT team_id, distinct_id, version FROM "
            "person_distinct_id_overrides FINAL"
          : fmt::format(
                "INSERT INTO penstock_squash SETTINGS insert_deduplicate = 0 SELECT team_id, "
                "distinct_id, if(is_deleted = 1, {}, person_id), version FROM "
                "person_distinct_id_overrides FINAL",
                kNobody);
  return {give_up_those_of(at, "penstock_squash"), "TRUNCATE TABLE penstock_squash", what};
}

std::string frozen_count() { return "SELECT count() FROM penstock_squash"; }

std::vector<std::string> ready_frozen(const Place& at) {
  if (at.cluster.empty()) return {};
  // Made anew each time, so a user's new password reaches it. An address and no name: a node reads
  // its own table, without a connection.
  const std::string name = at.database + ".penstock_squash_now";
  std::vector<std::string> out = settle(at, "penstock_squash");
  out.push_back(fmt::format("DROP DICTIONARY IF EXISTS {}{}", name, on_cluster(at)));
  out.push_back(fmt::format(
      "CREATE DICTIONARY IF NOT EXISTS {}{} (team_id Int64, distinct_id String, person_id UUID, "
      "version Int64) PRIMARY KEY team_id, distinct_id SOURCE(CLICKHOUSE(HOST '127.0.0.1' USER {} "
      "PASSWORD {} DB {} TABLE 'penstock_squash')) LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)",
      name, on_cluster(at), quoted(at.user), quoted(at.password), quoted(at.database)));
  out.push_back(fmt::format("SYSTEM RELOAD DICTIONARY{} {}", on_cluster(at), name));
  return out;
}

std::string event_partitions(const Place& at) {
  return fmt::format(
      "SELECT DISTINCT partition_id FROM {} WHERE active AND {} AND table = 'sharded_events' ORDER "
      "BY partition_id",
      everywhere(at, "system.parts"), ours(at));
}

std::string stale_count(const Place& at, std::string_view partition) {
  return fmt::format("SELECT countIf({}) FROM {} WHERE {}", stale(at), all_events(at),
                     in_partition(at, partition));
}

std::string rewrite(const Place& at, std::string_view partition) {
  return mutation(at, "sharded_events", true,
                  fmt::format("UPDATE person_id = {} IN PARTITION ID {} WHERE {}", new_person(at),
                              quoted(partition), stale(at)));
}

std::string room_for(const Place& at, std::string_view partition) {
  // A mutated part shares the files of columns that stay, unless all are in one file. The engine
  // asks for room for a whole part before it begins one. Of several nodes: the fullest disk, and
  // the most that any of them needs.
  return fmt::format(
      "SELECT (SELECT min(free_space) FROM {}), max(needed) FROM (SELECT "
      "greatest(max(bytes_on_disk), sum(if(part_type = 'Wide', column_bytes_on_disk, "
      "bytes_on_disk))) AS needed FROM {} WHERE active AND {} AND table = 'sharded_events' AND "
      "partition_id = {} AND column = 'person_id' GROUP BY hostName())",
      everywhere(at, "system.disks"), everywhere(at, "system.parts_columns"), ours(at),
      quoted(partition));
}

std::string applied_count(const Place& at) {
  return fmt::format("SELECT count() FROM person_distinct_id_overrides WHERE version <= {}",
                     frozen(at, "version"));
}

std::string delete_applied(const Place& at) {
  return mutation(at, "person_distinct_id_overrides", false,
                  fmt::format("DELETE WHERE version <= {}", frozen(at, "version")));
}

std::vector<std::string> thaw(const Place& at) {
  std::vector<std::string> out{"TRUNCATE TABLE penstock_squash"};
  if (!at.cluster.empty()) {
    out.push_back(fmt::format("DROP DICTIONARY IF EXISTS {}.penstock_squash_now{}", at.database,
                              on_cluster(at)));
  }
  return out;
}

std::vector<EraseTarget> erase_targets(const Place& at, const EraseRequest& request) {
  const std::string team = fmt::format("team_id = {}", request.project.value);
  const std::string person = quoted(request.person_id.text());
  const std::string ids = put_down(at, 0), split_off = put_down(at, 1), sessions = put_down(at, 2);
  const std::string by_id = fmt::format("{} AND distinct_id IN ({})", team, ids);
  const std::string by_either =
      fmt::format("{} AND (distinct_id IN ({}) OR person_id = {})", team, ids, person);
  const auto sharded = [&at](std::string_view name, std::string where) {
    const std::string whole(name);
    return EraseTarget{name, at.cluster.empty() ? whole : "sharded_" + whole, whole, true,
                       std::move(where)};
  };
  const auto whole = [](std::string_view name, std::string where) {
    return EraseTarget{name, std::string(name), std::string(name), false, std::move(where)};
  };
  return {{"events", "sharded_events", std::string(all_events(at)), true,
           fmt::format("{} AND (distinct_id IN ({}) OR (person_id = {} AND distinct_id NOT IN "
                       "({})))",
                       team, ids, person, split_off)},
          sharded("log_entries",
                  fmt::format("{} AND log_source = 'session_replay' AND log_source_id IN ({})",
                              team, sessions)),
          sharded("session_replay_blocks", by_id),
          sharded("heatmaps", by_id),
          // Every type of warning has members of its own.
          sharded("ingestion_warnings",
                  fmt::format("{} AND arrayExists(member -> member.2 IN ({}) OR member.2 = {}, "
                              "JSONExtractKeysAndValues(details, 'String'))",
                              team, ids, person)),
          whole("person_distinct_id_overrides", by_either),
          whole("person_distinct_id2", by_either),
          whole("person", fmt::format("{} AND id = {}", team, person))};
}

std::vector<Statement> put_down_ids(const Place& at, const std::vector<std::string>& ids) {
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
        {fmt::format("INSERT INTO penstock_erasing (kind, text) SETTINGS async_insert=0{}",
                     at.cluster.empty() ? "" : ", insert_deduplicate=0"),
         std::move(rows)});
  }
  return out;
}

std::vector<std::string> complete_ids(const Place& at, const EraseRequest& request) {
  const int64_t team = request.project.value;
  const std::string person = quoted(request.person_id.text());
  const std::string into = fmt::format("INSERT INTO penstock_erasing{}",
                                       at.cluster.empty() ? "" : " SETTINGS insert_deduplicate=0");
  std::vector<std::string> out{
      fmt::format("{} SELECT 0, distinct_id FROM person_distinct_id_overrides FINAL WHERE team_id "
                  "= {} AND person_id = {} AND is_deleted = 0",
                  into, team, person),
      fmt::format("{0} SELECT 1, distinct_id FROM person_distinct_id_overrides FINAL WHERE team_id "
                  "= {1} AND person_id != {2} AND is_deleted = 0 AND distinct_id IN (SELECT "
                  "distinct_id FROM {3} WHERE team_id = {1} AND person_id = {2})",
                  into, team, person, all_events(at)),
      fmt::format("{} SELECT DISTINCT 2, session_id FROM session_replay_blocks WHERE team_id = {} "
                  "AND distinct_id IN ({})",
                  into, team, put_down(at, 0))};
  // The sessions are looked for on every shard, by what that one has of the ids.
  std::vector<std::string> there = settle(at, "penstock_erasing");
  out.insert(out.end() - 1, there.begin(), there.end());
  out.insert(out.end(), there.begin(), there.end());
  return out;
}

std::string count_of(const EraseTarget& target) {
  return fmt::format("SELECT count() FROM {} WHERE {}", target.counted, target.where);
}

std::string note_count(const EraseRequest& request, const EraseTarget& target, uint64_t rows) {
  return fmt::format("INSERT INTO penstock_erasures (erasure, name, rows) SELECT {}, {}, {}",
                     quoted(request.id), quoted(target.name), rows);
}

std::string noted_count(const EraseRequest& request, const EraseTarget& target) {
  return fmt::format("SELECT max(rows) FROM penstock_erasures WHERE erasure = {} AND name = {}",
                     quoted(request.id), quoted(target.name));
}

std::string delete_of(const Place& at, const EraseTarget& target) {
  return mutation(at, target.table, target.sharded, "DELETE WHERE " + target.where);
}

std::string forget_ids() { return "TRUNCATE TABLE penstock_erasing"; }

std::string unfinished(const Place& at, std::string_view table) {
  return fmt::format(
      "SELECT count(), anyIf(latest_fail_reason, latest_fail_reason != '') FROM {} WHERE {} AND "
      "table = {} AND NOT is_done",
      everywhere(at, "system.mutations"), ours(at), quoted(table));
}

std::vector<std::string> settle(const Place& at, std::string_view table) {
  if (at.cluster.empty()) return {};
  return {fmt::format("SYSTEM SYNC REPLICA{} {}.{}", on_cluster(at), at.database, table)};
}

std::string give_up(const Place& at, std::string_view table) {
  return fmt::format("KILL MUTATION{} WHERE {} AND table = {} AND NOT is_done SYNC", on_cluster(at),
                     ours(at), quoted(table));
}

std::string give_up_those_of(const Place& at, std::string_view helper) {
  return fmt::format("KILL MUTATION{} WHERE {} AND NOT is_done AND command LIKE '%{}%' SYNC",
                     on_cluster(at), ours(at), helper);
}

}  // namespace penstock::store::sql
