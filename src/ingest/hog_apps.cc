#include "ingest/hog_apps.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/json_writer.h"
#include "event/json_fields.h"
#include "event/timestamp.h"
#include "hog/compiler.h"
#include "hog/templates.h"
#include "ingest/transformation_host.h"

namespace penstock::ingest {
namespace {

using event::json_type;
using event::JsonFields;
using event::JsonType;

constexpr int64_t kTimeUsMax = 100'000;  // of one run
constexpr size_t kHeapBytesMax = 64U << 20;
constexpr int kLinesPerSecond = 100;
constexpr size_t kLineBytesMax = 8192;
constexpr std::string_view kMemoryUsedUp = "Memory limit ";  // how the machine says it
constexpr std::string_view kRests = "it rests: it used up its time or memory too often";
constexpr std::string_view kSucceeded = "$transformations_succeeded";
constexpr std::string_view kFailed = "$transformations_failed";
constexpr std::string_view kSkipped = "$transformations_skipped";

/// "Name (id)" at the end of one of the lists.
void note(JsonFields& properties, std::string_view list, const std::string& who) {
  JsonWriter w;
  w.begin_array();
  if (const auto there = properties.find(list); there && json_type(*there) == JsonType::kArray) {
    if (const auto items = event::split_array(*there)) {
      for (const std::string_view item : *items) w.raw(item);
    }
  }
  properties.set(list, w.string(who).end_array().take());
}

std::string with_note(const std::string& text, std::string_view list, const std::string& who) {
  JsonFields properties;
  auto top = JsonFields::parse_with(text, "properties", properties);
  if (!top) return {};
  note(properties, list, who);
  top->set("properties", properties.text());
  return top->text();
}

/// The event with what the program made of it; empty: that is no event.
std::string changed(const std::string& text, const std::string& made, const std::string& who) {
  JsonFields properties;
  const auto got = JsonFields::parse_with(made, "properties", properties);
  auto top = JsonFields::parse(text);
  if (!got || !top) return {};
  const auto kept = got->find("properties");
  if (!kept || json_type(*kept) != JsonType::kObject) return {};
  for (const std::string_view key : {"event", "distinct_id"}) {
    const auto value = got->find(key);
    if (!value) continue;
    if (json_type(*value) != JsonType::kString) return {};
    top->set(key, *value);
  }
  note(properties, kSucceeded, who);
  top->set("properties", properties.text());
  return top->text();
}

HogResult run_one(hog::Machine& machine, const std::shared_ptr<const hog::Program>& program,
                  const hog::HogInputs& inputs, const std::string& event, const std::string& who,
                  TransformationHost& host) {
  hog::Limits limits;
  limits.time_us = kTimeUsMax;
  limits.heap_bytes = kHeapBytesMax;
  limits.async_steps = 0;
  HogResult out;
  const auto failed = [&](std::string why) {
    out.did = HogDid::kFailed;
    out.costly = out.cpu_us >= kTimeUsMax || why.contains(kMemoryUsedUp);
    out.error = std::move(why);
    out.event = with_note(event, kFailed, who);
  };
  hog::JsonGlobals globals;
  globals.add("event", event);
  const int64_t begun_us = host.clock_us();
  const auto values = inputs.values(machine, globals, host, limits);
  const int64_t inputs_us = host.clock_us() - begun_us;
  out.cpu_us = inputs_us;
  if (!values) {
    failed(values.error().message);
    return out;
  }
  globals.add("inputs", *values);
  const hog::Outcome& outcome = machine.run(program, globals, host, limits);
  out.cpu_us = inputs_us + outcome.time_us;
  out.memory_bytes = outcome.heap_bytes_max;
  out.printed = outcome.printed;
  if (!outcome.finished()) {
    failed(outcome.state == hog::Outcome::State::kSuspended
               ? fmt::format("{} cannot be called here", outcome.async_function)
               : outcome.error);
    return out;
  }
  if (!hog::truthy(outcome.result)) {
    out.did = HogDid::kDropped;
    return out;
  }
  try {
    out.event = changed(event, hog::to_json(machine.heap(), outcome.result), who);
  } catch (const hog::Failure& failure) {
    failed(failure.message);
    return out;
  }
  if (out.event.empty()) {
    failed("what it returned is no event: an object with properties");
  } else {
    out.did = HogDid::kSucceeded;
  }
  return out;
}

/// Values of secret fields.
std::vector<std::string> app_secrets(const catalog::EnabledApp& app) {
  std::vector<std::string> out;
  const auto values = JsonFields::parse(app.config.config);
  if (!values) return out;
  for (const catalog::AppField& field : app.app.manifest.fields) {
    const auto raw = field.secret ? values->find(field.key) : std::nullopt;
    if (!raw || json_type(*raw) != JsonType::kString) continue;
    if (std::string secret = event::decode_string(*raw); !secret.empty()) {
      out.push_back(std::move(secret));
    }
  }
  return out;
}

std::string without_secrets(std::string text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3)) {
      text.replace(at, secret.size(), "***");
    }
  }
  return text;
}

/// Whether nothing has changed that the app is made of: a snapshot has new objects for all apps.
bool same(const std::shared_ptr<const catalog::EnabledApp>& a,
          const std::shared_ptr<const catalog::EnabledApp>& b) {
  return a == b ||
         (a != nullptr && b != nullptr && a->files == b->files &&
          a->app.version == b->app.version && a->config.updated_at_ms == b->config.updated_at_ms &&
          a->config.config == b->config.config);
}

void set_error(apps::AppStatus& status, std::string_view message, int64_t now_ms) {
  JsonWriter w;
  w.begin_object().field("message", message).field("time", event::format_rfc3339_ms(now_ms));
  status.error = w.end_object().take();
}

}  // namespace

struct HogApps::Job {
  std::shared_ptr<const catalog::EnabledApp> app;
  std::shared_ptr<const hog::Program> program;
  std::shared_ptr<const apps::Places> places;
  std::shared_ptr<const hog::HogInputs> inputs;
  std::vector<std::string> secrets;
  std::unique_ptr<hog::Machine> machine;
  std::vector<std::string> events;
  size_t passed_by = 0;  // further events, behind those
  std::vector<HogResult> results;
  Done done;

  void work(runtime::Runtime& runtime) {
    TransformationHost host(runtime, places.get());
    const std::string who = transformation_label(*app);
    int costly = 0;
    for (const std::string& event : events) {
      // So many disable it: what is left in the batch need not wait for more of them.
      if (costly >= apps::HealthRule::kCostlyMax) {
        results.push_back({HogDid::kSkipped, "", std::string(kRests)});
        continue;
      }
      results.push_back(run_one(*machine, program, *inputs, event, who, host));
      if (results.back().costly) costly++;
    }
  }
};

HogApps::Ready& HogApps::ready(const std::shared_ptr<const catalog::EnabledApp>& app) {
  Ready& ready = ready_[app->config.id];
  if (same(ready.of, app)) return ready;
  apps::AppStatus status = std::move(ready.status);
  status.config = app->config.id;
  status.error.clear();
  ready = {};
  ready.of = app;
  ready.status = std::move(status);
  ready.secrets = app_secrets(*app);
  auto inputs = hog::HogInputs::compile(app->app.manifest.config_schema, app->config.config);
  if (!inputs) {
    ready.error = inputs.error().sentence();
    set_error(ready.status, ready.error, runtime_.clock().wall_ms());
    return ready;
  }
  ready.inputs = std::make_shared<const hog::HogInputs>(std::move(*inputs));
  const auto source = app->files->find(app->app.manifest.main);
  if (source == app->files->end()) {
    ready.error = "its main file is gone";
    set_error(ready.status, ready.error, runtime_.clock().wall_ms());
    return ready;
  }
  auto compiled = hog::compile(source->second);
  if (compiled) {
    ready.program = compiled->program;
  } else {
    ready.error = hog::explained(source->second, compiled.error(), source->first);
    set_error(ready.status, ready.error, runtime_.clock().wall_ms());
    log(ready, apps::LogEntry::Source::kSystem, apps::LogEntry::Level::kError, ready.error);
  }
  return ready;
}

void HogApps::run(std::shared_ptr<const catalog::EnabledApp> app, std::vector<std::string> events,
                  Done done) {
  auto job = std::make_shared<Job>();
  Ready& of = ready(app);
  job->app = std::move(app);
  job->program = of.program;
  job->places = places_;
  job->inputs = of.inputs;
  job->secrets = of.secrets;
  job->events = std::move(events);
  job->done = std::move(done);
  const int64_t config = job->app->config.id;
  if (job->program == nullptr || !of.rule.admits(runtime_.clock().wall_ms())) {
    for (size_t i = 0; i < job->events.size(); i++) {
      of.status.events++;
      if (job->program != nullptr) {
        job->results.push_back({HogDid::kSkipped, "", std::string(kRests)});
        continue;
      }
      of.status.failed++;
      job->results.push_back({HogDid::kFailed, "", of.error});
    }
    return loop_.post([job] { job->done(std::move(job->results)); });
  }
  // While it rests, an event now and then is let through.
  job->passed_by = of.rule.health() == apps::Health::kDisabled ? job->events.size() - 1 : 0;
  job->events.resize(job->events.size() - job->passed_by);
  if (machines_.empty()) machines_.push_back(std::make_unique<hog::Machine>());
  job->machine = std::move(machines_.back());
  machines_.pop_back();
  const Status submitted =
      runtime_.pool().submit([job, &runtime = runtime_] { job->work(runtime); }, loop_,
                             [this, alive = alive_, config, job] {
                               if (*alive) take(config, *job);
                             });
  if (submitted) return;
  // The pool is full: these events are not held back for it.
  job->results.assign(job->events.size() + job->passed_by,
                      {HogDid::kFailed, "", submitted.error().message});
  loop_.post([job] { job->done(std::move(job->results)); });
}

void HogApps::take(int64_t config, Job& job) {
  machines_.push_back(std::move(job.machine));
  for (HogResult& r : job.results) {
    r.error = without_secrets(std::move(r.error), job.secrets);
    for (std::string& line : r.printed) line = without_secrets(std::move(line), job.secrets);
  }
  if (const auto found = ready_.find(config);
      found != ready_.end() && same(found->second.of, job.app)) {
    Ready& of = found->second;
    for (const HogResult& r : job.results) note(of, r);
    of.status.events += job.passed_by;
  }
  job.results.resize(job.results.size() + job.passed_by,
                     {HogDid::kSkipped, "", std::string(kRests)});
  job.done(std::move(job.results));
}

void HogApps::note(Ready& of, const HogResult& result) {
  apps::AppStatus& status = of.status;
  status.events++;
  status.cpu_us += static_cast<uint64_t>(std::max<int64_t>(result.cpu_us, 0));
  status.memory_bytes = result.memory_bytes;
  for (const std::string& line : result.printed) {
    log(of, apps::LogEntry::Source::kConsole, apps::LogEntry::Level::kLog, line);
  }
  if (result.did == HogDid::kSkipped) return;
  const bool failed = result.did == HogDid::kFailed;
  if (result.did == HogDid::kSucceeded) status.succeeded++;
  if (result.did == HogDid::kDropped) status.dropped++;
  if (failed) {
    status.failed++;
    set_error(status, result.error, runtime_.clock().wall_ms());
    log(of, apps::LogEntry::Source::kPlugin, apps::LogEntry::Level::kError, result.error);
  }
  turn(of, failed, result.costly);
}

/// By the health rule, with a line about what changes for events.
void HogApps::turn(Ready& of, bool failed, bool costly) {
  const int64_t now = runtime_.clock().wall_ms();
  const apps::Health before = of.rule.health();
  const bool turned = failed ? of.rule.failed(now, costly) : of.rule.succeeded(now);
  if (!turned) return;
  if (of.rule.health() == apps::Health::kDisabled) {
    log(of, apps::LogEntry::Source::kSystem, apps::LogEntry::Level::kError,
        "The app used up its time or memory too often: events pass it by; it is tried again at " +
            event::format_rfc3339_ms(of.rule.probe_at_ms()) + ".");
  } else if (before == apps::Health::kDisabled) {
    log(of, apps::LogEntry::Source::kSystem, apps::LogEntry::Level::kInfo,
        "The app is called again.");
  }
}

void HogApps::log(Ready& of, apps::LogEntry::Source source, apps::LogEntry::Level level,
                  std::string message) {
  if (!log_) return;
  const int64_t now = runtime_.clock().wall_ms();
  if (of.log_second != now / 1000) {
    of.log_second = now / 1000;
    of.lines = 0;
  }
  if (of.lines > kLinesPerSecond) return;
  if (of.lines++ == kLinesPerSecond) {
    source = apps::LogEntry::Source::kSystem;
    level = apps::LogEntry::Level::kWarn;
    message = "More than 100 lines a second: the rest is left out.";
  }
  message.resize(std::min(message.size(), kLineBytesMax));
  const catalog::EnabledApp& app = *of.of;
  log_({app.config.project, app.app.id, app.config.id, now, source, level, std::move(message)});
}

apps::AppStatus HogApps::status(const std::shared_ptr<const catalog::EnabledApp>& app) {
  const Ready& of = ready(app);
  apps::AppStatus out = of.status;
  out.health = of.program == nullptr ? apps::Health::kFailed : of.rule.health();
  if (out.health == apps::Health::kDisabled) out.retry_at_ms = of.rule.probe_at_ms();
  return out;
}

void HogApps::reset(int64_t config) {
  const auto found = ready_.find(config);
  if (found == ready_.end()) return;
  found->second.rule.reset();
  if (found->second.program != nullptr) found->second.status.error.clear();
}

void HogApps::keep_only(const std::set<int64_t>& configs) {
  std::erase_if(ready_, [&](const auto& one) { return !configs.contains(one.first); });
}

std::string transformation_label(const catalog::EnabledApp& app) {
  return fmt::format("{} ({})", app.app.manifest.name, app.config.id);
}

std::string with_skipped(const std::string& event, const std::vector<std::string>& labels) {
  JsonFields properties;
  auto top = JsonFields::parse_with(event, "properties", properties);
  if (!top) return event;
  JsonWriter w;
  w.begin_array();
  for (const std::string& label : labels) w.string(label);
  properties.set(kSkipped, w.end_array().take());
  top->set("properties", properties.text());
  return top->text();
}

std::string hog_problem(const std::string& source) {
  hog::CompileOptions options;
  for (const std::string_view name : hog::transformation_functions()) {
    options.functions.emplace(name);
  }
  const auto compiled = hog::compile(source, options);
  if (!compiled) return hog::explained(source, compiled.error());
  if (compiled->unknown_functions.empty()) return {};
  return hog::explained(source, compiled->unknown_functions.front());
}

}  // namespace penstock::ingest
