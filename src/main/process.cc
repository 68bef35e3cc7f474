#include "main/process.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "base/diag.h"
#include "main/move/hold.h"
#include "main/process_parts.h"

namespace penstock::cli {
namespace {

constexpr int64_t kLoginLinkMs = 3'600'000;
constexpr int64_t kAdminDrainMs = 2000;
constexpr int kEndedBySecondSignal = 130;
constexpr int kRecoverAttempts = 20;
constexpr auto kRecoverPause = std::chrono::milliseconds(500);

}  // namespace

/// The first signal asks for a drain; the second, from somebody who will not wait for it, ends the
/// process at once, which the log makes as safe as a power failure.
Status Process::Parts::watch_signals() {
  Status outcome;
  on_loop(admin_thread, [&] {
    auto watch = runtime::SignalWatch::install(admin_thread.poller(), [this](int) {
      if (++signals_seen == 1) return wake(Woken::kAsked);
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
  move::forget_held(data_dir);  // of one that was killed
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
  log = cli::open_log(
      settings, *runtime, log_thread.loop(), data_dir, catalog.get(), !writes_processed(settings),
      [this] { give_way(); }, slices);
  if (settings.runs(move::kHeldStage)) {
    auto sealable = std::make_unique<move::SealedLog>(std::move(log));
    sealed = sealable.get();
    log = std::move(sealable);
  }
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

Status Process::Parts::open_usage() {
  usage = std::make_shared<usage::Usage>(static_cast<size_t>(settings.shards));
  usage_keeper =
      usage::UsageKeeper::make(usage, pipeline.loop(), *runtime, data_dir + "/state/usage.json");
  usage_keeper->load();
  usage_keeper->start(settings.usage_save_ms);
  return {};
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
  // Another process may decide later today, or does at the same time.
  const bool shares_salts = settings.log_engine == "kafka" && settings.catalog_engine == "postgres";
  cookieless = ingest::make_cookieless_store(
      std::move(cookieless_kv), *runtime,
      shares_salts ? catalog::make_postgres_salts(settings.catalog) : nullptr);
  ledger = ledger::make_ledger(std::move(ledger_kv), ledger_options_of(settings));
  PENSTOCK_TRY(persons, open_persons(settings, *runtime, *disk, data_dir, slices));
  PENSTOCK_TRY(objects, open_objects(settings, *runtime, data_dir));
  return {};
}

/// Before anything reads the log: the catalog says whose events are in it.
Status Process::Parts::choose_project() {
  PENSTOCK_TRY(catalog, cli::open_catalog(settings, *runtime, data_dir, pipeline, catalog_look));
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
  if (settings.log_engine == "kafka") {
    follow = ledger::LedgerFollow::make(pipeline.loop(), *log, *ledger);
    on_loop(pipeline, [&] { follow->start(); });
  }
  // Whose changes these are brings them up to date.
  if (!writes_processed(settings)) return {};
  // Whoever decided before and stands still may hold what is waited for, for as long as the server
  // lets it: a process that has waited for its turn waits for that, too.
  Status ready;
  for (int attempt = 0; attempt < kRecoverAttempts; attempt++) {
    ready = await(pipeline,
                  [this](auto done) { persons->recover(*log, pipeline.loop(), std::move(done)); });
    const bool passes = !ready && (ready.error().code == Code::kTimeout ||
                                   ready.error().code == Code::kUnavailable);
    if (!passes || !lease || asked.wait_for(kRecoverPause) == std::future_status::ready) break;
  }
  PENSTOCK_CHECK(ready);
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
  if (settings.runs("load")) PENSTOCK_CHECK(start_load());
  if (settings.runs("definitions")) {
    definitions = definitions::Definitions::make(pipeline.loop(), *runtime, *log, *definition_store,
                                                 {.partitions = settings.processed_partitions()});
    on_loop(pipeline, [&] { outcome = definitions->start(); });
    PENSTOCK_CHECK(outcome);
  }
  PENSTOCK_TRY(apps, open_apps(settings, {*runtime, pipeline, *catalog, *usage, *disk, *log,
                                          data_dir, store.get(), persons.get()}));
  if (settings.runs("ingest")) {
    ingest::IngestOptions ingest_options = settings.ingest;
    ingest_options.partitions = settings.partitions;
    ingest_options.slice_count = settings.slices;
    ingest_options.slices = slices;
    ingest_options.lanes_apart = settings.layout().apart;
    if (settings.runs("load")) ingest_options.store_group = event::kGroupLoad;
    ingest_options.persons_block = settings.persons_engine == "postgres";
    ingest_options.commands =
        person_commands({*runtime, pipeline.loop(), *store, *objects, *ledger,
                         settings.log_retention_ms, settings.runs("load"), shares_load(settings)});
    ingest_options.cookieless = cookieless.get();
    ingest_options.apps = apps->chain();
    ingest = ingest::Ingest::make(pipeline.loop(), *runtime, *log, *catalog, *persons, *ledger,
                                  ingest_options);
    on_loop(pipeline, [&] { outcome = ingest->start(); });
    PENSTOCK_CHECK(outcome);
  }
  // Recordings have no persons: who decides the first slice of the projects takes them all.
  if (settings.runs("replay") && std::ranges::find(slices, 0) != slices.end()) {
    replay::ReplayOptions replay_options = settings.replay;
    replay_options.shared = settings.slices > 1;
    replay = replay::Replay::make(pipeline.loop(), *runtime, *log, *catalog, *ledger, *objects,
                                  replay_options);
    on_loop(pipeline, [&] { outcome = replay->start(); });
  }
  return outcome;
}

Status Process::Parts::start_publish() {
  for (log::TopicSpec& topic : published_topics(settings)) {
    PENSTOCK_CHECK(log->ensure_topic(std::move(topic)));
  }
  publisher = publish::Publish::make(pipeline.loop(), *runtime, *log);
  Status outcome;
  on_loop(pipeline, [&] { outcome = publisher->start(); });
  return outcome;
}

Status Process::Parts::start_capture() {
  PENSTOCK_TRY(runtime::Address address, runtime::Address::parse(settings.capture_listen));
  capture::CaptureOptions capture_options = settings.capture;
  capture_options.layout = settings.layout();
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

/// The stages behind the log first, capture last: what it takes meanwhile waits in the log for the
/// next start, and clients are refused for as short as can be.
void Process::Parts::stop() {
  if (!started) return;
  started = false;
  held_log.reset();
  if (lease) lease->on_change({});
  remove_instance(data_dir);
  move::forget_held(data_dir);
  health.stopping();
  if (ledger_watch) on_loop(pipeline, [&] { ledger_watch->stop(); });
  if (follow) on_loop(pipeline, [&] { follow->stop(); });
  stop_stage(pipeline, ingest);
  stop_stage(pipeline, apps);
  stop_stage(pipeline, replay);
  stop_stage(pipeline, publisher);
  on_loop(pipeline, [this] {
    load_ends = true;
    if (load_lease) load_lease->on_change({});
  });
  if (loader) {
    std::promise<void> done;
    pipeline.loop().post([&] {
      if (squash) squash->stop();
      loader->stop(settings.drain_ms, [&] { done.set_value(); });
    });
    done.get_future().wait();
  }
  load_lease.reset();
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
  if (persons && writes_processed(settings)) keep(persons->checkpoint(*log));
  if (definitions) keep(definition_store->flush(*log));
  if (cookieless && writes_processed(settings)) keep(cookieless->checkpoint(*log));
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
  if (usage_keeper) keep(usage_keeper->save());
  log->stop();
  if (woken == Woken::kAnew) lease->give_back();
  if (woken != Woken::kAnew) lease.reset();
}

Process::Process(Settings settings, const config::OptionTable& table, std::string data_dir,
                 std::unique_ptr<log::KafkaLease> lease)
    : parts_(std::make_unique<Parts>(std::move(settings), table, std::move(data_dir))) {
  parts_->lease = std::move(lease);
}

Process::~Process() {
  stop();
  Parts& p = *parts_;
  // Objects that live on a loop end there; then the loops themselves.
  on_loop(p.admin_thread, [&] {
    p.signals.reset();
    p.health_server.reset();
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
    p.data_scrub.reset();
    p.usage_keeper.reset();
    p.follow.reset();
    p.ingest.reset();
    p.apps.reset();
    p.replay.reset();
    p.publisher.reset();
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
  PENSTOCK_CHECK(p.choose_project());
  if (!p.settings.health_listen.empty()) PENSTOCK_CHECK(p.start_health());
  PENSTOCK_CHECK(p.stand_by());
  PENSTOCK_CHECK(p.open_log());
  p.started = true;
  PENSTOCK_CHECK(p.open_usage());
  if (keeps_books(p.settings)) PENSTOCK_CHECK(p.open_state());
  PENSTOCK_CHECK(p.open_catalog());
  if (keeps_books(p.settings)) {
    PENSTOCK_CHECK(p.recover());
    PENSTOCK_CHECK(p.start_store());
    p.data_scrub =
        scrub::make_data_scrub(p.settings, p.pipeline.loop(), *p.runtime, p.data_dir, *p.store);
    on_loop(p.pipeline, [&] { p.data_scrub->start(); });
  }
  if (p.settings.runs("publish")) PENSTOCK_CHECK(p.start_publish());
  if (p.settings.runs("capture")) PENSTOCK_CHECK(p.start_capture());
  if (p.settings.runs("admin")) PENSTOCK_CHECK(p.start_admin());
  p.watch_stages();
  p.watch_lease();
  p.instance.pid = ::getpid();
  p.instance.version = PENSTOCK_VERSION;
  PENSTOCK_CHECK(write_instance(p.data_dir, p.instance));
  if (!p.settings.runs(move::kHeldStage)) return {};
  const move::LogOrder log_order = move::log_order_of(p.data_dir);
  if (!log_order.to.empty() && log_order.to != p.settings.log_engine) {
    p.held_log = std::make_unique<move::HeldLog>(p.settings, *p.runtime, p.data_dir, *p.sealed,
                                                 *p.catalog, log_order);
  }
  return move::tell_held(p.data_dir,
                         rows_settled(p.settings, *p.runtime, *p.log, p.pipeline, p.data_dir));
}

const Instance& Process::instance() const { return parts_->instance; }

Result<std::string> Process::login_link() {
  PENSTOCK_TRY(const std::string secret, parts_->catalog->create_login_secret(kLoginLinkMs));
  return parts_->instance.admin_url + "/login#secret=" + secret;
}

Process::Woken Process::wait() {
  parts_->asked.wait();
  return parts_->woken;
}

bool Process::stop() {
  Parts& p = *parts_;
  p.stop();
  bool told = false;
  on_loop(p.admin_thread, [&] { told = p.signals_seen > 0; });
  return told;
}

std::unique_ptr<log::KafkaLease> Process::take_lease() { return std::move(parts_->lease); }

}  // namespace penstock::cli
