#include "persons/postgres/schema.h"

#include <array>
#include <string>

namespace penstock::persons {
namespace {

/// Serialises migrations of several processes; any number that nobody else uses.
constexpr const char* kLock = "SELECT pg_advisory_xact_lock(5063902207114912)";

constexpr const char* kVersionTable =
    "CREATE TABLE IF NOT EXISTS penstock_migration ("
    "component text PRIMARY KEY, version integer NOT NULL, applied_at timestamptz NOT NULL "
    "DEFAULT now())";

/// PostHog's columns, types and names of what its code refers to.
constexpr const char* kPostHogTables = R"(
CREATE TABLE IF NOT EXISTS posthog_person (
  id bigserial PRIMARY KEY,
  created_at timestamptz NOT NULL,
  properties_last_updated_at jsonb,
  properties jsonb NOT NULL,
  team_id integer NOT NULL,
  is_user_id integer,
  is_identified boolean NOT NULL,
  uuid uuid NOT NULL,
  properties_last_operation jsonb,
  version bigint,
  last_seen_at timestamptz
) WITH (fillfactor = 85);
ALTER TABLE posthog_person ADD COLUMN IF NOT EXISTS last_seen_at timestamptz;
ALTER TABLE posthog_person ADD COLUMN IF NOT EXISTS penstock_stamps bytea;
CREATE TABLE IF NOT EXISTS posthog_persondistinctid (
  id bigserial PRIMARY KEY,
  distinct_id varchar(400) COLLATE "C" NOT NULL,
  person_id bigint NOT NULL REFERENCES posthog_person (id) DEFERRABLE INITIALLY DEFERRED,
  team_id integer NOT NULL,
  version bigint,
  CONSTRAINT "unique distinct_id for team" UNIQUE (team_id, distinct_id)
);
ALTER TABLE posthog_persondistinctid ADD COLUMN IF NOT EXISTS penstock_attached_at bigint;
CREATE TABLE IF NOT EXISTS posthog_group (
  id bigserial PRIMARY KEY,
  team_id integer NOT NULL,
  group_key varchar(400) NOT NULL,
  group_type_index integer NOT NULL,
  group_properties jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  properties_last_updated_at jsonb NOT NULL,
  properties_last_operation jsonb NOT NULL,
  version bigint NOT NULL,
  CONSTRAINT "unique team_id/group_key/group_type_index combo"
    UNIQUE (team_id, group_key, group_type_index)
);
CREATE TABLE IF NOT EXISTS posthog_grouptypemapping (
  id bigserial PRIMARY KEY,
  team_id integer NOT NULL,
  project_id bigint NOT NULL,
  group_type varchar(400) NOT NULL,
  group_type_index integer NOT NULL,
  name_singular varchar(400),
  name_plural varchar(400),
  created_at timestamptz,
  CONSTRAINT "unique group types for project" UNIQUE (project_id, group_type),
  CONSTRAINT "unique event column indexes for project" UNIQUE (project_id, group_type_index)
);
ALTER TABLE posthog_grouptypemapping ADD COLUMN IF NOT EXISTS created_at timestamptz;
DO $$
DECLARE
  found boolean;
BEGIN
  -- An index by which persons are found; a table that has one keeps its own.
  SELECT EXISTS (
    SELECT FROM pg_index i JOIN pg_attribute a
      ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
    WHERE i.indrelid = 'posthog_person'::regclass AND a.attname = 'uuid') INTO found;
  IF NOT found THEN
    CREATE UNIQUE INDEX penstock_person_uuid ON posthog_person (team_id, uuid);
  END IF;
  SELECT EXISTS (
    SELECT FROM pg_index i JOIN pg_attribute a
      ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = 'posthog_persondistinctid'::regclass AND a.attname = 'person_id') INTO found;
  IF NOT found THEN
    CREATE INDEX penstock_persondistinctid_person ON posthog_persondistinctid (person_id);
  END IF;
END $$
)";

constexpr const char* kOwnTables = R"(
CREATE TABLE IF NOT EXISTS penstock_person_position (
  source text NOT NULL,
  partition integer NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (source, partition)
);
CREATE TABLE IF NOT EXISTS penstock_person_tombstone (
  team_id integer NOT NULL,
  uuid uuid NOT NULL,
  version bigint NOT NULL,
  PRIMARY KEY (team_id, uuid)
);
CREATE TABLE IF NOT EXISTS penstock_distinct_id_aside (
  team_id integer NOT NULL,
  distinct_id text COLLATE "C" NOT NULL,
  person_uuid uuid NOT NULL,
  version bigint NOT NULL,
  is_deleted boolean NOT NULL,
  attached_at bigint NOT NULL,
  PRIMARY KEY (team_id, distinct_id)
);
CREATE INDEX IF NOT EXISTS penstock_distinct_id_aside_person
  ON penstock_distinct_id_aside (team_id, person_uuid)
)";

constexpr const char* kHistoryTables = R"(
CREATE TABLE IF NOT EXISTS penstock_person_merge (
  team_id integer NOT NULL,
  result_uuid uuid NOT NULL,
  time_ms bigint NOT NULL,
  place bigint NOT NULL,
  event_uuid uuid NOT NULL,
  revision bigint NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY (team_id, result_uuid, time_ms, place, event_uuid)
);
CREATE TABLE IF NOT EXISTS penstock_person_merged (
  team_id integer NOT NULL,
  source_uuid uuid NOT NULL,
  time_ms bigint NOT NULL,
  place bigint NOT NULL,
  event_uuid uuid NOT NULL,
  result_uuid uuid NOT NULL,
  PRIMARY KEY (team_id, source_uuid, time_ms, place, event_uuid)
);
CREATE TABLE IF NOT EXISTS penstock_person_merges_forgotten (
  team_id integer NOT NULL,
  uuid uuid NOT NULL,
  count bigint NOT NULL,
  PRIMARY KEY (team_id, uuid)
);
CREATE TABLE IF NOT EXISTS penstock_person_command_report (
  team_id integer NOT NULL,
  id uuid NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY (team_id, id)
);
CREATE TABLE IF NOT EXISTS penstock_person_deleted_in (team_id integer PRIMARY KEY)
)";
constexpr const char* kHistoryBefore =
    "INSERT INTO penstock_person_deleted_in SELECT DISTINCT team_id FROM "
    "penstock_distinct_id_aside WHERE is_deleted ON CONFLICT DO NOTHING";

/// In order; the version is how many were applied. Append, never edit what was released.
constexpr std::array<std::array<const char*, 2>, 2> kSteps{
    {{kPostHogTables, kOwnTables}, {kHistoryTables, kHistoryBefore}}};

Status run_steps(Connection& connection) {
  PENSTOCK_CHECK(connection.run(kLock));
  PENSTOCK_CHECK(connection.run(kVersionTable));
  PENSTOCK_TRY(const Rows rows, connection.run("SELECT version FROM penstock_migration WHERE "
                                               "component = 'persons'"));
  const int64_t version = rows.size() == 0 ? 0 : rows.number(0, 0);
  const auto newest = static_cast<int64_t>(kSteps.size());
  if (version > newest) {
    return fail(Code::kConflict, "the person tables in PostgreSQL are of a newer Penstock");
  }
  if (version == newest) return {};
  for (auto step = static_cast<size_t>(version); step < kSteps.size(); step++) {
    for (const char* sql : kSteps[step]) PENSTOCK_CHECK(connection.run_script(sql));
  }
  Params params;
  params.number(newest);
  PENSTOCK_CHECK(
      connection.run("INSERT INTO penstock_migration (component, version) VALUES ('persons', $1) "
                     "ON CONFLICT (component) DO UPDATE SET version = excluded.version, "
                     "applied_at = now()",
                     params));
  return {};
}

}  // namespace

Status migrate(Connection& connection) {
  PENSTOCK_CHECK(connection.run("BEGIN"));
  Status s = run_steps(connection);
  if (s) {
    PENSTOCK_CHECK(connection.run("COMMIT"));
    return {};
  }
  // The first failure is what matters; without a session there is nothing to roll back.
  (void)connection.run("ROLLBACK");
  return s;
}

}  // namespace penstock::persons
