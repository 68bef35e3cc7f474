#include "store/engine/schema.h"

#include "base/hash.h"

namespace penstock::store {

uint64_t Migration::checksum() const {
  uint64_t sum = hash64(name, static_cast<uint64_t>(version));
  for (const std::string_view statement : statements) sum = hash64(statement, sum);
  return sum;
}

// Columns, types and order keys are those of PostHog's tables (ingestion contract, section 14).
// What is computed from properties there while inserting is an ALIAS here: the same name and value,
// paid for by the query that asks (docs/decisions/0004-aliases.md). Months before 2010 and after
// 2039 share a partition each: a client with a broken clock can fill 362 partitions and no more.
const std::vector<Migration>& migrations() {
  static const std::vector<Migration> all{
      {1,
       "posthog-shaped tables",
       {R"sql(CREATE TABLE IF NOT EXISTS events (
  uuid UUID, event String, properties String CODEC(ZSTD(3)), timestamp DateTime64(6,'UTC'),
  team_id Int64, distinct_id String, elements_chain String, created_at DateTime64(6,'UTC'),
  person_id UUID, person_created_at DateTime64(3), person_properties String CODEC(ZSTD(3)),
  group0_properties String CODEC(ZSTD(3)), group1_properties String CODEC(ZSTD(3)),
  group2_properties String CODEC(ZSTD(3)), group3_properties String CODEC(ZSTD(3)),
  group4_properties String CODEC(ZSTD(3)), group0_created_at DateTime64(3),
  group1_created_at DateTime64(3), group2_created_at DateTime64(3),
  group3_created_at DateTime64(3), group4_created_at DateTime64(3),
  person_mode Enum8('full'=0,'propertyless'=1,'force_upgrade'=2),
  `$group_0` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_0'),'^"|"$',''),
  `$group_1` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_1'),'^"|"$',''),
  `$group_2` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_2'),'^"|"$',''),
  `$group_3` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_3'),'^"|"$',''),
  `$group_4` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_4'),'^"|"$',''),
  `$window_id` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$window_id'),'^"|"$',''),
  `$session_id` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$session_id'),'^"|"$',''),
  `$session_id_uuid` Nullable(UInt128) ALIAS toUInt128(JSONExtract(properties,'$session_id','Nullable(UUID)')),
  elements_chain_href String ALIAS extract(elements_chain,'(?::|\")href="(.*?)"'),
  elements_chain_texts Array(String) ALIAS arrayDistinct(extractAll(elements_chain,'(?::|\")text="(.*?)"')),
  elements_chain_ids Array(String) ALIAS arrayDistinct(extractAll(elements_chain,'(?::|\")attr_id="(.*?)"')),
  elements_chain_elements Array(String) ALIAS arrayDistinct(extractAll(elements_chain,'(?:^|;)(a|button|form|input|select|textarea|label)(?:\\.|$|:)')),
  _timestamp DateTime, _offset UInt64,
  inserted_at Nullable(DateTime64(6,'UTC')) DEFAULT now64(),
  consumer_breadcrumbs Array(String), is_deleted Bool)
ENGINE = ReplacingMergeTree(_timestamp)
PARTITION BY toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (team_id, toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid))
SAMPLE BY cityHash64(distinct_id)
SETTINGS non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1)sql",
        R"sql(CREATE TABLE IF NOT EXISTS person (
  id UUID, created_at DateTime64(3), team_id Int64, properties String CODEC(ZSTD(3)),
  is_identified Int8, is_deleted Int8, version UInt64, _timestamp DateTime, _offset UInt64)
ENGINE = ReplacingMergeTree(version) ORDER BY (team_id, id)
SETTINGS non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1)sql",
        R"sql(CREATE TABLE IF NOT EXISTS person_distinct_id2 (
  team_id Int64, distinct_id String, person_id UUID, is_deleted Int8, version Int64,
  _timestamp DateTime, _offset UInt64, _partition UInt64)
ENGINE = ReplacingMergeTree(version) ORDER BY (team_id, distinct_id)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1)sql",
        R"sql(CREATE TABLE IF NOT EXISTS person_distinct_id_overrides (
  team_id Int64, distinct_id String, person_id UUID, is_deleted Int8, version Int64,
  _timestamp DateTime, _offset UInt64, _partition UInt64)
ENGINE = ReplacingMergeTree(version) ORDER BY (team_id, distinct_id)
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1)sql",
        R"sql(CREATE TABLE IF NOT EXISTS groups (
  group_type_index UInt8, group_key String, created_at DateTime64(3), team_id Int64,
  group_properties String, _timestamp DateTime, _offset UInt64, is_deleted Bool)
ENGINE = ReplacingMergeTree(_timestamp) ORDER BY (team_id, group_type_index, group_key)
SETTINGS non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1)sql",
        R"sql(CREATE TABLE IF NOT EXISTS ingestion_warnings (
  team_id Int64, source LowCardinality(String), type String, details String CODEC(ZSTD(3)),
  timestamp DateTime64(6,'UTC'), _timestamp DateTime, _offset UInt64, _partition UInt64)
ENGINE = MergeTree
PARTITION BY toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (team_id, toHour(timestamp), type, source, timestamp)
SETTINGS non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1)sql"}},
      {2,
       "session replay",
       {R"sql(CREATE TABLE IF NOT EXISTS session_replay_blocks (
  session_id String, team_id Int64, distinct_id String,
  first_timestamp DateTime64(6,'UTC'), last_timestamp DateTime64(6,'UTC'),
  block_url String, first_url String, urls Array(String),
  click_count Int64, keypress_count Int64, mouse_activity_count Int64, active_milliseconds Int64,
  console_log_count Int64, console_warn_count Int64, console_error_count Int64,
  size Int64, event_count Int64, message_count Int64,
  snapshot_source LowCardinality(Nullable(String)), snapshot_library Nullable(String),
  retention_period_days UInt32, _timestamp DateTime)
ENGINE = MergeTree
PARTITION BY toYYYYMM(least(greatest(first_timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (team_id, session_id, first_timestamp)
TTL _timestamp + toIntervalDay(retention_period_days) DELETE WHERE retention_period_days > 0
SETTINGS index_granularity = 512, non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1)sql",
        R"sql(CREATE VIEW IF NOT EXISTS session_replay_events AS
SELECT session_id, team_id, any(b.distinct_id) AS distinct_id,
  min(b.first_timestamp) AS min_first_timestamp, max(b.last_timestamp) AS max_last_timestamp,
  groupArray(b.first_timestamp) AS block_first_timestamps,
  groupArray(b.last_timestamp) AS block_last_timestamps, groupArray(b.block_url) AS block_urls,
  argMinState(b.first_url, b.first_timestamp) AS first_url, groupUniqArrayArray(b.urls) AS all_urls,
  sum(b.click_count) AS click_count, sum(b.keypress_count) AS keypress_count,
  sum(b.mouse_activity_count) AS mouse_activity_count,
  sum(b.active_milliseconds) AS active_milliseconds,
  sum(b.console_log_count) AS console_log_count, sum(b.console_warn_count) AS console_warn_count,
  sum(b.console_error_count) AS console_error_count, sum(b.size) AS size,
  sum(b.event_count) AS event_count, sum(b.message_count) AS message_count,
  argMinState(b.snapshot_source, b.first_timestamp) AS snapshot_source,
  argMinState(b.snapshot_library, b.first_timestamp) AS snapshot_library,
  max(b._timestamp) AS _timestamp, max(b.retention_period_days) AS retention_period_days
FROM session_replay_blocks AS b GROUP BY team_id, session_id)sql",
        R"sql(CREATE TABLE IF NOT EXISTS log_entries (
  team_id UInt64, log_source LowCardinality(String), log_source_id String, instance_id String,
  timestamp DateTime64(6,'UTC'), level LowCardinality(String), message String CODEC(ZSTD(3)),
  _timestamp DateTime, _offset UInt64)
ENGINE = MergeTree
PARTITION BY toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (team_id, log_source, log_source_id, instance_id, timestamp)
TTL toDateTime(timestamp) + toIntervalDay(90)
SETTINGS non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1)sql"}},
      {3, "heatmaps", {R"sql(CREATE TABLE IF NOT EXISTS heatmaps (
  session_id String, team_id Int64, distinct_id String, timestamp DateTime64(6,'UTC'),
  x Int16, y Int16, scale_factor Int16, viewport_width Int16, viewport_height Int16,
  pointer_target_fixed Bool, current_url String, type LowCardinality(String),
  _timestamp DateTime, _offset UInt64, _partition UInt64)
ENGINE = MergeTree
PARTITION BY toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (type, team_id, toDate(timestamp), current_url, viewport_width)
TTL toDateTime(timestamp) + toIntervalDay(90)
SETTINGS non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1)sql"}},
      {4, "events become sharded_events", {"RENAME TABLE IF EXISTS events TO sharded_events"}},
      {5,
       "persons as they are now",
       {R"sql(CREATE TABLE IF NOT EXISTS penstock_overrides (
  team_id Int64, distinct_id String, person_id UUID)
ENGINE = Join(ANY, LEFT, team_id, distinct_id)
SETTINGS persistent = 0, join_any_take_last_row = 1)sql",
        R"sql(CREATE TABLE IF NOT EXISTS penstock_fresh (team_id Int64, distinct_id String)
ENGINE = Memory)sql",
        R"sql(CREATE TABLE IF NOT EXISTS penstock_squash (
  team_id Int64, distinct_id String, version Int64)
ENGINE = Join(ANY, LEFT, team_id, distinct_id)
SETTINGS persistent = 0, join_any_take_last_row = 1)sql",
        R"sql(CREATE TABLE IF NOT EXISTS penstock_erasing (kind UInt8, text String)
ENGINE = MergeTree ORDER BY (kind, text) SETTINGS index_granularity = 512)sql",
        R"sql(CREATE TABLE IF NOT EXISTS penstock_erasures (
  erasure String, name String, rows UInt64, at DateTime DEFAULT now())
ENGINE = MergeTree ORDER BY (erasure, name) TTL at + toIntervalDay(90)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1)sql",
        R"sql(CREATE VIEW IF NOT EXISTS events (
  uuid UUID, event String, properties String, timestamp DateTime64(6,'UTC'),
  team_id Int64, distinct_id String, elements_chain String, created_at DateTime64(6,'UTC'),
  person_id UUID, person_created_at DateTime64(3), person_properties String,
  group0_properties String, group1_properties String, group2_properties String,
  group3_properties String, group4_properties String, group0_created_at DateTime64(3),
  group1_created_at DateTime64(3), group2_created_at DateTime64(3),
  group3_created_at DateTime64(3), group4_created_at DateTime64(3),
  person_mode Enum8('full'=0,'propertyless'=1,'force_upgrade'=2),
  `$group_0` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_0'),'^"|"$',''),
  `$group_1` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_1'),'^"|"$',''),
  `$group_2` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_2'),'^"|"$',''),
  `$group_3` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_3'),'^"|"$',''),
  `$group_4` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_4'),'^"|"$',''),
  `$window_id` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$window_id'),'^"|"$',''),
  `$session_id` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$session_id'),'^"|"$',''),
  `$session_id_uuid` Nullable(UInt128) ALIAS toUInt128(JSONExtract(properties,'$session_id','Nullable(UUID)')),
  elements_chain_href String ALIAS extract(elements_chain,'(?::|\")href="(.*?)"'),
  elements_chain_texts Array(String) ALIAS arrayDistinct(extractAll(elements_chain,'(?::|\")text="(.*?)"')),
  elements_chain_ids Array(String) ALIAS arrayDistinct(extractAll(elements_chain,'(?::|\")attr_id="(.*?)"')),
  elements_chain_elements Array(String) ALIAS arrayDistinct(extractAll(elements_chain,'(?:^|;)(a|button|form|input|select|textarea|label)(?:\\.|$|:)')),
  _timestamp DateTime, _offset UInt64, inserted_at Nullable(DateTime64(6,'UTC')),
  consumer_breadcrumbs Array(String), is_deleted Bool)
AS SELECT uuid, event, properties, timestamp, team_id, distinct_id, elements_chain, created_at,
  if((SELECT count() FROM penstock_overrides) = 0, s.person_id,
     if((joinGet('default.penstock_overrides', 'person_id', team_id, distinct_id) AS o) !=
          toUUID('00000000-0000-0000-0000-000000000000'), o, s.person_id)) AS person_id,
  person_created_at, person_properties,
  group0_properties, group1_properties, group2_properties, group3_properties, group4_properties,
  group0_created_at, group1_created_at, group2_created_at, group3_created_at, group4_created_at,
  person_mode, _timestamp, _offset, inserted_at, consumer_breadcrumbs, is_deleted
FROM sharded_events AS s)sql",
        R"sql(CREATE VIEW IF NOT EXISTS persons AS
SELECT id, created_at, team_id, properties, is_identified, version
FROM person FINAL WHERE is_deleted = 0)sql",
        R"sql(CREATE VIEW IF NOT EXISTS person_distinct_ids AS
SELECT team_id, distinct_id, person_id, version
FROM person_distinct_id2 FINAL WHERE is_deleted = 0)sql"}},
      // Nothing has written groups before this.
      {6,
       "groups know their version",
       {"DROP TABLE IF EXISTS groups", R"sql(CREATE TABLE IF NOT EXISTS groups (
  group_type_index UInt8, group_key String, created_at DateTime64(3), team_id Int64,
  group_properties String CODEC(ZSTD(3)), _timestamp DateTime, _offset UInt64, is_deleted Bool,
  version UInt64)
ENGINE = ReplacingMergeTree(version) ORDER BY (team_id, group_type_index, group_key)
SETTINGS non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1)sql"}},
      {7,
       "overrides are found by a hash",
       {"ALTER TABLE sharded_events ADD COLUMN IF NOT EXISTS distinct_id_hash UInt64 "
        "MATERIALIZED sipHash64(distinct_id)",
        "DROP VIEW IF EXISTS events", "DROP TABLE IF EXISTS penstock_overrides",
        R"sql(CREATE TABLE IF NOT EXISTS penstock_overrides (
  team_id Int64, distinct_id_hash UInt64, person_id UUID)
ENGINE = Join(ANY, LEFT, team_id, distinct_id_hash)
SETTINGS persistent = 0, join_any_take_last_row = 1)sql",
        R"sql(CREATE VIEW IF NOT EXISTS events (
  uuid UUID, event String, properties String, timestamp DateTime64(6,'UTC'),
  team_id Int64, distinct_id String, elements_chain String, created_at DateTime64(6,'UTC'),
  person_id UUID, person_created_at DateTime64(3), person_properties String,
  group0_properties String, group1_properties String, group2_properties String,
  group3_properties String, group4_properties String, group0_created_at DateTime64(3),
  group1_created_at DateTime64(3), group2_created_at DateTime64(3),
  group3_created_at DateTime64(3), group4_created_at DateTime64(3),
  person_mode Enum8('full'=0,'propertyless'=1,'force_upgrade'=2),
  `$group_0` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_0'),'^"|"$',''),
  `$group_1` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_1'),'^"|"$',''),
  `$group_2` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_2'),'^"|"$',''),
  `$group_3` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_3'),'^"|"$',''),
  `$group_4` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$group_4'),'^"|"$',''),
  `$window_id` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$window_id'),'^"|"$',''),
  `$session_id` String ALIAS replaceRegexpAll(JSONExtractRaw(properties,'$session_id'),'^"|"$',''),
  `$session_id_uuid` Nullable(UInt128) ALIAS toUInt128(JSONExtract(properties,'$session_id','Nullable(UUID)')),
  elements_chain_href String ALIAS extract(elements_chain,'(?::|\")href="(.*?)"'),
  elements_chain_texts Array(String) ALIAS arrayDistinct(extractAll(elements_chain,'(?::|\")text="(.*?)"')),
  elements_chain_ids Array(String) ALIAS arrayDistinct(extractAll(elements_chain,'(?::|\")attr_id="(.*?)"')),
  elements_chain_elements Array(String) ALIAS arrayDistinct(extractAll(elements_chain,'(?:^|;)(a|button|form|input|select|textarea|label)(?:\\.|$|:)')),
  _timestamp DateTime, _offset UInt64, inserted_at Nullable(DateTime64(6,'UTC')),
  consumer_breadcrumbs Array(String), is_deleted Bool)
AS SELECT uuid, event, properties, timestamp, team_id, distinct_id, elements_chain, created_at,
  if((SELECT count() FROM penstock_overrides) = 0, s.person_id,
     if((joinGet('default.penstock_overrides', 'person_id', team_id, distinct_id_hash) AS o) !=
          toUUID('00000000-0000-0000-0000-000000000000'), o, s.person_id)) AS person_id,
  person_created_at, person_properties,
  group0_properties, group1_properties, group2_properties, group3_properties, group4_properties,
  group0_created_at, group1_created_at, group2_created_at, group3_created_at, group4_created_at,
  person_mode, _timestamp, _offset, inserted_at, consumer_breadcrumbs, is_deleted
FROM sharded_events AS s)sql"}},
  };
  return all;
}

const std::vector<std::string_view>& project_tables() {
  static const std::vector<std::string_view> all{"events",
                                                 "sharded_events",
                                                 "person",
                                                 "persons",
                                                 "person_distinct_ids",
                                                 "person_distinct_id2",
                                                 "person_distinct_id_overrides",
                                                 "groups",
                                                 "ingestion_warnings",
                                                 "session_replay_blocks",
                                                 "session_replay_events",
                                                 "log_entries",
                                                 "heatmaps"};
  return all;
}

}  // namespace penstock::store
