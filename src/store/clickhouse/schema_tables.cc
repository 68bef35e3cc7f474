#include "store/clickhouse/schema_tables.h"

namespace penstock::store::clickhouse {

const std::vector<Table>& tables() {
  static const std::vector<Table> all{
      {.name = "sharded_events",
       .columns =
           R"sql(  uuid UUID, event String, properties String CODEC(ZSTD(3)), timestamp DateTime64(6,'UTC'),
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
  distinct_id_hash UInt64 MATERIALIZED sipHash64(distinct_id),
  _timestamp DateTime, _offset UInt64,
  inserted_at Nullable(DateTime64(6,'UTC')) DEFAULT now64(),
  consumer_breadcrumbs Array(String), is_deleted Bool)sql",
       .replaces = true,
       .version = "_timestamp",
       .keys =
           R"sql(PARTITION BY toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (team_id, toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid))
SAMPLE BY cityHash64(distinct_id))sql",
       .shard_by = "sipHash64(distinct_id)",
       .insert_to = "writable_events"},
      {.name = "person",
       .columns =
           R"sql(  id UUID, created_at DateTime64(3), team_id Int64, properties String CODEC(ZSTD(3)),
  is_identified Int8, is_deleted Int8, version UInt64, _timestamp DateTime, _offset UInt64)sql",
       .replaces = true,
       .version = "version",
       .keys = R"sql(ORDER BY (team_id, id))sql"},
      {.name = "person_distinct_id2",
       .columns =
           R"sql(  team_id Int64, distinct_id String, person_id UUID, is_deleted Int8, version Int64,
  _timestamp DateTime, _offset UInt64, _partition UInt64)sql",
       .replaces = true,
       .version = "version",
       .keys = R"sql(ORDER BY (team_id, distinct_id))sql",
       .settings = "index_granularity = 512"},
      {.name = "person_distinct_id_overrides",
       .columns =
           R"sql(  team_id Int64, distinct_id String, person_id UUID, is_deleted Int8, version Int64,
  _timestamp DateTime, _offset UInt64, _partition UInt64)sql",
       .replaces = true,
       .version = "version",
       .keys = R"sql(ORDER BY (team_id, distinct_id))sql",
       .settings = "index_granularity = 512"},
      {.name = "groups",
       .columns =
           R"sql(  group_type_index UInt8, group_key String, created_at DateTime64(3), team_id Int64,
  group_properties String CODEC(ZSTD(3)), _timestamp DateTime, _offset UInt64, is_deleted Bool,
  version UInt64)sql",
       .replaces = true,
       .version = "version",
       .keys = R"sql(ORDER BY (team_id, group_type_index, group_key))sql"},
      {.name = "ingestion_warnings",
       .columns =
           R"sql(  team_id Int64, source LowCardinality(String), type String, details String CODEC(ZSTD(3)),
  timestamp DateTime64(6,'UTC'), _timestamp DateTime, _offset UInt64, _partition UInt64)sql",
       .keys =
           R"sql(PARTITION BY toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (team_id, toHour(timestamp), type, source, timestamp))sql",
       .shard_by = "cityHash64(team_id, details)"},
      {.name = "session_replay_blocks",
       .columns = R"sql(  session_id String, team_id Int64, distinct_id String,
  first_timestamp DateTime64(6,'UTC'), last_timestamp DateTime64(6,'UTC'),
  block_url String, first_url String, urls Array(String),
  click_count Int64, keypress_count Int64, mouse_activity_count Int64, active_milliseconds Int64,
  console_log_count Int64, console_warn_count Int64, console_error_count Int64,
  size Int64, event_count Int64, message_count Int64,
  snapshot_source LowCardinality(Nullable(String)), snapshot_library Nullable(String),
  retention_period_days UInt32, _timestamp DateTime)sql",
       .keys =
           R"sql(PARTITION BY toYYYYMM(least(greatest(first_timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (team_id, session_id, first_timestamp))sql",
       .ttl = "_timestamp + toIntervalDay(retention_period_days) DELETE WHERE "
              "retention_period_days > 0",
       .settings = "index_granularity = 512",
       .shard_by = "sipHash64(distinct_id)"},
      {.name = "log_entries",
       .columns =
           R"sql(  team_id UInt64, log_source LowCardinality(String), log_source_id String, instance_id String,
  timestamp DateTime64(6,'UTC'), level LowCardinality(String), message String CODEC(ZSTD(3)),
  _timestamp DateTime, _offset UInt64)sql",
       .keys =
           R"sql(PARTITION BY toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (team_id, log_source, log_source_id, instance_id, timestamp))sql",
       .ttl = "toDateTime(timestamp) + toIntervalDay(90)",
       .shard_by = "sipHash64(log_source_id)"},
      {.name = "heatmaps",
       .columns =
           R"sql(  session_id String, team_id Int64, distinct_id String, timestamp DateTime64(6,'UTC'),
  x Int16, y Int16, scale_factor Int16, viewport_width Int16, viewport_height Int16,
  pointer_target_fixed Bool, current_url String, type LowCardinality(String),
  _timestamp DateTime, _offset UInt64, _partition UInt64)sql",
       .keys =
           R"sql(PARTITION BY toYYYYMM(least(greatest(timestamp, toDateTime64('2009-12-01 00:00:00', 6, 'UTC')),
                            toDateTime64('2040-01-01 00:00:00', 6, 'UTC')))
ORDER BY (type, team_id, toDate(timestamp), current_url, viewport_width))sql",
       .ttl = "toDateTime(timestamp) + toIntervalDay(90)",
       .shard_by = "sipHash64(distinct_id)"},
  };
  return all;
}

std::string_view events_columns() {
  return R"sql(  uuid UUID, event String, properties String, timestamp DateTime64(6,'UTC'),
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
  consumer_breadcrumbs Array(String), is_deleted Bool)sql";
}

std::string_view replay_view() {
  return R"sql(SELECT session_id, team_id, any(b.distinct_id) AS distinct_id,
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
FROM session_replay_blocks AS b GROUP BY team_id, session_id)sql";
}

}  // namespace penstock::store::clickhouse
