CREATE DATABASE IF NOT EXISTS penstock ON CLUSTER 'main';

CREATE TABLE IF NOT EXISTS penstock.penstock_migrations ON CLUSTER 'main' (version Int32, name String, checksum UInt64, at DateTime DEFAULT now())
ENGINE = ReplicatedMergeTree('/clickhouse/tables/noshard/penstock.penstock_migrations', '{replica}-{shard}')
ORDER BY version
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS penstock.sharded_events ON CLUSTER 'main' (
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/penstock.sharded_events', '{replica}', _timestamp)
PARTITION BY toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (team_id, toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid))
SAMPLE BY cityHash64(distinct_id)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS penstock.writable_events ON CLUSTER 'main' AS penstock.sharded_events
ENGINE = Distributed('main', 'penstock', 'sharded_events', sipHash64(distinct_id));

CREATE TABLE IF NOT EXISTS penstock.person ON CLUSTER 'main' (
  id UUID, created_at DateTime64(3), team_id Int64, properties String CODEC(ZSTD(3)),
  is_identified Int8, is_deleted Int8, version UInt64, _timestamp DateTime, _offset UInt64)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/noshard/penstock.person', '{replica}-{shard}', version)
ORDER BY (team_id, id)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS penstock.person_distinct_id2 ON CLUSTER 'main' (
  team_id Int64, distinct_id String, person_id UUID, is_deleted Int8, version Int64,
  _timestamp DateTime, _offset UInt64, _partition UInt64)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/noshard/penstock.person_distinct_id2', '{replica}-{shard}', version)
ORDER BY (team_id, distinct_id)
SETTINGS index_granularity = 512, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS penstock.person_distinct_id_overrides ON CLUSTER 'main' (
  team_id Int64, distinct_id String, person_id UUID, is_deleted Int8, version Int64,
  _timestamp DateTime, _offset UInt64, _partition UInt64)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/noshard/penstock.person_distinct_id_overrides', '{replica}-{shard}', version)
ORDER BY (team_id, distinct_id)
SETTINGS index_granularity = 512, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS penstock.groups ON CLUSTER 'main' (
  group_type_index UInt8, group_key String, created_at DateTime64(3), team_id Int64,
  group_properties String CODEC(ZSTD(3)), _timestamp DateTime, _offset UInt64, is_deleted Bool,
  version UInt64)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/noshard/penstock.groups', '{replica}-{shard}', version)
ORDER BY (team_id, group_type_index, group_key)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS penstock.sharded_ingestion_warnings ON CLUSTER 'main' (
  team_id Int64, source LowCardinality(String), type String, details String CODEC(ZSTD(3)),
  timestamp DateTime64(6,'UTC'), _timestamp DateTime, _offset UInt64, _partition UInt64)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/penstock.sharded_ingestion_warnings', '{replica}')
PARTITION BY toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (team_id, toHour(timestamp), type, source, timestamp)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS penstock.ingestion_warnings ON CLUSTER 'main' AS penstock.sharded_ingestion_warnings
ENGINE = Distributed('main', 'penstock', 'sharded_ingestion_warnings', cityHash64(team_id, details));

CREATE TABLE IF NOT EXISTS penstock.sharded_session_replay_blocks ON CLUSTER 'main' (
  session_id String, team_id Int64, distinct_id String,
  first_timestamp DateTime64(6,'UTC'), last_timestamp DateTime64(6,'UTC'),
  block_url String, first_url String, urls Array(String),
  click_count Int64, keypress_count Int64, mouse_activity_count Int64, active_milliseconds Int64,
  console_log_count Int64, console_warn_count Int64, console_error_count Int64,
  size Int64, event_count Int64, message_count Int64,
  snapshot_source LowCardinality(Nullable(String)), snapshot_library Nullable(String),
  retention_period_days UInt32, _timestamp DateTime)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/penstock.sharded_session_replay_blocks', '{replica}')
PARTITION BY toYYYYMM(least(greatest(first_timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (team_id, session_id, first_timestamp)
TTL _timestamp + toIntervalDay(retention_period_days) DELETE WHERE retention_period_days > 0
SETTINGS index_granularity = 512, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS penstock.session_replay_blocks ON CLUSTER 'main' AS penstock.sharded_session_replay_blocks
ENGINE = Distributed('main', 'penstock', 'sharded_session_replay_blocks', sipHash64(distinct_id));

CREATE TABLE IF NOT EXISTS penstock.sharded_log_entries ON CLUSTER 'main' (
  team_id UInt64, log_source LowCardinality(String), log_source_id String, instance_id String,
  timestamp DateTime64(6,'UTC'), level LowCardinality(String), message String CODEC(ZSTD(3)),
  _timestamp DateTime, _offset UInt64)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/penstock.sharded_log_entries', '{replica}')
PARTITION BY toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (team_id, log_source, log_source_id, instance_id, timestamp)
TTL toDateTime(timestamp) + toIntervalDay(90)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS penstock.log_entries ON CLUSTER 'main' AS penstock.sharded_log_entries
ENGINE = Distributed('main', 'penstock', 'sharded_log_entries', sipHash64(log_source_id));

CREATE TABLE IF NOT EXISTS penstock.sharded_heatmaps ON CLUSTER 'main' (
  session_id String, team_id Int64, distinct_id String, timestamp DateTime64(6,'UTC'),
  x Int16, y Int16, scale_factor Int16, viewport_width Int16, viewport_height Int16,
  pointer_target_fixed Bool, current_url String, type LowCardinality(String),
  _timestamp DateTime, _offset UInt64, _partition UInt64)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/penstock.sharded_heatmaps', '{replica}')
PARTITION BY toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (type, team_id, toDate(timestamp), current_url, viewport_width)
TTL toDateTime(timestamp) + toIntervalDay(90)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS penstock.heatmaps ON CLUSTER 'main' AS penstock.sharded_heatmaps
ENGINE = Distributed('main', 'penstock', 'sharded_heatmaps', sipHash64(distinct_id));

CREATE TABLE IF NOT EXISTS penstock.penstock_erasing ON CLUSTER 'main' (kind UInt8, text String)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/noshard/penstock.penstock_erasing', '{replica}-{shard}')
ORDER BY (kind, text);

CREATE TABLE IF NOT EXISTS penstock.penstock_erasures ON CLUSTER 'main' (erasure String, name String, rows UInt64, at DateTime DEFAULT now())
ENGINE = ReplicatedMergeTree('/clickhouse/tables/noshard/penstock.penstock_erasures', '{replica}-{shard}')
ORDER BY (erasure, name) TTL at + toIntervalDay(90);

CREATE TABLE IF NOT EXISTS penstock.penstock_squash ON CLUSTER 'main' (team_id Int64, distinct_id String, person_id UUID, version Int64)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/noshard/penstock.penstock_squash', '{replica}-{shard}')
ORDER BY (team_id, distinct_id);

CREATE VIEW IF NOT EXISTS penstock.events ON CLUSTER 'main' (
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
AS SELECT s.uuid AS uuid, s.event AS event, s.properties AS properties,
  s.timestamp AS timestamp, s.team_id AS team_id, s.distinct_id AS distinct_id,
  s.elements_chain AS elements_chain, s.created_at AS created_at,
  if(o.person != toUUID('00000000-0000-0000-0000-000000000000'), o.person, s.person_id) AS person_id,
  person_created_at, person_properties,
  group0_properties, group1_properties, group2_properties, group3_properties, group4_properties,
  group0_created_at, group1_created_at, group2_created_at, group3_created_at, group4_created_at,
  person_mode, s._timestamp AS _timestamp, s._offset AS _offset, inserted_at,
  consumer_breadcrumbs, s.is_deleted AS is_deleted
FROM penstock.writable_events AS s
ANY LEFT JOIN (SELECT team_id, distinct_id, argMax(person_id, version) AS person
  FROM penstock.person_distinct_id_overrides GROUP BY team_id, distinct_id
  HAVING argMax(is_deleted, version) = 0) AS o
ON s.team_id = o.team_id AND s.distinct_id = o.distinct_id;

CREATE VIEW IF NOT EXISTS penstock.session_replay_events ON CLUSTER 'main' AS
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
FROM penstock.session_replay_blocks AS b GROUP BY team_id, session_id;

CREATE VIEW IF NOT EXISTS penstock.persons ON CLUSTER 'main' AS
SELECT id, created_at, team_id, properties, is_identified, version
FROM penstock.person FINAL WHERE is_deleted = 0;

CREATE VIEW IF NOT EXISTS penstock.person_distinct_ids ON CLUSTER 'main' AS
SELECT team_id, distinct_id, person_id, version
FROM penstock.person_distinct_id2 FINAL WHERE is_deleted = 0;

CREATE TABLE IF NOT EXISTS penstock.kafka_events_json ON CLUSTER 'main' (
  uuid UUID, event String, properties String, timestamp DateTime64(6,'UTC'),
  team_id Int64, distinct_id String, elements_chain String,
  created_at DateTime64(6,'UTC'), person_id UUID, person_created_at DateTime64(3),
  person_properties String, group0_properties String, group1_properties String,
  group2_properties String, group3_properties String, group4_properties String,
  group0_created_at DateTime64(3), group1_created_at DateTime64(3),
  group2_created_at DateTime64(3), group3_created_at DateTime64(3),
  group4_created_at DateTime64(3),
  person_mode Enum8('full'=0,'propertyless'=1,'force_upgrade'=2))
ENGINE = Kafka('kafka-1:9092,kafka-2:9092', 'clickhouse_events_json', 'group1', 'JSONEachRow')
SETTINGS kafka_skip_broken_messages = 100;

CREATE MATERIALIZED VIEW IF NOT EXISTS penstock.events_json_mv ON CLUSTER 'main' TO penstock.writable_events AS
SELECT uuid, event, properties, timestamp, team_id, distinct_id, elements_chain, created_at,
  person_id, person_created_at, person_properties, group0_properties, group1_properties,
  group2_properties, group3_properties, group4_properties, group0_created_at,
  group1_created_at, group2_created_at, group3_created_at, group4_created_at, person_mode,
  _timestamp, _offset
FROM penstock.kafka_events_json;

CREATE TABLE IF NOT EXISTS penstock.kafka_person ON CLUSTER 'main' (
  id UUID, created_at DateTime64(3), team_id Int64, properties String,
  is_identified Int8, is_deleted Int8, version UInt64)
ENGINE = Kafka('kafka-1:9092,kafka-2:9092', 'clickhouse_person', 'group1', 'JSONEachRow')
SETTINGS kafka_skip_broken_messages = 100;

CREATE MATERIALIZED VIEW IF NOT EXISTS penstock.person_mv ON CLUSTER 'main' TO penstock.person AS
SELECT id, created_at, team_id, properties, is_identified, is_deleted, version,
  _timestamp, _offset
FROM penstock.kafka_person;

CREATE TABLE IF NOT EXISTS penstock.kafka_person_distinct_id2 ON CLUSTER 'main' (
  team_id Int64, distinct_id String, person_id UUID, is_deleted Int8, version Int64)
ENGINE = Kafka('kafka-1:9092,kafka-2:9092', 'clickhouse_person_distinct_id', 'group1', 'JSONEachRow')
SETTINGS kafka_skip_broken_messages = 100;

CREATE MATERIALIZED VIEW IF NOT EXISTS penstock.person_distinct_id2_mv ON CLUSTER 'main' TO penstock.person_distinct_id2 AS
SELECT team_id, distinct_id, person_id, is_deleted, version,
  _timestamp, _offset, _partition
FROM penstock.kafka_person_distinct_id2;

CREATE TABLE IF NOT EXISTS penstock.kafka_person_distinct_id_overrides ON CLUSTER 'main' (
  team_id Int64, distinct_id String, person_id UUID, is_deleted Int8, version Int64)
ENGINE = Kafka('kafka-1:9092,kafka-2:9092', 'clickhouse_person_distinct_id', 'group1_overrides', 'JSONEachRow')
SETTINGS kafka_skip_broken_messages = 100;

CREATE MATERIALIZED VIEW IF NOT EXISTS penstock.person_distinct_id_overrides_mv ON CLUSTER 'main' TO penstock.person_distinct_id_overrides AS
SELECT team_id, distinct_id, person_id, is_deleted, version,
  _timestamp, _offset, _partition
FROM penstock.kafka_person_distinct_id_overrides
WHERE version > 0;

CREATE TABLE IF NOT EXISTS penstock.kafka_groups ON CLUSTER 'main' (
  group_type_index UInt8, group_key String, created_at DateTime64(3), team_id Int64,
  group_properties String, version UInt64)
ENGINE = Kafka('kafka-1:9092,kafka-2:9092', 'clickhouse_groups', 'group1', 'JSONEachRow')
SETTINGS kafka_skip_broken_messages = 100;

CREATE MATERIALIZED VIEW IF NOT EXISTS penstock.groups_mv ON CLUSTER 'main' TO penstock.groups AS
SELECT group_type_index, group_key, created_at, team_id, group_properties, version,
  _timestamp, _offset
FROM penstock.kafka_groups;

CREATE TABLE IF NOT EXISTS penstock.kafka_ingestion_warnings ON CLUSTER 'main' (
  team_id Int64, source LowCardinality(String), type String, details String,
  timestamp DateTime64(6,'UTC'))
ENGINE = Kafka('kafka-1:9092,kafka-2:9092', 'clickhouse_ingestion_warnings', 'group1', 'JSONEachRow')
SETTINGS kafka_skip_broken_messages = 100;

CREATE MATERIALIZED VIEW IF NOT EXISTS penstock.ingestion_warnings_mv ON CLUSTER 'main' TO penstock.ingestion_warnings AS
SELECT team_id, source, type, details, timestamp,
  _timestamp, _offset, _partition
FROM penstock.kafka_ingestion_warnings;

CREATE TABLE IF NOT EXISTS penstock.kafka_heatmaps ON CLUSTER 'main' (
  session_id String, team_id Int64, distinct_id String, timestamp DateTime64(6,'UTC'),
  x Int16, y Int16, scale_factor Int16, viewport_width Int16, viewport_height Int16,
  pointer_target_fixed Bool, current_url String, type LowCardinality(String))
ENGINE = Kafka('kafka-1:9092,kafka-2:9092', 'clickhouse_heatmap_events', 'group1', 'JSONEachRow')
SETTINGS kafka_skip_broken_messages = 100;

CREATE MATERIALIZED VIEW IF NOT EXISTS penstock.heatmaps_mv ON CLUSTER 'main' TO penstock.heatmaps AS
SELECT session_id, team_id, distinct_id, timestamp, x, y, scale_factor, viewport_width,
  viewport_height, pointer_target_fixed, current_url, type,
  _timestamp, _offset, _partition
FROM penstock.kafka_heatmaps;

