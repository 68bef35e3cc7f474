// The admin API of a process, what it is told of the stages here, and their health.
#include "log/kafka_log.h"
#include "main/process_parts.h"

namespace penstock::cli {

admin::AdminSources Process::Parts::admin_sources() {
  admin::AdminSources out;
  out.data_dir = data_dir;
  out.capture_url = instance.capture_url;
  out.partitions = settings.partitions;
  for (const char* stage :
       {"capture", "ingest", "replay", "load", "publish", "definitions", "deliver", "admin"}) {
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
  if (settings.log_engine == "kafka") {
    out.groups = [] {
      std::vector<admin::GroupStatus> groups;
      for (auto& g : log::groups_behind()) {
        groups.push_back({std::move(g.group), std::move(g.topic), g.records, g.partitions});
      }
      return groups;
    };
  }
  if (data_scrub && settings.data_scrub.bytes_per_second > 0)
    out.data_scrub = [this] { return data_scrub->status(); };
  return out;
}

Status Process::Parts::start_admin() {
  PENSTOCK_TRY(const auto address, runtime::Address::parse(settings.admin_listen));
  Status outcome;
  admin::AdminOptions options = settings.admin;
  options.layout = settings.layout();
  PENSTOCK_TRY(const auto range, settings.slice_range());
  if (settings.looks_at_some_slices()) {
    options.first_slice = range.from;
    options.last_slice = range.to;
  }
  on_loop(admin_thread, [&] {
    admin =
        admin::AdminService::make({admin_thread.loop(), *runtime, *log, *catalog, *ledger, *store,
                                   *usage, pipeline.loop(), *objects, *persons, *definition_store},
                                  admin_sources(), options);
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

Status Process::Parts::start_health() {
  PENSTOCK_TRY(const auto address, runtime::Address::parse(settings.health_listen));
  Status outcome;
  on_loop(admin_thread, [&] {
    auto server = wire::Server::start(admin_thread.loop(), admin_thread.poller(), *runtime, address,
                                      false, settings.http, health, edge.server());
    if (!server) {
      outcome = fail(server.error(), "health cannot listen");
      return;
    }
    health_server = std::move(*server);
  });
  return outcome;
}

void Process::Parts::watch_stages() {
  if (!shards.empty()) health.add("capture", [] { return std::string(); });
  if (ingest) health.add("ingest", [this] { return ingest->stats().last_error; });
  if (replay) health.add("replay", [this] { return replay->stats().last_error; });
  if (publisher) health.add("publish", [this] { return publisher->stats().last_error; });
  if (definitions) health.add("definitions", [this] { return definitions->stats().last_error; });
  if (settings.runs("deliver")) health.add("deliver", [this] { return apps->delivery_error(); });
  if (loader) {
    health.add("load", [this] {
      const store::StoreHealth s = store->health();
      return s.ready ? loader->stats().last_error : "the store is not ready: " + s.detail;
    });
  }
  if (admin_server) health.add("admin", [] { return std::string(); });
  health.started();
}

}  // namespace penstock::cli
