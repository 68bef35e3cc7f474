#include "ingest/app_chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/base64.h"
#include "base/json_writer.h"
#include "event/event_diff.h"
#include "event/json_fields.h"
#include "ingest/app_dry_run.h"
#include "ingest/app_filters.h"
#include "ingest/hog_apps.h"

namespace penstock::ingest {
namespace {

using catalog::AppLanguage;
using catalog::EnabledApp;
using catalog::EnabledApps;
using Did = apps::AppStep::Did;

std::string_view did_name(Did did) {
  switch (did) {
    case Did::kSucceeded: return "succeeded";
    case Did::kFailed: return "failed";
    case Did::kDropped: return "dropped";
    case Did::kSkipped: return "skipped";
  }
  return "skipped";
}

constexpr std::array<std::string_view, 4> kHogDid = {"succeeded", "failed", "dropped", "skipped"};

bool is_hog(const std::shared_ptr<const EnabledApp>& app) {
  return app->app.manifest.language == AppLanguage::kHog;
}

/// One event on its way, and what was done to it.
struct Passing {
  AppsAnswer answer;
  JsonWriter report;
  bool ended = false;
  std::optional<event::JsonFields> members;  // of the event as it is now, for filters
  std::vector<std::string> skipped;          // transformations that their filters kept from it
};

/// One batch of one project; owned by the callback of the engine that has it.
struct Run {
  std::shared_ptr<const EnabledApps> apps;
  std::shared_ptr<const catalog::ProjectSettings> settings;
  ProjectId project;
  std::vector<std::string> events;  // as they are now
  std::vector<Passing> passing;
  EventApps::Done done;
  EventApps::Waits waits;
  size_t at = 0;  // the next app
};

class Chain final : public AppChain {
 public:
  Chain(runtime::Loop& loop, runtime::Runtime& runtime, apps::Apps* javascript,
        AppChainOptions options)
      : loop_(loop),
        runtime_(runtime),
        javascript_(javascript),
        filters_(runtime),
        hog_(loop, runtime, {options.places, options.log, options.slow, options.deadline_ms}),
        options_(std::move(options)) {}
  ~Chain() override { *alive_ = false; }

  bool transforms(const catalog::Project& project) const override {
    if (project.apps == nullptr) return false;
    if (javascript_ != nullptr && javascript_->transforms(project.id)) return true;
    return std::ranges::any_of(*project.apps, is_hog);
  }

  std::vector<AppPassage> passages(const catalog::Snapshot& now) override {
    std::vector<AppPassage> out;
    std::set<int64_t> enabled;
    for (const catalog::Project& project : now.projects) {
      if (project.apps == nullptr) continue;
      for (const auto& app : *project.apps) {
        const FilterCounts& counts = filters_.counts(*app, *project.settings);
        out.push_back({.config = app->config.id,
                       .filtered = counts.filtered,
                       .filtering_failed = counts.failed,
                       .changed = changed_[app->config.id],
                       .filters_error = counts.error});
        if (is_hog(app)) out.back().hog = hog_.status(app);
        enabled.insert(app->config.id);
      }
    }
    filters_.keep_only(enabled);
    std::erase_if(changed_, [&](const auto& one) { return !enabled.contains(one.first); });
    hog_.keep_only(enabled);
    return out;
  }
  void reset(int64_t config) override { hog_.reset(config); }

  void dry_run(const catalog::Project& project, std::string event, DryDone done) override {
    DryRunParts parts{loop_, runtime_, javascript_, options_.places, options_.diff_bytes_max};
    if (javascript_ != nullptr) {
      for (apps::AppStatus& s : javascript_->statuses()) parts.health[s.config] = std::move(s);
    }
    if (project.apps != nullptr) {
      for (const auto& app : *project.apps) {
        if (is_hog(app)) parts.health[app->config.id] = hog_.status(app);
      }
    }
    dry_run_apps(std::move(parts), project, std::move(event), std::move(done));
  }

  bool goes_round(const catalog::Project& project) const override {
    return (javascript_ != nullptr && javascript_->goes_round(project.id)) ||
           hog_.goes_round(project);
  }

  void run(const catalog::Project& project, std::vector<std::string> events, Done done,
           Waits waits) override {
    auto run = std::make_shared<Run>();
    run->apps = project.apps;
    run->settings = project.settings;
    run->project = project.id;
    run->passing.resize(events.size());
    for (Passing& p : run->passing) p.report.begin_array();
    run->events = std::move(events);
    run->done = std::move(done);
    run->waits = std::move(waits);
    go_on(std::move(run));
  }

 private:
  void go_on(std::shared_ptr<Run> run) {
    while (run->at < run->apps->size()) {
      const auto& app = (*run->apps)[run->at];
      if (is_hog(app) ? ask_hog(run) : ask_javascript(run)) return;
    }
    finish(*run);
  }

  /// Whether the event at `place` goes through an app that has filters.
  bool wants(Run& run, const EnabledApp& app, size_t place) {
    Passing& p = run.passing[place];
    if (!p.members) {
      auto members = event::JsonFields::parse(run.events[place]);
      if (!members) return false;
      p.members = std::move(*members);
    }
    return filters_.matches(app, *run.settings, *p.members);
  }

  static void now_is(Run& run, size_t place, std::string event) {
    run.passing[place].members.reset();
    run.passing[place].answer.fate = AppsAnswer::Fate::kChanged;
    run.events[place] = std::move(event);
  }

  /// False: there was nothing to ask, the next app may be looked at.
  bool ask_hog(const std::shared_ptr<Run>& run) {
    const auto app = (*run->apps)[run->at++];
    const bool filters = filters_.filters(*app, *run->settings);
    std::vector<size_t> places;
    std::vector<std::string> events;
    for (size_t i = 0; i < run->events.size(); i++) {
      if (run->passing[i].ended) continue;
      if (filters && !wants(*run, *app, i)) {
        run->passing[i].skipped.push_back(transformation_label(*app));
        continue;
      }
      events.push_back(run->events[i]);
      places.push_back(i);
    }
    if (events.empty()) return false;
    hog_.run(
        app, std::move(events),
        [this, alive = alive_, run, app, places = std::move(places)](std::vector<HogResult> made) {
          if (!*alive) return;
          for (size_t i = 0; i < places.size(); i++) take_hog(*run, *app, places[i], made[i]);
          go_on(run);
        },
        run->waits);
    return true;
  }

  void take_hog(Run& run, const EnabledApp& app, size_t place, HogResult& result) {
    Passing& p = run.passing[place];
    JsonWriter& w = p.report;
    w.begin_object().field("id", app.config.id).field("name", app.app.manifest.name);
    w.field("status", kHogDid.at(static_cast<size_t>(result.did))).field("cpu_us", result.cpu_us);
    if (!result.error.empty()) w.field("error", result.error);
    if (!result.event.empty()) {
      if (event::write_event_diff(w, run.events[place], result.event, options_.diff_bytes_max)) {
        changed_[app.config.id]++;
      }
      now_is(run, place, std::move(result.event));
    }
    w.end_object();
    if (result.did != HogDid::kDropped) return;
    p.answer.fate = AppsAnswer::Fate::kDropped;
    p.ended = true;
  }

  /// Apps in JavaScript that follow each other are asked at once, up to the next one with filters:
  /// those look at what the apps before it have made. False: there was nothing to ask.
  bool ask_javascript(const std::shared_ptr<Run>& run) {
    const auto& first = (*run->apps)[run->at];
    const bool filters = javascript_ != nullptr && filters_.filters(*first, *run->settings);
    std::vector<apps::ConfigId> all;
    for (; run->at < run->apps->size(); run->at++) {
      const auto& app = (*run->apps)[run->at];
      if (is_hog(app) || (!all.empty() && filters_.filters(*app, *run->settings))) break;
      all.push_back(app->config.id);
    }
    if (javascript_ == nullptr) return false;
    const std::vector<apps::ConfigId> others(all.begin() + 1, all.end());
    std::vector<apps::AppEvent> batch;
    std::vector<size_t> places;
    for (size_t i = 0; i < run->events.size(); i++) {
      if (run->passing[i].ended) continue;
      const auto& through = !filters || wants(*run, *first, i) ? all : others;
      if (through.empty()) continue;
      batch.push_back({run->project, run->events[i], through});
      places.push_back(i);
    }
    if (batch.empty()) return false;
    apps::TransformOptions options;
    options.diffs = all.size() > 1;
    options.deadline_ms = options_.deadline_ms;
    options.waits = [run](ProjectId) {
      if (run->waits) run->waits();
    };
    javascript_->transform(std::move(batch), options,
                           [this, alive = alive_, run, places = std::move(places)](
                               std::vector<apps::AppResult> results) mutable {
                             if (!*alive) return;
                             for (size_t i = 0; i < places.size(); i++)
                               take(*run, places[i], results[i]);
                             go_on(run);
                           });
    return true;
  }

  void take(Run& run, size_t place, apps::AppResult& result) {
    Passing& p = run.passing[place];
    report(run, place, result);
    switch (result.fate) {
      case apps::Fate::kUnchanged: break;
      case apps::Fate::kChanged: now_is(run, place, std::move(result.json)); break;
      case apps::Fate::kDropped:
        p.answer.fate = AppsAnswer::Fate::kDropped;
        p.ended = true;
        break;
      case apps::Fate::kQuarantined:
        p.answer.fate = AppsAnswer::Fate::kQuarantined;
        p.answer.why = result.why;
        p.ended = true;
        break;
    }
  }

  void report(Run& run, size_t place, const apps::AppResult& result) {
    JsonWriter& w = run.passing[place].report;
    std::string_view before = run.events[place];
    for (const apps::AppStep& step : result.steps) {
      w.begin_object().field("id", step.config).field("name", name_of(run, step.config));
      w.field("status", did_name(step.did)).field("cpu_us", step.cpu_us);
      if (!step.error.empty()) w.field("error", step.error);
      std::string_view after = step.after;
      if (result.steps.size() == 1 && result.fate == apps::Fate::kChanged) after = result.json;
      if (!after.empty()) {
        if (event::write_event_diff(w, before, after, options_.diff_bytes_max)) {
          changed_[step.config]++;
        }
        before = after;
      }
      w.end_object();
    }
  }

  static std::string_view name_of(const Run& run, apps::ConfigId config) {
    for (const auto& app : *run.apps) {
      if (app->config.id == config) return app->app.manifest.name;
    }
    return {};
  }

  static void finish(Run& run) {
    std::vector<AppsAnswer> out;
    out.reserve(run.passing.size());
    for (size_t i = 0; i < run.passing.size(); i++) {
      Passing& p = run.passing[i];
      if (!p.skipped.empty() && !p.ended) {
        now_is(run, i, with_skipped(run.events[i], p.skipped));
      }
      p.answer.report = p.report.end_array().take();
      if (p.answer.report == "[]") p.answer.report.clear();
      if (p.answer.fate == AppsAnswer::Fate::kChanged) p.answer.event = std::move(run.events[i]);
      out.push_back(std::move(p.answer));
    }
    run.done(std::move(out));
  }

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  apps::Apps* javascript_;
  AppFilters filters_;
  HogApps hog_;
  AppChainOptions options_;
  std::map<int64_t, uint64_t> changed_;  // events, by configuration
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

std::string text_of(const event::JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  const bool text = raw && event::json_type(*raw) == event::JsonType::kString;
  return text ? event::decode_string(*raw) : std::string();
}

}  // namespace

std::unique_ptr<AppChain> make_app_chain(runtime::Loop& loop, runtime::Runtime& runtime,
                                         apps::Apps* javascript, AppChainOptions options) {
  return std::make_unique<Chain>(loop, runtime, javascript, std::move(options));
}

apps::AppConfig engine_config(const catalog::Project& project, const catalog::EnabledApp& app) {
  apps::AppConfig out;
  out.id = app.config.id;
  out.project = project.id;
  out.project_token = project.token;
  out.version = app.config.updated_at_ms;
  out.order = static_cast<int32_t>(app.config.order);
  auto package = std::make_shared<apps::AppPackage>();
  package->plugin_id = app.app.id;
  package->name = app.app.manifest.name;
  package->files = {app.files->begin(), app.files->end()};
  package->stateless = app.app.manifest.is_stateless;
  package->main = app.app.manifest.main;
  out.package = std::move(package);
  auto values = event::JsonFields::parse(app.config.config);
  if (!values) return out;
  for (const catalog::AppField& field : app.app.manifest.fields) {
    const auto raw = values->find(field.key);
    if (!raw) continue;
    if (field.secret && event::json_type(*raw) == event::JsonType::kString) {
      if (std::string secret = event::decode_string(*raw); !secret.empty()) {
        out.secrets.push_back(std::move(secret));
      }
    }
    if (field.type != "attachment" || event::json_type(*raw) != event::JsonType::kObject) continue;
    if (const auto file = event::JsonFields::parse(*raw)) {
      out.attachments[field.key] = {text_of(*file, "content_type"), text_of(*file, "file_name"),
                                    unbase64(text_of(*file, "contents"))};
    }
    values->erase(field.key);
  }
  out.config_json = values->text();
  return out;
}

}  // namespace penstock::ingest
