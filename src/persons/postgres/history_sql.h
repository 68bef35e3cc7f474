// The statements of PostgresPersonStore for merge history and reports of commands.
//
// As in sql.h: a whole cycle at once, repeatable, and of two revisions the higher one wins. Keys
// occur once in the arrays of one statement.
#pragma once

namespace penstock::persons::sql {

/// team, result, time, place, event, revision, record.
inline constexpr const char* kPutMerges = R"(
INSERT INTO penstock_person_merge AS m (team_id, result_uuid, time_ms, place, event_uuid, revision,
  record)
SELECT * FROM unnest($1::int8[], $2::uuid[], $3::int8[], $4::int8[], $5::uuid[], $6::int8[],
  $7::bytea[])
ON CONFLICT (team_id, result_uuid, time_ms, place, event_uuid) DO UPDATE
  SET revision = excluded.revision, record = excluded.record WHERE m.revision < excluded.revision)";

/// team, source, time, place, event, result, revision: of merges that stand as they were put.
inline constexpr const char* kPutReferences = R"(
INSERT INTO penstock_person_merged (team_id, source_uuid, time_ms, place, event_uuid, result_uuid)
SELECT i.team, i.source, i.time_ms, i.place, i.event, i.result
FROM unnest($1::int8[], $2::uuid[], $3::int8[], $4::int8[], $5::uuid[], $6::uuid[], $7::int8[])
  AS i (team, source, time_ms, place, event, result, revision)
JOIN penstock_person_merge m ON m.team_id = i.team AND m.result_uuid = i.result
  AND m.time_ms = i.time_ms AND m.place = i.place AND m.event_uuid = i.event
  AND m.revision = i.revision
ON CONFLICT (team_id, source_uuid, time_ms, place, event_uuid) DO UPDATE
  SET result_uuid = excluded.result_uuid)";

/// The oldest merges of these persons (team, result) beyond $3 merges or $4 bytes; the newest
/// stays.
inline constexpr const char* kForgetMerges = R"(
WITH ranked AS (
  SELECT m.team_id, m.result_uuid, m.time_ms, m.place, m.event_uuid,
    row_number() OVER newest AS n, sum(length(m.record)) OVER newest AS bytes
  FROM (SELECT DISTINCT * FROM unnest($1::int8[], $2::uuid[])) AS i (team, result)
  JOIN penstock_person_merge m ON m.team_id = i.team AND m.result_uuid = i.result
  WINDOW newest AS (PARTITION BY m.team_id, m.result_uuid
    ORDER BY m.time_ms DESC, m.place DESC, m.event_uuid DESC ROWS UNBOUNDED PRECEDING)),
gone AS (
  DELETE FROM penstock_person_merge m USING ranked r
  WHERE r.n > 1 AND (r.n > $3 OR r.bytes > $4) AND m.team_id = r.team_id
    AND m.result_uuid = r.result_uuid AND m.time_ms = r.time_ms AND m.place = r.place
    AND m.event_uuid = r.event_uuid
  RETURNING m.team_id, m.result_uuid)
INSERT INTO penstock_person_merges_forgotten AS f (team_id, uuid, count)
SELECT team_id, result_uuid, count(*) FROM gone GROUP BY 1, 2
ON CONFLICT (team_id, uuid) DO UPDATE SET count = f.count + excluded.count)";

/// Of a person: what came to it, and what took it (at most $3), in the order of decision; with the
/// number of those that were forgotten.
inline constexpr const char* kMerges = R"(
SELECT record, coalesce((SELECT count FROM penstock_person_merges_forgotten f
  WHERE f.team_id = $1 AND f.uuid = $2), 0)
FROM (
  SELECT time_ms, place, event_uuid, result_uuid, record FROM penstock_person_merge
  WHERE team_id = $1 AND result_uuid = $2
  UNION ALL
  SELECT m.time_ms, m.place, m.event_uuid, m.result_uuid, m.record
  FROM (SELECT * FROM penstock_person_merged WHERE team_id = $1 AND source_uuid = $2
    ORDER BY time_ms, place, event_uuid LIMIT $3) AS r
  JOIN penstock_person_merge m ON m.team_id = r.team_id AND m.result_uuid = r.result_uuid
    AND m.time_ms = r.time_ms AND m.place = r.place AND m.event_uuid = r.event_uuid
  WHERE r.result_uuid <> $2) AS both_sides
ORDER BY time_ms, place, event_uuid, result_uuid)";

/// Of a distinct id ($2) and a person ($3), whatever became of them.
inline constexpr const char* kLastVersions = R"(
SELECT coalesce(greatest(
    (SELECT max(coalesce(version, 0)) FROM posthog_persondistinctid
     WHERE team_id = $1 AND distinct_id = $2),
    (SELECT version FROM penstock_distinct_id_aside WHERE team_id = $1 AND distinct_id = $2)), -1),
  coalesce(greatest(
    (SELECT max(coalesce(version, 0)) FROM posthog_person WHERE team_id = $1 AND uuid = $3),
    (SELECT version FROM penstock_person_tombstone WHERE team_id = $1 AND uuid = $3)), -1))";

inline constexpr const char* kPutDeletedIn =
    "INSERT INTO penstock_person_deleted_in SELECT * FROM unnest($1::int8[]) ON CONFLICT DO "
    "NOTHING";

inline constexpr const char* kDeletedIn = "SELECT team_id FROM penstock_person_deleted_in";

inline constexpr const char* kPutReports = R"(
INSERT INTO penstock_person_command_report (team_id, id, record)
SELECT * FROM unnest($1::int8[], $2::uuid[], $3::bytea[])
ON CONFLICT (team_id, id) DO UPDATE SET record = excluded.record)";

/// All but the newest $2 of these projects.
inline constexpr const char* kForgetReports = R"(
DELETE FROM penstock_person_command_report r USING (SELECT DISTINCT unnest($1::int8[]) AS team) AS i
WHERE r.team_id = i.team AND r.id <= (
  SELECT id FROM penstock_person_command_report s WHERE s.team_id = i.team
  ORDER BY id DESC OFFSET $2 LIMIT 1))";

inline constexpr const char* kReport =
    "SELECT record FROM penstock_person_command_report WHERE team_id = $1 AND id = $2";

inline constexpr const char* kReports =
    "SELECT record FROM penstock_person_command_report WHERE team_id = $1 ORDER BY id DESC LIMIT "
    "$2";

}  // namespace penstock::persons::sql
