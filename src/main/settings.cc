#include "main/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "main/stages.h"
#include "runtime/ip_range.h"
#include "runtime/net.h"

namespace penstock::cli {
namespace {

constexpr int64_t kMiB = 1 << 20, kGiB = 1 << 30, kTiB = int64_t{1} << 40;
constexpr int64_t kDay = 86'400'000;
constexpr const char* kPostgresUrl =
    "The database, as postgresql://user:password@host:5432/name; of host1,host2 the next is tried.";

void bind_process(config::OptionTable& t, Settings& s) {
  t.add("capture.listen", s.capture_listen, "address", "Where SDKs send events.");
  t.add("admin.listen", s.admin_listen, "address", "Where the admin API and the web UI listen.");
  t.add("process.stages", s.stages, "list",
        "Which stages run here: capture, ingest, replay, load, definitions, deliver, admin; and "
        "publish.");
  t.add("process.slices", s.slices_here, "list",
        "Slices of the projects that this process looks at, as FROM-TO (0-15); processes with the "
        "same ones share them. Any stage but capture. Empty: all. Needs ingest.slice_lanes.");
  t.add("process.health_listen", s.health_listen, "address",
        "Where /_liveness, /_readiness and /metrics of this process's stages are; empty: nowhere.");
  t.add("process.shards", s.shards, 1, 64, "count", "Capture threads, each with its own listener.");
  t.add("process.allow_public_bind", s.allow_public_bind,
        "Allow addresses other than loopback without http.tls_cert_file; put TLS in front.");
  t.add("process.drain_ms", s.drain_ms, 0, 600'000, "ms",
        "How long a stop waits for requests and stores in progress.");
  t.add("project.key", s.project_key, "text",
        "Key of the default project, used when it is created; empty makes one.");
}

void bind_capture(config::OptionTable& t, Settings& s) {
  auto& c = s.capture;
  t.add("capture.body_bytes_max", c.body_bytes_max, 1024, kGiB, "bytes",
        "Largest request body as sent; more is answered 413.");
  t.add("capture.decoded_bytes_max", c.decoded_bytes_max, 1024, kGiB, "bytes",
        "Largest body after decompression; more is answered 413.");
  t.add("capture.ai_parts_bytes_max", c.ai_parts_bytes_max, 1024, kGiB, "bytes",
        "All parts of a request of /i/v0/ai together; more is answered 413.");
  t.add("capture.ai_event_bytes_max", c.ai_event_bytes_max, 1024, kGiB, "bytes",
        "Largest single event of /i/v1/ai/events; a larger one is dropped.");
  t.add("capture.v1_body_bytes_max", c.v1_body_bytes_max, 1024, kGiB, "bytes",
        "Largest Capture V1 request as sent; more is answered 413.");
  t.add("capture.v1_decoded_bytes_max", c.v1_decoded_bytes_max, 1024, kGiB, "bytes",
        "Largest Capture V1 request after decompression; more is answered 413.");
  t.add("capture.message_bytes_max", c.message_bytes_max, 1024, 22 * kMiB, "bytes",
        "Largest single event.");
  t.add("capture.replay_body_bytes_max", c.replay_body_bytes_max, 1024, kGiB, "bytes",
        "Largest request body of /s/ as sent; more is answered 413.");
  t.add("capture.replay_message_bytes_max", c.replay_message_bytes_max, 1024, 17 * kMiB, "bytes",
        "Largest message that a request of /s/ may become; more is answered 413.");
  t.add("capture.events_per_request_max", c.events_per_request_max, 1, 10'000'000, "count",
        "Most events in one request; more is answered 413.");
  t.add("capture.requests_waiting_max", c.requests_waiting_max, 1, 1'000'000, "count",
        "Requests of one shard that may wait for the log; more is answered 503.");
  t.add("capture.bytes_waiting_max", c.bytes_waiting_max, kMiB, 16 * kGiB, "bytes",
        "Event bytes of one shard that may wait for the log; more is answered 503.");
  t.add("capture.refused_uuids_max", c.refused_uuids_max, 0, 10'000, "count",
        "Uuids recorded for `trace` from one refused request.");
  t.add("capture.refused_records_per_second_max", c.refused_records_per_second_max, 0, 1'000'000,
        "count", "Refusals recorded for `trace` a second; the rest is only counted.");
  t.add("capture.historical_after_days", c.historical_after_days, 0, 36'500, "days",
        "Events older than this travel in the historical lane; 0: only flagged ones do.");
  t.add(
      "capture.overflow_events_per_second", c.overflow_events_per_second, 0, 10'000'000, "count",
      "Events a second of one distinct id above which it travels in the overflow lane; 0: never.");
  t.add("capture.overflow_burst", c.overflow_burst, 1, 10'000'000, "count",
        "Events a distinct id may send at once before that rate counts.");
  t.add("capture.overflow_keys_max", c.overflow_keys_max, 64, 16'777'216, "count",
        "Distinct ids of one shard whose rate is watched at a time; 16 bytes each.");
  t.add("capture.flood_events_per_second", c.flood_events_per_second, 0, 10'000'000, "count",
        "Events a second, one more for every 4 KiB of a large one, above which a project beside "
        "others travels in the overflow lane, times its weight; 0: never.");
  t.add("capture.path_prefix", c.path_prefix, "path",
        "Path such as /ingest-x1 below which every capture route answers as well, so that lists of "
        "ad blockers do not match; give SDKs the address with it.");
  t.add("capture.path_prefix_only", c.path_prefix_only,
        "The plain paths answer 404, except /_readiness, /_liveness and /metrics.");
  t.add("capture.skew_rule", s.skew_rule, "name",
        "How a wrong client clock is corrected: exact, deadband_150s or round_5min.");
}

void bind_http(config::OptionTable& t, Settings& s) {
  auto& h = s.http;
  t.add("http.header_bytes_max", h.header_bytes_max, 1024, kMiB, "bytes",
        "Request line and headers together; more is answered 431.");
  t.add("http.headers_max", h.headers_max, 8, 1000, "count", "Headers of one request.");
  t.add("http.connections_max", h.connections_max, 1, 1'000'000, "count",
        "Open connections of one shard; more are closed at once.");
  t.add("http.pipeline_max", h.pipeline_max, 1, 10'000, "count",
        "Unanswered requests on one connection before it is read on.");
  t.add("http.header_ms_max", h.header_ms_max, 10, 600'000, "ms",
        "For a request's headers to arrive; then 408.");
  t.add("http.body_ms_max", h.body_ms_max, 10, 3'600'000, "ms",
        "For a request's body to arrive; then 408.");
  t.add("http.idle_ms_max", h.idle_ms_max, 100, 3'600'000, "ms", "Keep-alive without a request.");
  t.add("http.send_ms_max", h.send_ms_max, 10, 3'600'000, "ms",
        "For a client to take 64 KiB of its answer, or the rest of it; then it is cut.");
  t.add("http.body_bytes_in_flight_max", h.body_bytes_in_flight_max, kMiB, 64 * kGiB, "bytes",
        "All bodies being read by one shard; more is answered 503.");
  t.add("http.send_bytes_in_flight_max", h.send_bytes_in_flight_max, kMiB, 64 * kGiB, "bytes",
        "All answers of one shard that clients have not taken yet; above it the largest are cut.");
  t.add("http.access_log", s.access_log.path, "path",
        "File that gets a line per request: time, method, path without query, status, bytes in and "
        "out, microseconds, peer. Never payloads, queries or keys. Empty: none.");
  t.add("http.access_log_bytes_max", s.access_log.file_bytes_max, 4096, kTiB, "bytes",
        "Size at which the access log is renamed to .1 (and so on, five are kept).");
  t.add(
      "http.tls_cert_file", s.tls_cert_file, "path",
      "PEM certificate chain; with it capture, the admin API and the UI speak HTTPS only. Renewed "
      "files are taken over while running.");
  t.add("http.tls_key_file", s.tls_key_file, "path", "PEM key of that certificate, no passphrase.");
  t.add(
      "http.proxy_protocol", s.proxy_protocol,
      "Capture connections begin with a PROXY header (version 1 or 2) and are closed without one; "
      "only behind a proxy that sends it.");
  t.add(
      "http.trusted_proxies", s.trusted_proxies, "list",
      "Address ranges (10.0.0.0/8, 2001:db8::/32) of proxies whose X-Forwarded-For, X-Real-IP and "
      "Forwarded count; empty: everybody's do, as PostHog has it, so clients can claim any "
      "address.");
}

void bind_log(config::OptionTable& t, Settings& s) {
  t.add("log.partitions", s.partitions, 1, 256, "count",
        "Partitions of every lane; fixed once a data directory is in use.");
  t.add("log.retention_bytes", s.log_retention_bytes, 64 * kMiB, 1024 * kTiB, "bytes",
        "Size of one lane above which old, consumed segments are recycled.");
  t.add("log.retention_ms", s.log_retention_ms, 1000, 3650 * kDay, "ms",
        "Age above which old, consumed segments are recycled.");
  t.add("log.segment_bytes", s.log.segment_bytes, 32 * kMiB, 4 * kGiB, "bytes",
        "Size of one segment file.");
  t.add("log.pending_bytes_max", s.log.pending_bytes_max, kMiB, 16 * kGiB, "bytes",
        "Bytes of one lane waiting to be written; more is answered busy.");
  t.add("log.free_reserve_bytes", s.log.free_reserve_bytes, 0, kTiB, "bytes",
        "Free disk below which appends are refused (503), before the disk is really full.");
  t.add("log.scrub_bytes_per_second", s.scrub.bytes_per_second, 0, kGiB, "bytes",
        "How fast old segments are read in the background to compare their checksums; 0: never.");
  t.add("log.scrub_every_ms", s.scrub.every_ms, 0, 365 * kDay, "ms",
        "From the begin of one such pass over all old segments to the next.");
  t.add("scrub.bytes_per_second", s.data_scrub.bytes_per_second, 0, kGiB, "bytes",
        "How fast state, objects and the embedded store are read in the background to compare "
        "their checksums; 0: never.");
  t.add("scrub.every_ms", s.data_scrub.every_ms, 0, 365 * kDay, "ms",
        "From the begin of one such pass over all of them to the next.");
  t.add("process.reserved_bytes", s.reserve.bytes, 0, kTiB, "bytes",
        "Disk kept in the file reserve, given up when the disk is full so that a stop, a start and "
        "what is under way have room; 0: none.");
  t.add("process.free_floor_bytes", s.reserve.floor, kMiB, kTiB, "bytes",
        "Free disk below which that is given up, and below which state databases wait.");
  t.add("self_audit.every_ms", s.self_audit.every_ms, 0, kDay, "ms",
        "From one event of Penstock's own, sent to itself and looked for in SQL, to the next; 0: "
        "never.");
  t.add("self_audit.patience_ms", s.self_audit.patience_ms, 100, kDay, "ms",
        "Time after which such an event that SQL does not show counts as failed.");
  t.add("log.tail_cache_bytes", s.log.tail_cache_bytes, 0, 16 * kGiB, "bytes",
        "Newest part of every lane kept in memory for consumers.");
}

void bind_kafka(config::OptionTable& t, Settings& s) {
  auto& k = s.kafka;
  t.add("log.engine", s.log_engine, "name",
        "Where the log lies: embedded (in the data directory) or kafka.");
  t.add("log.kafka_brokers", k.brokers, "list", "Brokers to begin with, as host:port,host:port.");
  t.add("log.kafka_topic_prefix", k.topic_prefix, "text",
        "Before the name of every topic; as PostHog's KAFKA_PREFIX.");
  t.add("log.kafka_group_prefix", k.group_prefix, "text",
        "Before the name of every consumer group.");
  t.add("log.kafka_replication", k.replication, -1, 100, "count",
        "Copies of topics that are created here; -1: the brokers' default.");
  t.add("log.kafka_compression", k.compression, "name",
        "Of what is written: lz4, zstd, gzip, snappy or none.");
  t.add("log.kafka_linger_ms", k.linger_ms, 0, 10'000, "ms",
        "How long a request waits for more events before it is sent.");
  t.add("log.kafka_in_flight", k.in_flight, 1, 10'000, "count",
        "Produce requests that may wait for a broker. Up to 5, four times as many wait, five of a "
        "partition, and brokers guard against repeats; above it none is repeated: what fails is "
        "answered 503. For brokers that take "
        "long.");
  t.add("log.kafka_append_ms_max", k.append_ms_max, 100, 600'000, "ms",
        "Time after which events that the brokers did not acknowledge are answered 503.");
  t.add("log.kafka_start_ms_max", k.start_ms_max, 100, 3'600'000, "ms",
        "How long a start waits for the brokers.");
  t.add("log.kafka_security", k.security, "name",
        "How brokers are spoken to: plaintext, tls, sasl_plaintext or sasl_tls.");
  t.add("log.kafka_sasl_mechanism", k.sasl_mechanism, "name",
        "SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN.");
  t.add("log.kafka_user", k.user, "name", "The user for SASL.");
  t.add("log.kafka_password", k.password, "text", "Its password.", true);
  t.add("log.kafka_tls_ca_file", k.tls_ca_file, "path",
        "PEM certificates that brokers are checked against; empty: the system's.");
  t.add("log.kafka_tls_cert_file", k.tls_cert_file, "path",
        "PEM certificate chain shown to brokers that ask for one.");
  t.add("log.kafka_tls_key_file", k.tls_key_file, "path", "PEM key of that certificate.");
}

void bind_pipeline(config::OptionTable& t, Settings& s) {
  t.add(
      "ingest.slices", s.slices, 1, 1024, "count",
      "On Kafka, parts of the projects that processes with ingest decide beside each other; fixed "
      "once its topics are there.");
  t.add("ingest.slice_lanes", s.slice_lanes,
        "Lanes have log.partitions for each slice, and who decides a slice reads those alone; only "
        "Penstock's own captures may then write lanes. Fixed once the topics are there.");
  t.add("ingest.events_per_cycle_max", s.ingest.events_per_cycle_max, 1, 1'000'000, "count",
        "Events decided in one cycle.");
  t.add("ingest.bytes_per_cycle_max", s.ingest.bytes_per_cycle_max, kMiB, kGiB, "bytes",
        "Bytes read for one cycle.");
  t.add("ingest.historical_share_percent", s.ingest.historical_share_percent, 1, 100, "percent",
        "Events that backfills may have decided for every hundred of all, while live lanes have "
        "work; hot keys and floods likewise, while the store is behind.");
  t.add("ingest.bulk_unstored_max", s.ingest.bulk_unstored_max, 100, 10'000'000, "count",
        "Beside live traffic, backfills, hot keys and floods wait while so many decided records "
        "are not in the store.");
  bind_apps(t, s.apps);
  auto& r = s.replay;
  t.add("replay.retention_days", r.retention_days, 0, 10'000, "days",
        "How long session recordings are kept; 0: for ever.");
  t.add("replay.flush_ms", r.flush_ms, 10, 600'000, "ms",
        "How long recordings gather before they are written as one object.");
  t.add("replay.bytes_per_flush_max", r.bytes_per_flush_max, 64 * 1024, 16 * kMiB, "bytes",
        "Bytes of recordings at which an object is written at once.");
  t.add("replay.records_per_flush_max", r.records_per_flush_max, 1, 100'000, "count",
        "Messages of recordings at which an object is written at once.");
  t.add("load.rows_per_batch_max", s.load.rows_per_batch_max, 1, 10'000'000, "count",
        "Rows of one insert.");
  t.add("load.bytes_per_batch_max", s.load.bytes_per_batch_max, kMiB, 4 * kGiB, "bytes",
        "Bytes of one insert.");
  t.add("load.linger_ms", s.load.linger_ms, 0, 60'000, "ms",
        "How long a small insert waits for more rows.");
  auto& d = s.definitions;
  t.add("definitions.events_max", d.events_max, 1, 1'000'000, "count",
        "Event definitions of a project; events of further names are counted and not defined.");
  t.add("definitions.properties_max", d.properties_max, 1, 1'000'000, "count",
        "Property definitions of a project; further names are counted and not defined.");
  t.add("definitions.pairs_max", d.pairs_max, 1, 10'000'000, "count",
        "Which property was seen in which event, of a project.");
  t.add("definitions.total_max", d.total_max, 1000, 100'000'000, "count",
        "All of these of all projects; each takes 16 to 32 bytes of memory.");
  t.add("definitions.updates_per_event_max", d.updates_per_event_max, 1, 1'000'000, "count",
        "Definitions one event may touch; an event with more defines nothing.");
  t.add("ingest.redrive_per_second", s.ingest.redrive_per_second, 1, 1'000'000, "count",
        "Events a second that leave quarantine again, unless a re-drive asks for another rate.");
  t.add("ledger.quarantine_bytes_per_token_max", s.ledger.quarantine_bytes_per_token_max, 0, kTiB,
        "bytes", "Quarantine of one unknown token; more is dropped as quarantine_full.");
  t.add("ledger.quarantine_bytes_max", s.ledger.quarantine_bytes_max, 0, kTiB, "bytes",
        "Quarantine altogether.");
  t.add("state.usage_save_ms", s.usage_save_ms, 100, 3'600'000, "ms",
        "How often the counts that quotas are about are written; a crash forgets that much.");
  t.add("state.cache_bytes", s.state_cache_bytes, kMiB, kTiB, "bytes",
        "Block cache of each state database (ledger, persons).");
}

void bind_persons(config::OptionTable& t, Settings& s) {
  t.add("persons.engine", s.persons_engine, "name",
        "Where persons live: embedded (in the data directory) or postgres.");
  t.add("persons.postgres_url", s.persons.url, "URL", kPostgresUrl, true);
  t.add("persons.connect_ms", s.persons.connect_ms, 10, 60'000, "ms",
        "How long connecting to PostgreSQL may take, all hosts together.");
  t.add("persons.statement_ms", s.persons.statement_ms, 10, 600'000, "ms",
        "How long one statement of PostgreSQL may take.");
  t.add("persons.retry_ms", s.persons.retry_ms, 0, 60'000, "ms",
        "After PostgreSQL was not reached: until it is tried again.");
  t.add("persons.readers_max", s.persons.readers_max, 1, 100, "count",
        "Connections to PostgreSQL for what people look at, beside the one that writes.");
}

void bind_catalog(config::OptionTable& t, Settings& s) {
  t.add("catalog.engine", s.catalog_engine, "name",
        "Where projects, users and keys are: sqlite (in the data directory) or postgres.");
  t.add("catalog.postgres_url", s.catalog.url, "URL", kPostgresUrl, true);
  t.add("catalog.postgres_schema", s.catalog.schema, "name",
        "The schema with the catalog's tables; made at the first start.");
  t.add("catalog.connect_ms", s.catalog.connect_ms, 10, 60'000, "ms",
        "How long connecting to PostgreSQL may take, all hosts together.");
  t.add("catalog.statement_ms", s.catalog.statement_ms, 10, 60'000, "ms",
        "How long one statement of PostgreSQL may take.");
  t.add("catalog.look_ms", s.catalog_look_ms, 50, 600'000, "ms",
        "How often changes of other Penstocks with the same catalog are looked for.");
  t.add("catalog.key_file", s.catalog_key_file, "path",
        "The key that configurations of apps are sealed with; empty: catalog.key in the data "
        "directory. Penstocks that share a catalog need the same one.");
}

void bind_objects(config::OptionTable& t, Settings& s) {
  t.add("objects.engine", s.objects_engine, "name",
        "Where recordings lie: embedded (in the data directory) or s3.");
  t.add("objects.s3_url", s.s3_url, "URL", "Bucket and prefix, as s3://bucket/prefix.");
  t.add("objects.s3_endpoint", s.s3.endpoint, "URL",
        "The server, as https://s3.eu-central-1.amazonaws.com; any that speaks S3's protocol.");
  t.add("objects.s3_region", s.s3.region, "name", "The region that requests are signed for.");
  t.add("objects.s3_access_key", s.s3.access_key, "key", "The id of the access key.");
  t.add("objects.s3_secret_key", s.s3.secret_key, "key", "Its secret.", true);
  t.add("objects.s3_session_token", s.s3.session_token, "token",
        "Of temporary credentials; empty: they are lasting ones.", true);
  t.add("objects.s3_path_style", s.s3.path_style,
        "The bucket stands in the path of a URL and not before the host.");
  t.add("objects.s3_encryption", s.s3.encryption, "name",
        "Server-side encryption: AES256, aws:kms, or empty for what the bucket says.");
  t.add("objects.s3_kms_key", s.s3.kms_key, "id", "The key for aws:kms; empty: the account's.");
  t.add("objects.s3_part_bytes", s.s3.part_bytes, 5 * kMiB, 256 * kMiB, "bytes",
        "Larger objects go up in parts of this size.");
}

void bind_clickhouse(config::OptionTable& t, Settings& s) {
  auto& c = s.clickhouse;
  t.add("store.engine", s.store_engine, "name",
        "Where SQL reads: embedded (in the data directory) or clickhouse (a server or cluster).");
  t.add("store.clickhouse_urls", c.urls, "list",
        "HTTP addresses of the server, as https://ch-1:8443,https://ch-2:8443; the next is asked "
        "when one does not answer. Several are replicas of store.clickhouse_cluster, or ways to "
        "one server.");
  t.add("store.clickhouse_database", c.database, "name",
        "Database for Penstock alone; made at the first start where it may be.");
  t.add("store.clickhouse_user", c.user, "name", "Who Penstock is there.");
  t.add("store.clickhouse_password", c.password, "text", "That user's password.", true);
  t.add("store.clickhouse_ca_file", c.ca_file, "path",
        "PEM certificates that an https server's is checked by; empty: the system's.");
  t.add("store.clickhouse_cluster", c.cluster, "name",
        "Tables are replicated and sharded over this cluster of the server's remote_servers; "
        "empty: one server.");
  t.add("store.clickhouse_keeper_path", c.keeper_path, "path",
        "Where replicated tables of a cluster are in Keeper.");
  t.add(
      "store.clickhouse_compression", c.compression, "name",
      "How inserts travel: lz4, zstd where the network is what costs, none, or auto: none to this "
      "machine and lz4 to others.");
  t.add("store.clickhouse_connect_ms", c.connect_ms, 10, 60'000, "ms",
        "How long connecting to the server may take.");
  t.add("store.clickhouse_insert_ms", c.insert_ms, 100, 3'600'000, "ms",
        "How long the server may take for one batch; then it is sent again under its id.");
  t.add("store.clickhouse_upkeep_ms", c.upkeep_ms, 1000, 86'400'000, "ms",
        "How long the server may take for one statement of erasing, squashing or migrating.");
}

void bind_store(config::OptionTable& t, Settings& s) {
  bind_clickhouse(t, s);
  t.add("store.memory_bytes_max", s.store.memory_bytes_max, 256 * kMiB, kTiB, "bytes",
        "Memory of the embedded engine.");
  t.add("store.library", s.store.library, "path", "libchdb.so; empty: beside the binary.");
  t.add("squash.interval_ms", s.squash.interval_ms, 0, 365 * kDay, "ms",
        "From one squash to the next, which writes merged persons into event rows; 0: only when "
        "asked. Queries are right before it too.");
  t.add("squash.overrides_max", s.squash.overrides_max, 1, 100'000'000, "count",
        "Merged distinct ids at which a squash begins before its time; the engine keeps each in "
        "memory, about 100 bytes.");
  t.add(
      "squash.overrides_early", s.squash.overrides_early, 0, 100'000'000, "count",
      "As many begin a squash already where squashes are short: they take a hundredth of the time "
      "at most, and rest ten minutes; 0: never.");
  t.add("admin.query_ms_max", s.admin.query_ms_max, 1, 3'600'000, "ms", "Time limit of a query.");
  t.add("admin.query_memory_bytes_max", s.admin.query_memory_bytes_max, kMiB, kTiB, "bytes",
        "Memory limit of a query.");
  t.add("admin.query_rows_max", s.admin.query_rows_max, 1, 100'000'000, "count",
        "Rows a query may answer with.");
  t.add("admin.queries_max", s.admin.queries_max, 1, 1000, "count", "Queries running at once.");
  t.add("admin.tails_max", s.admin.tails_max, 1, 10'000, "count", "Live views open at once.");
}

}  // namespace

bool Settings::runs(std::string_view stage) const {
  std::string_view list = stages;
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (list.substr(0, comma) == stage) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

void bind(config::OptionTable& table, Settings& settings) {
  bind_process(table, settings);
  bind_capture(table, settings);
  bind_http(table, settings);
  bind_log(table, settings);
  bind_kafka(table, settings);
  bind_pipeline(table, settings);
  bind_persons(table, settings);
  bind_catalog(table, settings);
  bind_objects(table, settings);
  bind_store(table, settings);
}

Status load_settings(config::OptionTable& table, const std::string& data_dir) {
  const std::string path = data_dir + "/penstock.toml";
  std::ifstream in(path, std::ios::binary);
  if (in) {
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    PENSTOCK_CHECK(table.load_toml(text, path));
  }
  return table.load_environment([](const char* name) { return std::getenv(name); });
}

Status read_settings(config::OptionTable& table, Settings& settings, const std::string& data_dir) {
  bind(table, settings);
  PENSTOCK_CHECK(load_settings(table, data_dir));
  return validate(settings);
}

Status validate(const Settings& s) {
  for (const std::string* text : {&s.capture_listen, &s.admin_listen, &s.health_listen}) {
    if (text == &s.health_listen && text->empty()) continue;
    PENSTOCK_TRY(const auto address, runtime::Address::parse(*text));
    if (!address.is_loopback() && !s.allow_public_bind && s.tls_cert_file.empty()) {
      return fail(Code::kInvalid,
                  fmt::format("{} is not a loopback address; to listen there, set "
                              "http.tls_cert_file and http.tls_key_file, or put TLS in front and "
                              "set process.allow_public_bind = true",
                              *text));
    }
  }
  PENSTOCK_CHECK(check_stages(s));
  PENSTOCK_CHECK(check_slices(s));
  if (const std::string& prefix = s.capture.path_prefix; !prefix.empty()) {
    constexpr std::string_view kAllowed =
        "/-_.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (!prefix.starts_with('/') || prefix.ends_with('/') ||
        prefix.find_first_not_of(kAllowed) != std::string::npos) {
      return fail(Code::kInvalid,
                  fmt::format("capture.path_prefix is '{}'; it begins with a slash, does not end "
                              "with one, and has letters, digits and -_. in between",
                              prefix));
    }
  } else if (s.capture.path_prefix_only) {
    return fail(Code::kInvalid, "capture.path_prefix_only needs capture.path_prefix");
  }
  if (s.persons_engine != "embedded" && s.persons_engine != "postgres") {
    return fail(
        Code::kInvalid,
        fmt::format("persons.engine is '{}'; it can be embedded or postgres", s.persons_engine));
  }
  if (s.persons_engine == "postgres" && s.persons.url.empty()) {
    return fail(Code::kInvalid, "persons.engine = \"postgres\" needs persons.postgres_url");
  }
  if (s.catalog_engine != "sqlite" && s.catalog_engine != "postgres") {
    return fail(Code::kInvalid, fmt::format("catalog.engine is '{}'; it can be sqlite or postgres",
                                            s.catalog_engine));
  }
  if (s.catalog_engine == "postgres" && s.catalog.url.empty()) {
    return fail(Code::kInvalid, "catalog.engine = \"postgres\" needs catalog.postgres_url");
  }
  if (s.log_engine == "kafka") {
    PENSTOCK_CHECK(log::check_kafka_options(s.kafka));
  } else if (s.log_engine != "embedded") {
    return fail(Code::kInvalid,
                fmt::format("log.engine is '{}'; it can be embedded or kafka", s.log_engine));
  }
  if (s.objects_engine == "s3") {
    objects::S3Options s3 = s.s3;
    if (const Status url = objects::read_s3_url(s.s3_url, s3); !url) {
      return fail(url.error(), "objects.s3_url");
    }
    if (const Status good = objects::check_s3_options(s3); !good) {
      return fail(good.error(), "objects.s3_…");
    }
  } else if (s.objects_engine != "embedded") {
    return fail(Code::kInvalid,
                fmt::format("objects.engine is '{}'; it can be embedded or s3", s.objects_engine));
  }
  if (s.store_engine == "clickhouse") {
    if (const Status good = store::check_clickhouse_options(s.clickhouse); !good) {
      return fail(good.error(), "store.clickhouse_…");
    }
  } else if (s.store_engine != "embedded") {
    return fail(
        Code::kInvalid,
        fmt::format("store.engine is '{}'; it can be embedded or clickhouse", s.store_engine));
  }
  if (s.tls_cert_file.empty() != s.tls_key_file.empty()) {
    return fail(Code::kInvalid, "http.tls_cert_file and http.tls_key_file go together");
  }
  if (const auto ranges = runtime::parse_ip_ranges(s.trusted_proxies); !ranges) {
    return fail(ranges.error(), "http.trusted_proxies");
  }
  if (!event::skew_rule_named(s.skew_rule)) {
    return fail(Code::kInvalid, fmt::format("capture.skew_rule is '{}'; it can be exact, "
                                            "deadband_150s or round_5min",
                                            s.skew_rule));
  }
  if (s.capture.message_bytes_max > s.capture.decoded_bytes_max) {
    return fail(Code::kInvalid, "capture.message_bytes_max is above capture.decoded_bytes_max");
  }
  return {};
}

}  // namespace penstock::cli
