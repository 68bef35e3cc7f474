// Testing an app on one event, given or taken from the log, without enabling it.
#include <fmt/format.h>

#include "admin/api/app_checks.h"
#include "admin/api/app_package.h"
#include "admin/api/app_words.h"
#include "admin/api/log_reader.h"
#include "admin/api/service.h"
#include "event/event_diff.h"
#include "event/raw_record.h"
#include "event/timestamp.h"

namespace penstock::admin {
namespace {

using catalog::App;
using event::json_type;
using event::JsonFields;
using event::JsonType;

constexpr size_t kDiffBytesMax = 1U << 20;

/// The event as an app gets it (plugin contract, section 5); what is missing is made up.
Result<std::string> complete_event(std::string_view given, ProjectId project, int64_t now_ms) {
  PENSTOCK_TRY(auto event, JsonFields::parse(given));
  const std::string now = event::format_rfc3339_ms(now_ms);
  const auto text = [&](std::string_view key, std::string_view fallback) {
    if (!event.contains(key)) event.set_string(key, fallback);
  };
  text("uuid", "01920000-0000-7000-8000-000000000000");
  text("distinct_id", "test-user");
  text("event", "test event");
  text("site_url", "");
  text("now", now);
  text("timestamp", now);
  if (!event.contains("ip")) event.set("ip", "null");
  if (!event.contains("properties")) event.set("properties", "{}");
  event.set("team_id", std::to_string(project.value));
  if (json_type(*event.find("properties")) != JsonType::kObject) {
    return fail(Code::kInvalid, "the event's 'properties' is an object");
  }
  return event.text();
}

std::string event_of_record(const event::RawRecord& raw) {
  JsonWriter w;
  w.begin_object().field("uuid", raw.uuid.text()).field("distinct_id", raw.distinct_id);
  w.field("event", raw.event).field("timestamp", event::format_rfc3339_ms(raw.timestamp_ms));
  w.field("now", event::format_rfc3339_ms(raw.now_ms)).key("ip");
  raw.ip.empty() ? w.null() : w.string(raw.ip);
  JsonFields properties;
  const auto top = JsonFields::parse_with(raw.data, "properties", properties);
  if (top) {
    for (const std::string_view key : {"$set", "$set_once"}) {
      if (const auto value = top->find(key)) properties.set(key, *value);
    }
  }
  if (!raw.ip.empty() && !properties.contains("$ip")) properties.set_string("$ip", raw.ip);
  w.key("properties").raw(properties.text()).end_object();
  return w.take();
}

std::string mistakes_json(const std::vector<AppMistake>& mistakes) {
  JsonWriter w;
  w.begin_object().key("results").begin_array();
  for (const AppMistake& one : mistakes) {
    w.begin_object().field("file", one.file).field("line", one.line);
    w.field("column", one.column).field("message", one.message).field("runs", one.runs);
    w.end_object();
  }
  return w.end_array().end_object().take();
}

void reply_trial(wire::Responder& to, const std::string& before,
                 const Result<AppTrialResult>& tried) {
  if (!tried) return reply_error(to, tried.error());
  JsonWriter w;
  w.begin_object().field("fate", tried->fate).key("before").raw(before).key("after");
  if (tried->fate == "changed") {
    w.raw(tried->event).key("diff").begin_object();
    event::write_event_diff(w, before, tried->event, kDiffBytesMax);
    w.end_object();
  } else if (tried->fate == "dropped") {
    w.null();
  } else {
    w.raw(before);
  }
  w.key("error");
  tried->error.empty() ? w.null() : w.string(tried->error);
  w.field("cpu_us", tried->cpu_us).key("logs").begin_array();
  for (const AppLogLine& line : tried->logs) write_app_log(w, line);
  reply_json(to, w.end_array().end_object().take());
}

}  // namespace

/// The app with the body's values, version or files in place of its own.
Result<catalog::EnabledApp> Service::trial_of(const Call& call, const App& app) const {
  catalog::AppCatalog& apps = parts_.catalog.apps();
  catalog::EnabledApp out;
  out.app = app;
  PENSTOCK_TRY(const auto version, body_integer(call.body, "version"));
  PENSTOCK_TRY(const auto id, body_integer(call.body, "app_config"));
  if (const auto files = call.body.find("files")) {
    PENSTOCK_TRY(auto read, files_of_json(*files));
    out.files = std::make_shared<const catalog::AppFiles>(std::move(read));
  } else {
    PENSTOCK_TRY(out.files, apps.files(app.id, version.value_or(app.version)));
  }
  PENSTOCK_TRY(out.app.manifest, catalog::read_app_manifest(*out.files));
  if (id) {
    PENSTOCK_TRY(out.config, apps.config(*id));
    if (out.config.project != call.project || out.config.app != app.id) {
      return fail(Code::kNotFound, fmt::format("the app has no configuration {} here", *id));
    }
  }
  out.config.app = app.id;
  out.config.project = call.project;
  PENSTOCK_TRY(auto change, read_config_change(call.body));
  if (change.filters) out.config.filters = *change.filters;
  PENSTOCK_TRY(out.config.config,
               catalog::merge_app_config(out.app.manifest.fields, out.config.config,
                                         change.config.value_or("{}"), false));
  return out;
}

/// Files that are no app yet.
void Service::test_package(Call& call, wire::Responder& r) {
  if (!call.body.contains("files")) return reply_error(r, {Code::kInvalid, "'files' are missing"});
  test_app(call, r, App{});
}

/// Every mistake in files that somebody is writing, each with its place; nothing is run.
void Service::check_package(Call& call, wire::Responder& r) {
  const auto raw = call.body.find("files");
  auto files = raw ? files_of_json(*raw)
                   : Result<catalog::AppFiles>(fail(Code::kInvalid, "'files' are missing"));
  if (!files) return reply_error(r, files.error());
  const auto manifest = catalog::read_app_manifest(*files);
  std::vector<AppMistake> mistakes;
  if (!manifest) {
    mistakes.push_back({"plugin.json", manifest.error().message});
    return reply_json(r, mistakes_json(mistakes));
  }
  if (manifest->language == catalog::AppLanguage::kHog) {
    if (const auto problem = code_problem(*manifest, *files)) {
      mistakes.push_back(
          {problem->file, problem->at.message, problem->at.place.line, problem->at.place.column});
    }
    return reply_json(r, mistakes_json(mistakes));
  }
  if (!sources_.apps.compile) {
    return reply_error(r, {Code::kUnavailable, "no apps run in this process"});
  }
  auto to = std::make_shared<wire::Responder>(std::move(r));
  sources_.apps.compile(std::make_shared<const catalog::AppFiles>(std::move(*files)),
                        [alive = alive_, to](const Result<std::vector<AppMistake>>& found) {
                          if (!*alive) return;
                          if (!found) return reply_error(*to, found.error());
                          reply_json(*to, mistakes_json(*found));
                        });
}

void Service::test_app(Call& call, wire::Responder& r, const App& app) {
  if (!sources_.apps.try_out) {
    return reply_error(r, {Code::kUnavailable, "no apps run in this process"});
  }
  auto candidate = trial_of(call, app);
  if (!candidate) return reply_error(r, candidate.error());
  const catalog::Project project = *parts_.catalog.snapshot()->find(call.project);
  const int64_t now_ms = parts_.runtime.clock().wall_ms();
  auto run = [this, alive = alive_, candidate = std::move(*candidate), project, now_ms](
                 wire::Responder to, std::string_view given) mutable {
    auto event = complete_event(given, project.id, now_ms);
    if (!event) return reply_error(to, event.error());
    auto asker = std::make_shared<wire::Responder>(std::move(to));
    std::string text = *event;
    sources_.apps.try_out(project, std::move(candidate), std::move(*event),
                          [alive, asker, text](const Result<AppTrialResult>& tried) {
                            if (*alive) reply_trial(*asker, text, tried);
                          });
  };
  const auto uuid_text = body_string(call.body, "uuid");
  if (!uuid_text) return reply_error(r, uuid_text.error());
  if (!*uuid_text) {
    const auto given = call.body.find("event").value_or("{}");
    return run(std::move(r), given);
  }
  const auto uuid = Uuid::parse(**uuid_text);
  if (!uuid) return reply_error(r, {Code::kInvalid, "this is no event's uuid"});
  const auto entries = parts_.ledger.trace(*uuid);
  if (!entries) return reply_error(r, entries.error());
  std::vector<LogPlace> places;
  for (const ledger::TraceEntry& e : *entries) {
    if (e.project != call.project || e.state == "refused" || !places.empty()) continue;
    places.push_back(
        {std::string(event::lane_topic(e.source.lane)), e.source.partition, e.source.offset});
  }
  auto to = std::make_shared<wire::Responder>(std::move(r));
  auto shared = std::make_shared<decltype(run)>(std::move(run));
  read_records(parts_.log, parts_.loop, std::move(places),
               [to, shared, alive = alive_](const LogRecords& records) {
                 if (!*alive) return;
                 const bool there = !records.empty() && records.front();
                 const auto raw = there ? event::decode_raw(*records.front())
                                        : Result<event::RawRecord>(fail(Code::kNotFound, ""));
                 if (!raw) {
                   return reply_error(*to, {Code::kNotFound, "the log has no event of this uuid"});
                 }
                 (*shared)(std::move(*to), event_of_record(*raw));
               });
}

}  // namespace penstock::admin
