#include "ingest/app_dry_run.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/json_writer.h"
#include "event/event_diff.h"
#include "event/timestamp.h"
#include "ingest/app_chain.h"
#include "ingest/app_filters.h"
#include "ingest/hog_apps.h"

namespace penstock::ingest {
namespace {

using catalog::AppLanguage;
using catalog::EnabledApp;

/// One event on its way; owned by the callback of the app that has it.
class DryRun : public std::enable_shared_from_this<DryRun> {
 public:
  DryRun(DryRunParts parts, const catalog::Project& project, std::string event,
         EventApps::DryDone done)
      : parts_(std::move(parts)),
        project_(project),
        event_(std::move(event)),
        done_(std::move(done)),
        filters_(parts_.runtime),
        hog_(parts_.loop, parts_.runtime, {.places = parts_.places}) {
    report_.begin_array();
  }

  void go_on() {
    while (project_.apps != nullptr && at_ < project_.apps->size()) {
      const auto app = (*project_.apps)[at_++];
      if (const std::string why = passed_by(*app); !why.empty()) {
        skip(*app, why);
        continue;
      }
      app->app.manifest.language == AppLanguage::kHog ? ask_hog(app) : ask_javascript(app);
      return;
    }
    finish();
  }

 private:
  /// Empty: the event goes through it.
  std::string passed_by(const EnabledApp& app) {
    const bool hog = app.app.manifest.language == AppLanguage::kHog;
    if (!hog && parts_.javascript == nullptr) return "no JavaScript runs here";
    const auto known = parts_.health.find(app.config.id);
    if (known != parts_.health.end()) {
      const apps::AppStatus& status = known->second;
      if (status.health == apps::Health::kDisabled) {
        return "it rests after using up its time or memory, and is tried again at " +
               event::format_rfc3339_ms(status.retry_at_ms);
      }
      if (!hog && status.health == apps::Health::kFailed) return "it could not be loaded";
      const bool loaded =
          status.health == apps::Health::kHealthy || status.health == apps::Health::kDegraded;
      if (!hog && loaded && !status.filters_events) return "it has no processEvent";
    }
    const auto fields = event::JsonFields::parse(event_);
    if (!fields || filters_.matches(app, *project_.settings, *fields)) return {};
    const FilterCounts& counts = filters_.counts(app, *project_.settings);
    return counts.failed == 0 ? std::string("its filters do not match") : counts.error;
  }

  JsonWriter& begin(const EnabledApp& app, std::string_view status) {
    report_.begin_object().field("id", app.config.id).field("name", app.app.manifest.name);
    return report_.field("status", status);
  }
  void skip(const EnabledApp& app, std::string_view why) {
    begin(app, "skipped").field("why", why).end_object();
    if (app.app.manifest.language == AppLanguage::kHog) {
      skipped_.push_back(transformation_label(app));
    }
  }
  /// What became of the event; empty: it is as it was.
  void now_is(std::string event) {
    if (event.empty() || event == event_) return;
    event::write_event_diff(report_, event_, event, parts_.diff_bytes_max);
    event_ = std::move(event);
    answer_.fate = AppsAnswer::Fate::kChanged;
  }
  void end(AppsAnswer::Fate fate, std::string why = {}) {
    answer_.fate = fate;
    answer_.why = std::move(why);
    at_ = project_.apps->size();
  }

  void ask_hog(const std::shared_ptr<const EnabledApp>& app) {
    hog_.run(app, {event_}, [self = shared_from_this(), app](std::vector<HogResult> made) {
      self->take_hog(*app, made.front());
      self->go_on();
    });
  }
  void take_hog(const EnabledApp& app, HogResult& result) {
    constexpr std::array<std::string_view, 4> kDid = {"succeeded", "failed", "dropped", "skipped"};
    begin(app, kDid.at(static_cast<size_t>(result.did))).field("cpu_us", result.cpu_us);
    if (!result.error.empty()) report_.field("error", result.error);
    now_is(std::move(result.event));
    report_.end_object();
    if (result.did == HogDid::kDropped) end(AppsAnswer::Fate::kDropped);
  }

  void ask_javascript(const std::shared_ptr<const EnabledApp>& app) {
    parts_.javascript->try_out(
        engine_config(project_, *app), event_, {.dry = true},
        [self = shared_from_this(), app](Result<apps::AppResult> result,
                                         const std::vector<apps::LogEntry>&) {
          self->take_javascript(*app, std::move(result));
          self->go_on();
        });
  }
  void take_javascript(const EnabledApp& app, Result<apps::AppResult> result) {
    if (!result) {
      begin(app, "failed").field("error", result.error().message).end_object();
      return;
    }
    const apps::AppStep* step = result->steps.empty() ? nullptr : &result->steps.front();
    const bool failed = step != nullptr && step->did == apps::AppStep::Did::kFailed;
    const bool dropped = result->fate == apps::Fate::kDropped;
    begin(app, dropped ? "dropped" : failed ? "failed" : "succeeded");
    report_.field("cpu_us", step == nullptr ? 0 : step->cpu_us);
    if (failed) report_.field("error", step->error);
    if (result->fate == apps::Fate::kChanged) now_is(std::move(result->json));
    report_.end_object();
    if (dropped) end(AppsAnswer::Fate::kDropped);
    if (result->fate == apps::Fate::kQuarantined) {
      end(AppsAnswer::Fate::kQuarantined, result->why);
    }
  }

  void finish() {
    const bool goes_on =
        answer_.fate == AppsAnswer::Fate::kChanged || answer_.fate == AppsAnswer::Fate::kUnchanged;
    if (!skipped_.empty() && goes_on) {
      event_ = with_skipped(event_, skipped_);
      answer_.fate = AppsAnswer::Fate::kChanged;
    }
    answer_.report = report_.end_array().take();
    if (answer_.report == "[]") answer_.report.clear();
    if (answer_.fate == AppsAnswer::Fate::kChanged) answer_.event = std::move(event_);
    done_(std::move(answer_));
  }

  DryRunParts parts_;
  catalog::Project project_;
  std::string event_;  // as it is now
  EventApps::DryDone done_;
  AppFilters filters_;
  HogApps hog_;
  size_t at_ = 0;  // the next app
  AppsAnswer answer_;
  JsonWriter report_;
  std::vector<std::string> skipped_;  // transformations that were passed by
};

}  // namespace

void dry_run_apps(DryRunParts parts, const catalog::Project& project, std::string event,
                  EventApps::DryDone done) {
  std::make_shared<DryRun>(std::move(parts), project, std::move(event), std::move(done))->go_on();
}

}  // namespace penstock::ingest
