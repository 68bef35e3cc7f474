// Settings: every room's options in one struct, and the table that names them.
//
// The one place where an option meets its name, range and help. `bind` fills a table whose entries
// point into the given Settings, which must outlive it.
#pragma once

#include <string>
#include <vector>

#include "admin/admin.h"
#include "apps/worker_apps.h"
#include "capture/options.h"
#include "catalog/postgres_catalog.h"
#include "config/option_table.h"
#include "definitions/definitions.h"
#include "deliver/deliver.h"
#include "ingest/ingest.h"
#include "ledger/ledger.h"
#include "load/loader.h"
#include "load/squash.h"
#include "log/embedded_log.h"
#include "log/kafka_log.h"
#include "log/scrub.h"
#include "main/scrub/options.h"
#include "main/self_audit.h"
#include "objects/s3_objects.h"
#include "persons/postgres_store.h"
#include "replay/replay.h"
#include "runtime/reserved_space.h"
#include "store/clickhouse_store.h"
#include "store/engine_store.h"
#include "wire/access_log.h"
#include "wire/http.h"

namespace penstock::cli {

struct AppSettings {
  apps::AppsOptions engine;
  int64_t deadline_ms = 5000;                               // for a batch of events in one engine
  std::string npm_registry = "https://registry.npmjs.org";  // where packages are installed from
  deliver::DeliverOptions deliver;
};

struct Settings {
  std::string capture_listen = "127.0.0.1:8000";
  std::string admin_listen = "127.0.0.1:8001";
  std::string health_listen;  // empty: nowhere
  std::string project_key;    // of the default project; empty: made at the first start
  std::string stages = "capture,ingest,replay,load,definitions,deliver,admin";
  std::string skew_rule = "exact";
  std::string tls_cert_file, tls_key_file;  // both or none
  bool proxy_protocol = false;
  wire::AccessLogOptions access_log;  // no path: none
  std::string trusted_proxies;        // ranges whose X-Forwarded-For counts; empty: everybody's
  int64_t shards = 1;
  bool allow_public_bind = false;
  int32_t partitions = 8;
  int32_t slices = 1;
  bool slice_lanes = false;
  std::string slices_here;  // FROM-TO; empty: all
  int64_t drain_ms = 10'000;
  int64_t usage_save_ms = 5000;
  int64_t log_retention_ms = int64_t{7} * 86'400'000;
  uint64_t log_retention_bytes = uint64_t{20} << 30;
  uint64_t state_cache_bytes = uint64_t{64} << 20;
  std::string persons_engine = "embedded";  // or "postgres"
  persons::PostgresOptions persons;
  std::string catalog_engine = "sqlite";  // or "postgres"
  catalog::PostgresCatalogOptions catalog;
  int64_t catalog_look_ms = 2000;
  std::string catalog_key_file;             // empty: <data>/catalog.key
  std::string objects_engine = "embedded";  // or "s3"
  std::string s3_url;                       // s3://bucket/prefix; the rest in `s3`
  objects::S3Options s3;
  capture::CaptureOptions capture;
  wire::ServerLimits http;
  ingest::IngestOptions ingest;
  AppSettings apps;
  load::LoaderOptions load;
  load::SquashOptions squash;
  replay::ReplayOptions replay;
  definitions::DefinitionLimits definitions;
  ledger::LedgerOptions ledger;
  admin::AdminOptions admin;
  std::string log_engine = "embedded";  // or "kafka"
  log::EmbeddedLogOptions log;
  log::KafkaLogOptions kafka;
  log::ScrubOptions scrub;
  scrub::DataScrubOptions data_scrub;
  runtime::ReservedSpaceOptions reserve;
  SelfAuditOptions self_audit;
  std::string store_engine = "embedded";  // or "clickhouse"
  store::EngineOptions store;
  store::ClickHouseOptions clickhouse;

  bool runs(std::string_view stage) const;
  /// Slices that this process looks at, of several that share them.
  struct SliceRange {
    int32_t from = 0, to = 0;  // [from, to]
    int32_t size() const { return to - from + 1; }
    bool has(int32_t slice) const { return slice >= from && slice <= to; }
  };
  /// All, where none are named; kInvalid: it is no range of them.
  Result<SliceRange> slice_range() const;
  bool looks_at_some_slices() const { return !slices_here.empty(); }
  /// The end of the names of groups and files of those that share a range; empty: all do.
  std::string range_name() const;
  /// Which partitions there are; one slice has nothing that could be apart.
  event::Layout layout() const { return {partitions, slices, slice_lanes && slices > 1}; }
  int32_t processed_partitions() const { return layout().of_processed(); }
};

void bind(config::OptionTable& table, Settings& settings);
void bind_apps(config::OptionTable& table, AppSettings& settings);
/// Defaults, then <data>/penstock.toml if there, then the environment.
Status load_settings(config::OptionTable& table, const std::string& data_dir);
/// What ranges alone cannot say.
Status validate(const Settings& settings);
/// All three: the settings of a data directory as a start without flags would have them.
Status read_settings(config::OptionTable& table, Settings& settings, const std::string& data_dir);

}  // namespace penstock::cli
