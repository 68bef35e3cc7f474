// The statements of PostgresPersonStore: each works on a whole cycle at once.
//
// Every one may be repeated, and compares versions itself, so that of two writers the higher
// version wins whichever comes first (READ COMMITTED: a row that another transaction changed is
// looked at again). Arrays of one statement have equal lengths; persons and distinct ids occur once
// in them.
#pragma once

namespace penstock::persons::sql {

/// team, distinct id → row number, person.
inline constexpr const char* kFetch = R"(
SELECT k.n, p.uuid, p.properties, p.created_at, p.is_identified, coalesce(p.version, 0), p.last_seen_at,
  coalesce(p.penstock_stamps, ''), coalesce(d.penstock_attached_at, 0)
FROM unnest($1::int8[], $2::text[]) WITH ORDINALITY AS k (team, id, n)
JOIN posthog_persondistinctid d ON d.team_id = k.team AND d.distinct_id = k.id
JOIN posthog_person p ON p.id = d.person_id AND p.team_id = d.team_id)";

inline constexpr const char* kGet = R"(
SELECT 1::int8, uuid, properties, created_at, is_identified, coalesce(version, 0), last_seen_at,
  coalesce(penstock_stamps, ''), 0::int8
FROM posthog_person WHERE team_id = $1 AND uuid = $2 LIMIT 1)";

inline constexpr const char* kMappings = R"(
SELECT id, version, attached_at FROM (
  SELECT d.distinct_id::text AS id, coalesce(d.version, 0) AS version,
    coalesce(d.penstock_attached_at, 0) AS attached_at
  FROM posthog_person p JOIN posthog_persondistinctid d ON d.person_id = p.id AND d.team_id = p.team_id
  WHERE p.team_id = $1 AND p.uuid = $2
  UNION ALL
  SELECT distinct_id, version, attached_at FROM penstock_distinct_id_aside
  WHERE team_id = $1 AND person_uuid = $2 AND NOT is_deleted) AS ids
WHERE id COLLATE "C" > $4
ORDER BY id COLLATE "C" LIMIT $3)";

/// `^@` finds its range in an index of collation C, which the table has where Penstock made it.
inline constexpr const char* kFindIds = R"(
SELECT id, uuid, version FROM (
  (SELECT d.distinct_id::text COLLATE "C" AS id, p.uuid, coalesce(d.version, 0) AS version
   FROM posthog_persondistinctid d JOIN posthog_person p ON p.id = d.person_id AND p.team_id = d.team_id
   WHERE d.team_id = $1 AND d.distinct_id COLLATE "C" ^@ $2
   ORDER BY d.distinct_id COLLATE "C" LIMIT $3)
  UNION ALL
  (SELECT distinct_id, person_uuid, version FROM penstock_distinct_id_aside
   WHERE team_id = $1 AND distinct_id ^@ $2 AND NOT is_deleted ORDER BY distinct_id LIMIT $3)) AS ids
ORDER BY id COLLATE "C" LIMIT $3)";

inline constexpr const char* kCount = "SELECT count(*) FROM posthog_person WHERE team_id = $1";

/// Persons that are not deleted. Answers how many should have been inserted and were not, because
/// another writer was quicker: then the statement is to be run again.
inline constexpr const char* kPutPersons = R"(
WITH i AS (
  SELECT * FROM unnest($1::int8[], $2::uuid[], $3::int8[], $4::jsonb[], $5::timestamptz[], $6::bool[],
    $7::timestamptz[], $8::bytea[])
    AS i (team, uuid, version, properties, created_at, is_identified, last_seen_at, stamps)),
updated AS (
  UPDATE posthog_person p
  SET properties = i.properties, created_at = i.created_at, is_identified = i.is_identified,
    version = i.version, last_seen_at = i.last_seen_at, penstock_stamps = i.stamps
  FROM i WHERE p.team_id = i.team AND p.uuid = i.uuid AND coalesce(p.version, 0) < i.version),
missing AS (
  SELECT * FROM i
  WHERE NOT EXISTS (SELECT FROM posthog_person p WHERE p.team_id = i.team AND p.uuid = i.uuid)
    AND NOT EXISTS (SELECT FROM penstock_person_tombstone t
      WHERE t.team_id = i.team AND t.uuid = i.uuid AND t.version >= i.version)),
inserted AS (
  INSERT INTO posthog_person (created_at, properties_last_updated_at, properties, team_id,
    is_identified, uuid, properties_last_operation, version, last_seen_at, penstock_stamps)
  SELECT created_at, '{}', properties, team, is_identified, uuid, '{}', version, last_seen_at, stamps
  FROM missing
  ON CONFLICT DO NOTHING RETURNING id)
SELECT (SELECT count(*) FROM missing) - (SELECT count(*) FROM inserted))";

/// Distinct ids that waited for these persons.
inline constexpr const char* kAdopt = R"(
WITH i AS (SELECT * FROM unnest($1::int8[], $2::uuid[]) AS i (team, uuid)),
ready AS (
  DELETE FROM penstock_distinct_id_aside a USING i, posthog_person p
  WHERE a.team_id = i.team AND a.person_uuid = i.uuid AND NOT a.is_deleted
    AND p.team_id = i.team AND p.uuid = i.uuid
  RETURNING a.team_id, a.distinct_id, p.id, a.version, a.attached_at)
INSERT INTO posthog_persondistinctid AS d (team_id, distinct_id, person_id, version,
  penstock_attached_at)
SELECT * FROM ready
ON CONFLICT (team_id, distinct_id) DO UPDATE
  SET person_id = excluded.person_id, version = excluded.version,
    penstock_attached_at = excluded.penstock_attached_at
  WHERE coalesce(d.version, 0) < excluded.version)";

/// Distinct ids; what has no person (yet, or any more) or is deleted is set aside.
inline constexpr const char* kPutMappings = R"(
WITH i AS (
  SELECT i.*, (SELECT p.id FROM posthog_person p WHERE p.team_id = i.team AND p.uuid = i.uuid LIMIT 1) AS person
  FROM unnest($1::int8[], $2::text[], $3::uuid[], $4::int8[], $5::bool[], $6::int8[])
    AS i (team, id, uuid, version, deleted, attached_at)
  WHERE NOT EXISTS (SELECT FROM penstock_distinct_id_aside a
    WHERE a.team_id = i.team AND a.distinct_id = i.id AND a.version >= i.version)),
put AS (
  INSERT INTO posthog_persondistinctid AS d (team_id, distinct_id, person_id, version,
    penstock_attached_at)
  SELECT team, id, person, version, attached_at FROM i WHERE NOT deleted AND person IS NOT NULL
  ON CONFLICT (team_id, distinct_id) DO UPDATE
    SET person_id = excluded.person_id, version = excluded.version,
      penstock_attached_at = excluded.penstock_attached_at
    WHERE coalesce(d.version, 0) < excluded.version
  RETURNING d.team_id, d.distinct_id),
taken AS (
  DELETE FROM posthog_persondistinctid d USING i
  WHERE (i.deleted OR i.person IS NULL) AND d.team_id = i.team AND d.distinct_id = i.id
    AND coalesce(d.version, 0) < i.version),
returned AS (
  DELETE FROM penstock_distinct_id_aside a USING put
  WHERE a.team_id = put.team_id AND a.distinct_id = put.distinct_id)
INSERT INTO penstock_distinct_id_aside AS a (team_id, distinct_id, person_uuid, version, is_deleted,
  attached_at)
SELECT team, id, uuid, version, deleted, attached_at FROM i
WHERE (deleted OR person IS NULL) AND NOT EXISTS (
  SELECT FROM posthog_persondistinctid d
  WHERE d.team_id = i.team AND d.distinct_id = i.id AND coalesce(d.version, 0) >= i.version)
ON CONFLICT (team_id, distinct_id) DO UPDATE
  SET person_uuid = excluded.person_uuid, version = excluded.version, is_deleted = excluded.is_deleted,
    attached_at = excluded.attached_at
  WHERE a.version < excluded.version)";

/// Deleted persons; ids that still point to them are set aside, as an older change may come yet.
inline constexpr const char* kDeletePersons = R"(
WITH i AS (SELECT * FROM unnest($1::int8[], $2::uuid[], $3::int8[]) AS i (team, uuid, version)),
gone AS (
  DELETE FROM posthog_person p USING i
  WHERE p.team_id = i.team AND p.uuid = i.uuid AND coalesce(p.version, 0) < i.version
  RETURNING p.id, p.team_id, p.uuid),
loose AS (
  DELETE FROM posthog_persondistinctid d USING gone WHERE d.person_id = gone.id AND d.team_id = gone.team_id
  RETURNING d.team_id, d.distinct_id, gone.uuid, coalesce(d.version, 0) AS version,
    coalesce(d.penstock_attached_at, 0) AS attached_at),
aside AS (
  INSERT INTO penstock_distinct_id_aside (team_id, distinct_id, person_uuid, version, is_deleted,
    attached_at)
  SELECT team_id, distinct_id, uuid, version, false, attached_at FROM loose ON CONFLICT DO NOTHING)
INSERT INTO penstock_person_tombstone AS t (team_id, uuid, version)
SELECT team, uuid, version FROM i
WHERE NOT EXISTS (SELECT FROM posthog_person p
  WHERE p.team_id = i.team AND p.uuid = i.uuid AND coalesce(p.version, 0) >= i.version)
ON CONFLICT (team_id, uuid) DO UPDATE SET version = excluded.version WHERE t.version < excluded.version)";

/// team, type index, key → row number, group.
inline constexpr const char* kFetchGroups = R"(
SELECT k.n, g.group_properties, g.created_at, g.version
FROM unnest($1::int8[], $2::int8[], $3::text[]) WITH ORDINALITY AS k (team, type, key, n)
JOIN posthog_group g ON g.team_id = k.team AND g.group_key = k.key AND g.group_type_index = k.type)";

inline constexpr const char* kPutGroups = R"(
INSERT INTO posthog_group AS g (team_id, group_type_index, group_key, group_properties, created_at,
  version, properties_last_updated_at, properties_last_operation)
SELECT i.*, '{}', '{}' FROM unnest($1::int8[], $2::int8[], $3::text[], $4::jsonb[], $5::timestamptz[],
  $6::int8[]) AS i
ON CONFLICT (team_id, group_key, group_type_index) DO UPDATE
  SET group_properties = excluded.group_properties, created_at = excluded.created_at,
    version = excluded.version
  WHERE g.version < excluded.version)";

/// In their order: the first that takes an index or a name has both.
inline constexpr const char* kPutGroupTypes = R"(
INSERT INTO posthog_grouptypemapping (team_id, project_id, group_type_index, group_type, created_at)
SELECT team, team, type, name, created_at FROM unnest($1::int8[], $2::int8[], $3::text[],
  $4::timestamptz[]) WITH ORDINALITY AS i (team, type, name, created_at, n) ORDER BY n
ON CONFLICT DO NOTHING)";

inline constexpr const char* kGroupTypes = R"(
SELECT group_type_index, group_type::text, created_at FROM posthog_grouptypemapping
WHERE project_id = $1 ORDER BY group_type_index LIMIT 5)";

inline constexpr const char* kPutPositions = R"(
INSERT INTO penstock_person_position (source, partition, next_offset)
SELECT $1, i.* FROM unnest($2::int8[], $3::int8[]) AS i
ON CONFLICT (source, partition) DO UPDATE SET next_offset = excluded.next_offset)";

inline constexpr const char* kPositions =
    "SELECT partition, next_offset FROM penstock_person_position WHERE source = $1";

}  // namespace penstock::persons::sql
