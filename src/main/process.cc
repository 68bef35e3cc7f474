#include "main/process.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <optional>

#include "base/diag.h"
#include "catalog/catalog.h"
#include "definitions/definitions.h"
#include "event/lane.h"
#include "main/apps/app_host.h"
#include "main/catalog_engine.h"
#include "main/disk_watch.h"
#include "main/edge.h"
#include "main/erase_places.h"
#include "main/log_engine.h"
#include "main/object_engine.h"
#include "main/on_loop.h"
#include "main/person_engine.h"
#include "main/quarantine_source.h"
#include "main/redirect_topics.h"
#include "main/self_audit.h"
#include "main/shard.h"
#include "main/squash_source.h"
#include "main/stage_status.h"
#include "main/store_engine.h"
#include "main/topics.h"
#include "objects/object_store.h"
#include "persons/person_store.h"
#include "runtime/lock_file.h"
#include "runtime/real_runtime.h"
#include "runtime/signals.h"

namespace penstock::cli {
namespace {

constexpr int64_t kLoginLinkMs = 3'600'000;
constexpr int64_t kAdminDrainMs = 2000;
constexpr int kEndedBySecondSignal = 130;

}  // namespace

struct Process::Parts {
  Settings settings;
  const config::OptionTable& table;
  std::string data_dir;
  Instance instance;
  runtime::LockFile lock;
  std::unique_ptr<runtime::Runtime> runtime;
  runtime::LoopThread log_thread{"log"}, pipeline{"pipeline"}, admin_thread{"admin"};
  Edge edge;                        // on the admin loop
  std::unique_ptr<DiskWatch> disk;  // on the pipeline loop
  std::unique_ptr<log::Log> log;
  std::unique_ptr<log::Scrub> scrub;  // on the pipeline loop
  std::unique_ptr<RedirectTopics> redirects;
  std::unique_ptr<catalog::Catalog> catalog;
  std::optional<CatalogLook> catalog_look;
  std::unique_ptr<ledger::Ledger> ledger;
  std::shared_ptr<ledger::LedgerWatch> ledger_watch;
  std::unique_ptr<SelfAudit> self_audit;  // on the pipeline loop
  std::unique_ptr<persons::PersonStore> persons;
  std::unique_ptr<definitions::DefinitionStore> definition_store;
  std::unique_ptr<ingest::CookielessStore> cookieless;
  std::shared_ptr<usage::Usage> usage;
  std::shared_ptr<usage::UsageKeeper> usage_keeper;
  std::unique_ptr<store::EventStore> store;
  std::unique_ptr<load::Loader> loader;
  std::unique_ptr<definitions::Definitions> definitions;
  std::unique_ptr<load::Squash> squash;  // beside the loader
  std::unique_ptr<AppHost> apps;         // on the pipeline loop
  std::unique_ptr<ingest::Ingest> ingest;
  std::unique_ptr<objects::ObjectStore> objects;
  std::unique_ptr<replay::Replay> replay;
  std::vector<std::unique_ptr<Shard>> shards;
  std::unique_ptr<admin::AdminService> admin;
  std::unique_ptr<wire::Server> admin_server;
  std::promise<void> asked_to_stop;
  int signals_seen = 0;  // admin loop only
  std::unique_ptr<runtime::SignalWatch> signals;
  bool started = false;

  Parts(Settings s, const config::OptionTable& t, std::string d)
      : settings(std::move(s)), table(t), data_dir(std::move(d)) {}

  Status watch_signals();
  Status open_directory();
  Status open_log();
  Status open_state();
  Status open_catalog();
  Status recover();
  Status start_store();
  Status start_capture();
  Status start_admin();
  admin::AdminSources admin_sources();
  void stop();
};

/// The first signal asks for a drain; the second, from somebody who will not wait for it, ends the
/// process at once, which the log makes as safe as a power failure.
Status Process::Parts::watch_signals() {
  Status outcome;
  on_loop(admin_thread, [&] {
    auto watch = runtime::SignalWatch::install(admin_thread.poller(), [this](int) {
      if (++signals_seen == 1) return asked_to_stop.set_value();
      std::_Exit(kEndedBySecondSignal);
    });
    if (!watch) {
      outcome = fail(watch.error(), "cannot watch for signals");
      return;
    }
    signals = std::move(*watch);
  });
  return outcome;
}

Status Process::Parts::open_directory() {
  std::error_code error;
  std::filesystem::create_directories(data_dir, error);
  if (error) return fail(Code::kDenied, "cannot create " + data_dir + ": " + error.message());
  data_dir = std::filesystem::absolute(data_dir).lexically_normal().string();
  PENSTOCK_TRY(lock, runtime::LockFile::take(data_dir + "/lock"));
  for (const char* sub : {"/log", "/state", "/store"}) {
    std::filesystem::create_directories(data_dir + sub, error);
    if (error) return fail(Code::kDenied, "cannot write in " + data_dir + ": " + error.message());
  }
  runtime = runtime::make_real_runtime();
  runtime::ReservedSpaceOptions reserve = settings.reserve;
  reserve.path = data_dir + "/reserve";
  reserve.headroom = settings.log.free_reserve_bytes;
  disk = std::make_unique<DiskWatch>(*runtime, reserve);
  disk->start(pipeline.loop());
  return {};
}

Status Process::Parts::open_log() {
  PENSTOCK_TRY(catalog, cli::open_catalog(settings, *runtime, data_dir, pipeline, catalog_look));
  log = cli::open_log(settings, *runtime, log_thread.loop(), data_dir, catalog.get());
  if (const Status begun = log->start(topics_of(settings)); !begun) {
    log->stop();  // it asks the catalog, which goes before it
    return begun;
  }
  log::ScrubOptions scrubbing = settings.scrub;  // of an embedded log; another has nothing there
  scrubbing.directory = data_dir + "/log";
  scrubbing.state_path = data_dir + "/state/scrub";
  scrub = log::Scrub::make(pipeline.loop(), *runtime, scrubbing);
  on_loop(pipeline, [&] { scrub->start(); });
  log::TopicSpec like{
      "", settings.partitions, settings.log_retention_bytes, settings.log_retention_ms, {}};
  redirects = std::make_unique<RedirectTopics>(*log, std::move(like));
  return redirects->open_existing(runtime->files(), scrubbing.directory);
}

Status Process::Parts::open_state() {
  const auto open = [&](const char* name) {
    return disk->open({data_dir + "/state/" + name, settings.state_cache_bytes});
  };
  PENSTOCK_TRY(auto ledger_kv, open("ledger"));
  PENSTOCK_TRY(auto definitions_kv, open("definitions"));
  PENSTOCK_TRY(definition_store,
               definitions::DefinitionStore::open(std::move(definitions_kv), settings.definitions));
  PENSTOCK_TRY(auto cookieless_kv, open("cookieless"));
  cookieless = ingest::make_cookieless_store(std::move(cookieless_kv), *runtime);
  ledger = ledger::make_ledger(std::move(ledger_kv), settings.ledger);
  PENSTOCK_TRY(persons, open_persons(settings, *runtime, *disk, data_dir));
  usage = std::make_shared<usage::Usage>(static_cast<size_t>(settings.shards));
  usage_keeper =
      usage::UsageKeeper::make(usage, pipeline.loop(), *runtime, data_dir + "/state/usage.json");
  usage_keeper->load();
  usage_keeper->start(settings.usage_save_ms);
  PENSTOCK_TRY(objects, open_objects(settings, *runtime, data_dir));
  return {};
}

Status Process::Parts::open_catalog() {
  // Before capture hears of a change: when it does, the topics are there.
  redirects->ensure(*catalog->snapshot());
  catalog->on_change([this](const std::shared_ptr<const catalog::Snapshot>& snapshot) {
    redirects->ensure(*snapshot);
    if (apps) apps->on_change();
  });
  const catalog::Principal cli{std::nullopt, "penstock up", ProjectId{}};
  const auto snapshot = catalog->snapshot();
  const bool missing =
      !settings.project_key.empty() && snapshot->find_token(settings.project_key) == nullptr;
  if (snapshot->projects.empty() || missing) {
    const std::string name = snapshot->projects.empty() ? "Default project" : "Project";
    PENSTOCK_CHECK(catalog->create_project(cli, name, settings.project_key));
  }
  const auto now = catalog->snapshot();
  const catalog::Project* chosen =
      settings.project_key.empty() ? &now->projects.front() : now->find_token(settings.project_key);
  instance.project_key = chosen->token;
  // The command line's key is made anew at every start; the ones before it end here.
  const std::string label = command_line_label(settings, data_dir);
  PENSTOCK_TRY(const auto keys, catalog->api_keys());
  for (const catalog::ApiKey& key : keys) {
    if (key.label == label) PENSTOCK_CHECK(catalog->delete_api_key(cli, key.id));
  }
  PENSTOCK_TRY(instance.cli_key, catalog->create_api_key(cli, label, ProjectId{}));
  return {};
}

Status Process::Parts::recover() {
  PENSTOCK_CHECK(await(
      pipeline, [this](auto done) { ledger->recover(*log, pipeline.loop(), std::move(done)); }));
  PENSTOCK_CHECK(await(
      pipeline, [this](auto done) { persons->recover(*log, pipeline.loop(), std::move(done)); }));
  return await(pipeline,
               [this](auto done) { cookieless->recover(*log, pipeline.loop(), std::move(done)); });
}

Status Process::Parts::start_store() {
  ledger_watch = ledger::LedgerWatch::make(pipeline.loop(), *runtime, *log, *ledger);
  on_loop(pipeline, [&] { ledger_watch->start(); });
  PENSTOCK_TRY(store, make_store(settings, *runtime, pipeline, data_dir));
  Status outcome;
  on_loop(pipeline, [&] { outcome = store->start(); });
  PENSTOCK_CHECK(outcome);
  if (settings.runs("load")) {
    load::LoaderOptions load_options = settings.load;
    load_options.state_path = data_dir + "/state/load.intent";
    load_options.partitions = settings.partitions;
    loader = load::Loader::make(pipeline.loop(), *runtime, *log, *store, *ledger, load_options);
    on_loop(pipeline, [&] { outcome = loader->start(); });
    PENSTOCK_CHECK(outcome);
    load::SquashOptions squash_options = squash_options_of(settings);
    squash_options.state_path = data_dir + "/state/squash";
    squash = load::Squash::make(pipeline.loop(), *runtime, *log, *store, *loader, squash_options);
    on_loop(pipeline, [&] { squash->start(); });
  }
  if (settings.runs("definitions")) {
    definitions = definitions::Definitions::make(pipeline.loop(), *runtime, *log, *definition_store,
                                                 {.partitions = settings.partitions});
    on_loop(pipeline, [&] { outcome = definitions->start(); });
    PENSTOCK_CHECK(outcome);
  }
  if (settings.runs("ingest")) {
    ingest::IngestOptions ingest_options = settings.ingest;
    ingest_options.partitions = settings.partitions;
    if (settings.runs("load")) ingest_options.store_group = event::kGroupLoad;
    ingest_options.persons_block = settings.persons_engine == "postgres";
    ingest_options.commands = person_commands({*runtime, pipeline.loop(), *store, *objects, *ledger,
                                               settings.log_retention_ms, settings.runs("load")});
    ingest_options.cookieless = cookieless.get();
    PENSTOCK_TRY(apps, open_apps(settings, {*runtime, pipeline, *catalog, *disk, data_dir}));
    ingest_options.apps = apps->chain();
    ingest = ingest::Ingest::make(pipeline.loop(), *runtime, *log, *catalog, *persons, *ledger,
                                  ingest_options);
    on_loop(pipeline, [&] { outcome = ingest->start(); });
    PENSTOCK_CHECK(outcome);
  }
  if (settings.runs("replay")) {
    replay = replay::Replay::make(pipeline.loop(), *runtime, *log, *catalog, *ledger, *objects,
                                  settings.replay);
    on_loop(pipeline, [&] { outcome = replay->start(); });
  }
  return outcome;
}

Status Process::Parts::start_capture() {
  PENSTOCK_TRY(runtime::Address address, runtime::Address::parse(settings.capture_listen));
  capture::CaptureOptions capture_options = settings.capture;
  capture_options.skew_rule =
      event::skew_rule_named(settings.skew_rule).value_or(event::SkewRule::kExact);
  // What the shards let wait together must fit into the log's own queue, which knows no fairness.
  capture_options.bytes_waiting_max = std::min(
      capture_options.bytes_waiting_max,
      static_cast<size_t>(settings.log.pending_bytes_max) / static_cast<size_t>(settings.shards));
  PENSTOCK_TRY(capture_options.trusted_proxies, runtime::parse_ip_ranges(settings.trusted_proxies));
  wire::ServerEdge capture_edge = edge.server();
  capture_edge.proxy_protocol = instance.proxy_protocol = settings.proxy_protocol;
  for (int64_t i = 0; i < settings.shards; i++) {
    auto shard = std::make_unique<Shard>(static_cast<size_t>(i));
    // The first shard lives where the log does: its appends need no hop between threads.
    runtime::LoopThread& thread = i == 0 ? log_thread : shard->thread;
    if (i > 0) thread.start();
    Status outcome;
    on_loop(thread, [&] {
      shard->service = capture::CaptureService::make(thread.loop(), *runtime, *log, *catalog,
                                                     ledger.get(), usage, capture_options);
      auto server =
          wire::Server::start(thread.loop(), thread.poller(), *runtime, address,
                              settings.shards > 1, settings.http, *shard->service, capture_edge);
      if (!server) {
        outcome = fail(server.error(), "capture cannot listen");
        return;
      }
      shard->server = std::move(*server);
      shard->service->set_ready(true);
    });
    PENSTOCK_CHECK(outcome);
    address = shard->server->address();  // port 0 becomes the port all shards share
    shards.push_back(std::move(shard));
  }
  instance.capture_url = edge.url_of(*shards.front()->server) + settings.capture.path_prefix;
  if (apps) apps->serve_capture(instance);
  // Where the whole way runs, from the socket to SQL.
  if (settings.runs("ingest") && settings.runs("load")) {
    self_audit = std::make_unique<SelfAudit>(
        pipeline.loop(), *runtime, *catalog, *store,
        [to = instance](std::string_view path) { return capture_call(to, path); },
        settings.self_audit);
    on_loop(pipeline, [&] { self_audit->start(); });
  }
  return {};
}

admin::AdminSources Process::Parts::admin_sources() {
  admin::AdminSources out;
  out.data_dir = data_dir;
  out.capture_url = instance.capture_url;
  out.partitions = settings.partitions;
  for (const char* stage : {"capture", "ingest", "replay", "load", "definitions", "admin"}) {
    if (settings.runs(stage)) out.stages.emplace_back(stage);
  }
  out.options = [this] { return table.list(); };
  if (!shards.empty()) {
    out.capture = [this] {
      admin::CaptureStatus s;
      s.address = instance.capture_url;
      for (const auto& shard : shards) {
        const wire::ServerStats w = shard->server->stats();
        const capture::CaptureStats c = shard->service->stats();
        s.connections += w.connections;
        s.requests += c.requests;
        s.events += c.events;
        s.refused += c.refused;
        s.latency_us_p50 = std::max(s.latency_us_p50, c.latency_us_p50);
        s.latency_us_p99 = std::max(s.latency_us_p99, c.latency_us_p99);
      }
      return s;
    };
  }
  add_stages(out, {ingest.get(), replay.get(), definitions.get(), loader.get()});
  if (ingest) {
    out.person_commands = [this] { return open_person_commands(*ingest); };
    add_quarantine(out, {*ingest, pipeline.loop(), admin_thread.loop()});
  }
  if (apps) out.apps = apps->sources(admin_thread.loop());
  if (squash) add_squash(out, *squash);
  if (ledger_watch) out.ledger_check = [this] { return ledger_watch->last(); };
  if (self_audit) out.self_audit = [this] { return self_audit->last(); };
  if (settings.log_engine == "embedded" && settings.scrub.bytes_per_second > 0)
    out.scrub = [this] { return scrub->status(); };
  return out;
}

Status Process::Parts::start_admin() {
  PENSTOCK_TRY(const auto address, runtime::Address::parse(settings.admin_listen));
  Status outcome;
  on_loop(admin_thread, [&] {
    admin =
        admin::AdminService::make({admin_thread.loop(), *runtime, *log, *catalog, *ledger, *store,
                                   *usage, pipeline.loop(), *objects, *persons, *definition_store},
                                  admin_sources(), settings.admin);
    auto server = wire::Server::start(admin_thread.loop(), admin_thread.poller(), *runtime, address,
                                      false, settings.http, *admin, edge.server());
    if (!server) {
      outcome = fail(server.error(), "the admin API cannot listen");
      return;
    }
    admin_server = std::move(*server);
  });
  PENSTOCK_CHECK(outcome);
  instance.admin_url = edge.url_of(*admin_server);
  return {};
}

void Process::Parts::stop() {
  if (!started) return;
  started = false;
  remove_instance(data_dir);
  for (size_t i = 0; i < shards.size(); i++) {
    Shard& shard = *shards[i];
    runtime::LoopThread& thread = i == 0 ? log_thread : shard.thread;
    if (!shard.server) continue;
    std::promise<void> done;
    thread.loop().post([&] { shard.server->drain(settings.drain_ms, [&] { done.set_value(); }); });
    done.get_future().wait();
    std::promise<void> idle;
    thread.loop().post([&] { shard.service->when_idle([&] { idle.set_value(); }); });
    idle.get_future().wait_for(std::chrono::milliseconds(settings.drain_ms));
  }
  if (ledger_watch) on_loop(pipeline, [&] { ledger_watch->stop(); });
  stop_stage(pipeline, ingest);
  stop_stage(pipeline, apps);
  stop_stage(pipeline, replay);
  if (loader) {
    std::promise<void> done;
    pipeline.loop().post([&] {
      if (squash) squash->stop();
      loader->stop(settings.drain_ms, [&] { done.set_value(); });
    });
    done.get_future().wait();
  }
  stop_stage(pipeline, definitions);
  if (admin_server) {
    std::promise<void> done;
    admin_thread.loop().post([&] {
      admin->stop();
      admin_server->drain(kAdminDrainMs, [&] { done.set_value(); });
    });
    done.get_future().wait();
  }
  if (store) store->stop();
  // A start that failed may have left any of them unmade.
  const auto keep = [](const Status& s) {
    if (!s) diag::warn("checkpoint at stop failed", {{"error", s.error().message}});
  };
  if (ledger) keep(ledger->checkpoint(*log));
  if (persons) keep(persons->checkpoint(*log));
  if (definition_store) keep(definition_store->flush(*log));
  if (cookieless) keep(cookieless->checkpoint(*log));
  if (usage_keeper) keep(usage_keeper->save());
  log->stop();
}

Process::Process(Settings settings, const config::OptionTable& table, std::string data_dir)
    : parts_(std::make_unique<Parts>(std::move(settings), table, std::move(data_dir))) {}

Process::~Process() {
  stop();
  Parts& p = *parts_;
  // Objects that live on a loop end there; then the loops themselves.
  on_loop(p.admin_thread, [&] {
    p.signals.reset();
    p.admin_server.reset();
    p.admin.reset();
  });
  for (size_t i = 0; i < p.shards.size(); i++) {
    on_loop(i == 0 ? p.log_thread : p.shards[i]->thread, [&] {
      p.shards[i]->server.reset();
      p.shards[i]->service.reset();
    });
  }
  on_loop(p.admin_thread, [&] { p.edge.close(); });  // with the last lines of all servers
  on_loop(p.pipeline, [&] {
    p.self_audit.reset();
    p.catalog_look.reset();
    p.scrub.reset();
    p.usage_keeper.reset();
    p.ingest.reset();
    p.apps.reset();
    p.replay.reset();
    p.squash.reset();
    p.loader.reset();
    p.definitions.reset();
    p.store.reset();
    p.disk.reset();
  });
  for (runtime::LoopThread* t : {&p.admin_thread, &p.pipeline, &p.log_thread}) {
    t->stop();
    t->join();
  }
  p.shards.clear();
}

Status Process::start() {
  Parts& p = *parts_;
  p.log_thread.start();
  p.pipeline.start();
  p.admin_thread.start();
  PENSTOCK_CHECK(p.watch_signals());
  PENSTOCK_CHECK(p.open_directory());
  Status edge_open;
  on_loop(p.admin_thread,
          [&] { edge_open = p.edge.open(p.admin_thread.loop(), *p.runtime, p.settings); });
  PENSTOCK_CHECK(edge_open);
  p.instance.tls_cert_file = p.edge.cert_file();
  PENSTOCK_CHECK(p.open_log());
  p.started = true;
  PENSTOCK_CHECK(p.open_state());
  PENSTOCK_CHECK(p.open_catalog());
  PENSTOCK_CHECK(p.recover());
  PENSTOCK_CHECK(p.start_store());
  if (p.settings.runs("capture")) PENSTOCK_CHECK(p.start_capture());
  if (p.settings.runs("admin")) PENSTOCK_CHECK(p.start_admin());
  p.instance.pid = ::getpid();
  p.instance.version = PENSTOCK_VERSION;
  return write_instance(p.data_dir, p.instance);
}

const Instance& Process::instance() const { return parts_->instance; }

Result<std::string> Process::login_link() {
  PENSTOCK_TRY(const std::string secret, parts_->catalog->create_login_secret(kLoginLinkMs));
  return parts_->instance.admin_url + "/login#secret=" + secret;
}

void Process::wait_for_signal() { parts_->asked_to_stop.get_future().wait(); }

void Process::stop() { parts_->stop(); }

}  // namespace penstock::cli
