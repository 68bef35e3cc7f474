#include "main/apps/app_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/diag.h"
#include "ingest/app_filters.h"
#include "main/apps/calls_for.h"
#include "main/apps/compile_app.h"
#include "main/apps/match_filters.h"
#include "main/apps/npm.h"
#include "main/on_loop.h"

namespace penstock::cli {
namespace {

constexpr auto kRefresh = std::chrono::milliseconds(500);
constexpr int kRefreshesASave = 4;
constexpr std::array<std::string_view, 3> kSources = {"SYSTEM", "PLUGIN", "CONSOLE"};
constexpr std::array<std::string_view, 5> kTypes = {"DEBUG", "LOG", "INFO", "WARN", "ERROR"};

admin::AppLogLine line_of(apps::LogEntry entry) {
  admin::AppLogLine out;
  out.config = entry.config;
  out.time_ms = entry.time_ms;
  out.source = kSources.at(static_cast<size_t>(entry.source));
  out.type = kTypes.at(static_cast<size_t>(entry.level));
  out.message = std::move(entry.message);
  return out;
}

std::string_view fate_name(const apps::AppResult& result) {
  switch (result.fate) {
    case apps::Fate::kChanged: return "changed";
    case apps::Fate::kDropped: return "dropped";
    case apps::Fate::kQuarantined: return "quarantined";
    case apps::Fate::kUnchanged: break;
  }
  return "unchanged";
}

admin::AppTrialResult trial_of(apps::AppResult result, std::vector<apps::LogEntry> logs) {
  admin::AppTrialResult out;
  out.fate = fate_name(result);
  out.event = std::move(result.json);
  out.error = result.why;
  for (const apps::AppStep& step : result.steps) {
    out.cpu_us += step.cpu_us;
    if (step.did == apps::AppStep::Did::kFailed) {
      out.error = step.error;
      // That it failed is all that has changed; what it did to the event before that counts too.
      if (out.fate == "unchanged") out.fate = "failed";
    }
  }
  for (apps::LogEntry& entry : logs) out.logs.push_back(line_of(std::move(entry)));
  return out;
}

}  // namespace

AppHost::AppHost(runtime::Loop& loop, runtime::Runtime& runtime, catalog::Catalog& catalog,
                 usage::Usage& usage, std::unique_ptr<kv::KeyValue> state,
                 const persons::PersonStore* groups, bool groups_block)
    : loop_(loop),
      runtime_(runtime),
      catalog_(catalog),
      usage_(usage),
      state_(std::move(state)),
      groups_(loop, runtime, groups, groups_block),
      captures_(loop, runtime, catalog) {}

Result<std::unique_ptr<AppHost>> open_apps(const Settings& settings, AppParts parts) {
  if (!settings.runs("ingest") && !settings.runs("deliver")) return nullptr;
  PENSTOCK_TRY(auto state,
               parts.disk.open({parts.data_dir + "/state/apps", settings.state_cache_bytes}));
  auto host = std::make_unique<AppHost>(parts.pipeline.loop(), parts.runtime, parts.catalog,
                                        parts.usage, std::move(state), parts.persons,
                                        settings.persons_engine == "postgres");
  if (settings.runs("deliver")) {
    PENSTOCK_TRY(auto queues,
                 parts.disk.open({parts.data_dir + "/state/deliver", settings.state_cache_bytes}));
    host->deliver(parts.log, std::move(queues));
  }
  if (parts.store != nullptr) host->read_from(*parts.store);
  Status outcome;
  on_loop(parts.pipeline, [&] { outcome = host->start(parts.pipeline.poller(), settings.apps); });
  PENSTOCK_CHECK(outcome);
  return host;
}

Status AppHost::start(runtime::Poller& poller, const AppSettings& settings) {
  apps::AppsOptions engine = settings.engine;
  engine.schedules = log_ != nullptr;
  PENSTOCK_TRY(engine_, apps::make_apps(runtime_, loop_, poller, *state_, *this, engine));
  PENSTOCK_CHECK(logs_.open(state_.get()));
  PENSTOCK_CHECK(counts_.open(*state_));
  PENSTOCK_CHECK(tallies_.open(*state_));
  npm_registry_ = settings.npm_registry;
  ingest::AppChainOptions options;
  options.deadline_ms = settings.deadline_ms;
  if (!settings.engine.geoip_file.empty()) {
    PENSTOCK_TRY(options.places, apps::Places::open(settings.engine.geoip_file));
  }
  options.log = [this](apps::LogEntry entry) { log(std::move(entry)); };
  options.slow = [this](ProjectId project) { slow(project); };
  hog_ = std::make_unique<ingest::HogApps>(loop_, runtime_,
                                           ingest::HogAppsOptions{.places = options.places});
  chain_ = ingest::make_app_chain(loop_, runtime_, engine_.get(), options);
  PENSTOCK_CHECK(engine_->start());
  configure();
  if (log_ != nullptr) {
    auto filters = std::make_shared<ingest::AppFilters>(runtime_, groups_.on_loop());
    deliver::DeliverHooks hooks;
    if (groups_.has_to_look_up()) {
      hooks.look_up = [this, filters](const std::vector<deliver::Upcoming>& events, auto then) {
        AppGroups::Keys keys;
        const auto snapshot = catalog_.snapshot();
        for (const deliver::Upcoming& one : events) {
          const ProjectId id = one.app->config.project;
          const catalog::Project* project = snapshot->find(id);
          if (project == nullptr || !filters->ask_groups(*one.app, *project->settings)) continue;
          AppGroups::add_keys(id, one.properties, keys);
        }
        groups_.look_up(std::move(keys), std::move(then));
      };
    }
    hooks.wants = [filters, &catalog = catalog_](const catalog::EnabledApp& app,
                                                 const event::JsonFields& fields) {
      const auto snapshot = catalog.snapshot();
      const catalog::Project* project = snapshot->find(app.config.project);
      return project != nullptr && filters->matches(app, *project->settings, fields);
    };
    hooks.log = options.log;
    deliver_ = deliver::Deliver::make(loop_, runtime_, *log_, catalog_, *engine_,
                                      std::move(queues_), std::move(hooks), settings.deliver);
    PENSTOCK_CHECK(deliver_->start());
  }
  if (store_ != nullptr) PENSTOCK_CHECK(open_exports(settings.deliver));
  refresh();
  return {};
}

void AppHost::deliver(log::Log& log, std::unique_ptr<kv::KeyValue> state) {
  log_ = &log;
  queues_ = std::move(state);
}

void AppHost::stop(runtime::Task done) {
  save_counts();
  auto then = [this, done = std::move(done)]() mutable {
    if (!engine_) return done();
    engine_->stop(std::move(done));
  };
  deliver_ ? deliver_->stop(std::move(then)) : then();
}

void AppHost::on_change() {
  loop_.post([this, alive = alive_] {
    if (!*alive || !engine_) return;
    configure();
    if (deliver_) deliver_->configure();
  });
}

void AppHost::configure() {
  const auto snapshot = catalog_.snapshot();
  std::vector<std::shared_ptr<const catalog::EnabledApp>> now;
  for (const catalog::Project& project : snapshot->projects) {
    if (project.apps == nullptr) continue;
    for (const auto& app : *project.apps) {
      if (app->app.manifest.language == catalog::AppLanguage::kJavaScript) now.push_back(app);
    }
  }
  const auto same = [](const auto& a, const auto& b) {
    return a == b || (a->config.id == b->config.id && a->app.version == b->app.version &&
                      a->config.updated_at_ms == b->config.updated_at_ms);
  };
  if (std::ranges::equal(now, enabled_, same)) return;
  Packages packages;
  std::vector<apps::AppConfig> configs;
  for (const auto& app : now) {
    apps::AppConfig config = ingest::engine_config(*snapshot->find(app->config.project), *app);
    // One package for all its configurations and for ever, so that a VM is kept.
    const std::pair key(app->app.id, app->app.version);
    const auto known = packages_.find(key);
    config.package =
        packages.emplace(key, known == packages_.end() ? config.package : known->second)
            .first->second;
    configs.push_back(std::move(config));
  }
  packages_ = std::move(packages);
  enabled_ = std::move(now);
  engine_->set(std::move(configs));
}

void AppHost::refresh() {
  std::vector<admin::AppRunStatus> now;
  std::map<int64_t, ingest::AppPassage> passages;
  std::vector<apps::AppStatus> all = engine_->statuses();
  for (ingest::AppPassage& one : chain_->passages(*catalog_.snapshot())) {
    if (one.hog) all.push_back(*one.hog);
    passages.emplace(one.config, std::move(one));
  }
  {
    const std::lock_guard lock(mutex_);
    for (apps::AppStatus& s : all) {
      admin::AppRunStatus out;
      out.config = s.config;
      out.health = apps::health_name(s.health);
      out.error = std::move(s.error);
      out.attempts = s.attempts;
      out.retry_at_ms = s.retry_at_ms;
      out.events = s.events;
      out.succeeded = s.succeeded;
      out.failed = s.failed;
      out.dropped = s.dropped;
      out.cpu_us = s.cpu_us;
      out.memory_bytes = s.memory_bytes;
      add_calls(out);
      if (exports_) exports_->add_to(out);
      if (const auto found = passages.find(s.config); found != passages.end()) {
        out.changed = found->second.changed;
        out.filtered = found->second.filtered;
        out.filtering_failed = found->second.filtering_failed;
        out.filters_error = std::move(found->second.filters_error);
      }
      counts_.complete(out);
      now.push_back(std::move(out));
    }
    statuses_ = std::move(now);
  }
  if (++saves_ % kRefreshesASave == 0) save_counts();
  loop_.after(kRefresh, [this, alive = alive_] {
    if (*alive) refresh();
  });
}

void AppHost::save_counts() {
  for (const Status& s : {counts_.save(), tallies_.save()}) {
    if (!s) diag::warn("what apps have done was not kept", {{"error", s.error().message}});
  }
}

void AppHost::add_calls(admin::AppRunStatus& out) const {
  if (deliver_) {
    for (const deliver::DeliveryCounts& one : deliver_->counts()) {
      if (one.config != out.config) continue;
      out.calls.push_back({std::string(deliver::method_name(one.method)), one.successes,
                           one.successes_on_retry, one.failures, one.waiting});
    }
  }
  tallies_.add_to(out);
}

std::vector<admin::AppRunStatus> AppHost::statuses() const {
  const std::lock_guard lock(mutex_);
  return statuses_;
}

admin::AppSources AppHost::sources(runtime::Loop& admin) {
  admin::AppSources out;
  out.fetch_npm = [registry = npm_registry_](const std::string& package) {
    return fetch_npm(registry, package);
  };
  out.statuses = [this] { return statuses(); };
  out.match_filters = [this](ProjectId id, const catalog::ProjectSettings& project,
                             const std::string& filters, const std::vector<std::string>& events) {
    return match_filters(runtime_, groups_, id, project, filters, events);
  };
  if (deliver_) {
    out.calls_for = [this](const Uuid& event) {
      return calls_for(*deliver_, *catalog_.snapshot(), event);
    };
  }
  const auto on_apps = [this, &admin](auto work, admin::AppSources::Begun done) {
    loop_.post([&admin, alive = alive_, work = std::move(work), done = std::move(done)]() mutable {
      if (!*alive) return;
      admin.post([done = std::move(done), outcome = work()]() mutable { done(outcome); });
    });
  };
  if (exports_) {
    out.begin_export = [this, on_apps](ProjectId project, int64_t config, int64_t from_ms,
                                       int64_t to_ms, admin::AppSources::Begun done) {
      on_apps([=, this] { return exports_->begin(project, config, from_ms, to_ms); },
              std::move(done));
    };
    out.cancel_export = [this, on_apps](int64_t config, admin::AppSources::Begun done) {
      on_apps([=, this] { return exports_->cancel(config); }, std::move(done));
    };
  }
  out.start_job = [this, on_apps](int64_t config, std::string job, std::string payload,
                                  admin::AppSources::Begun done) {
    on_apps([this, config, job = std::move(job),
             payload = std::move(payload)] { return start_job(config, job, payload); },
            std::move(done));
  };
  out.logs = [this](const admin::AppLogsAsked& asked) { return logs_.read(asked); };
  out.reset = [this](int64_t config) {
    loop_.post([this, alive = alive_, config] {
      if (!*alive) return;
      engine_->reset(config);
      chain_->reset(config);
    });
  };
  out.compile = [this, &admin](std::shared_ptr<const catalog::AppFiles> files,
                               admin::AppSources::Compiled done) {
    auto back = [&admin, done = std::move(done)](auto mistakes) mutable {
      admin.post([done = std::move(done), mistakes = std::move(mistakes)]() mutable {
        done(std::move(mistakes));
      });
    };
    loop_.post([this, alive = alive_, files = std::move(files), back = std::move(back)]() mutable {
      if (*alive) compile_app(*engine_, *files, std::move(back));
    });
  };
  out.try_out = [this, &admin](catalog::Project project, catalog::EnabledApp app, std::string event,
                               admin::AppSources::Tried done) {
    auto back = [&admin, done = std::move(done)](Result<admin::AppTrialResult> tried) mutable {
      admin.post(
          [done = std::move(done), tried = std::move(tried)]() mutable { done(std::move(tried)); });
    };
    loop_.post([this, alive = alive_, project = std::move(project), app = std::move(app),
                event = std::move(event), back = std::move(back)]() mutable {
      if (*alive) try_out(project, app, std::move(event), std::move(back));
    });
  };
  return out;
}

void AppHost::try_out(const catalog::Project& project, const catalog::EnabledApp& app,
                      std::string event, admin::AppSources::Tried done) {
  ingest::AppFilters filters(runtime_);
  const auto fields = event::JsonFields::parse(event);
  if (fields && !filters.matches(app, *project.settings, *fields)) {
    admin::AppTrialResult out;
    out.fate = "skipped";
    out.error = filters.counts(app, *project.settings).error;
    return done(std::move(out));
  }
  if (app.app.manifest.language != catalog::AppLanguage::kJavaScript) {
    return try_hog(app, std::move(event), std::move(done));
  }
  engine_->try_out(ingest::engine_config(project, app), std::move(event), {},
                   [done = std::move(done)](Result<apps::AppResult> result,
                                            std::vector<apps::LogEntry> logs) mutable {
                     if (!result) return done(std::unexpected(std::move(result).error()));
                     done(trial_of(std::move(*result), std::move(logs)));
                   });
}

void AppHost::try_hog(const catalog::EnabledApp& app, std::string event,
                      admin::AppSources::Tried done) {
  using ingest::HogDid;
  const auto source = app.files->find(app.app.manifest.main);
  const std::string problem =
      source == app.files->end() ? "its main file is gone" : ingest::hog_problem(source->second);
  if (!problem.empty()) return done(fail(Code::kInvalid, problem));
  hog_->run(std::make_shared<const catalog::EnabledApp>(app), {event},
            [event, done = std::move(done)](std::vector<ingest::HogResult> results) mutable {
              ingest::HogResult& r = results.front();
              admin::AppTrialResult out;
              out.fate = r.did == HogDid::kDropped  ? "dropped"
                         : r.did == HogDid::kFailed ? "failed"
                                                    : "changed";
              out.event = std::move(r.event);
              out.error = std::move(r.error);
              out.cpu_us = r.cpu_us;
              for (std::string& line : r.printed) {
                apps::LogEntry entry;
                entry.source = apps::LogEntry::Source::kConsole;
                entry.level = apps::LogEntry::Level::kLog;
                entry.message = std::move(line);
                out.logs.push_back(line_of(std::move(entry)));
              }
              done(std::move(out));
            });
}

void AppHost::log(apps::LogEntry entry) { logs_.add(line_of(std::move(entry))); }

Status AppHost::capture(ProjectId project, std::string event) {
  return captures_.add(project, std::move(event));
}

void AppHost::metric(apps::ConfigId config, std::string_view name, std::string_view kind,
                     double value) {
  tallies_.metric(config, name, kind, value);
}

void AppHost::ran(apps::ConfigId config, std::string_view category, bool succeeded) {
  tallies_.ran(config, category, succeeded);
}

/// In the lane that all share others' events would wait behind its events: it goes round it, as
/// who floods it does, until it was not slow for a while.
void AppHost::slow(ProjectId project) {
  usage_.meter(project).flood().floods(runtime_.clock().wall_ms());
}

void AppHost::changed(const apps::AppStatus& status) {
  int64_t app = 0;
  for (const auto& enabled : enabled_) {
    if (enabled->config.id == status.config) app = enabled->app.id;
  }
  auto job = [&catalog = catalog_, app, status] {
    const auto noted = [](const Status& s) {
      if (s || s.error().code == Code::kNotFound) return;  // removed meanwhile
      diag::warn("an app's state was not noted", {{"error", s.error().message}});
    };
    noted(catalog.apps().note_error(status.config, status.error));
    if (app != 0 && !status.capabilities.empty()) {
      noted(catalog.apps().note_capabilities(app, status.capabilities));
    }
    if (status.health != apps::Health::kFailed) return;
    const auto off = catalog.apps().change_config({std::nullopt, "app engine", ProjectId{}},
                                                  status.config, {.enabled = false});
    if (!off) noted(std::unexpected(off.error()));
  };
  // A full queue only means that the catalog does not know; the statuses say it anyway.
  const Status submitted = runtime_.pool().submit(std::move(job), loop_, [] {});
  if (!submitted)
    diag::warn("an app's state was not noted", {{"error", submitted.error().message}});
}

}  // namespace penstock::cli
