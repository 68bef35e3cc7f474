#include "ingest/hog_apps.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/json_writer.h"
#include "base/metrics.h"
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
constexpr int64_t kTurnUs = 20'000, kWaitsUs = 50'000;
constexpr int kLinesPerSecond = 100;
constexpr size_t kLineBytesMax = 8192;
constexpr std::string_view kMemoryUsedUp = "Memory limit ";  // how the machine says it
constexpr std::string_view kRests = "it rests: it used up its time or memory too often";
constexpr std::string_view kNoTime = "no time was left for it: the batch took too long";
constexpr std::string_view kSucceeded = "$transformations_succeeded";
constexpr std::string_view kFailed = "$transformations_failed";
constexpr std::string_view kSkipped = "$transformations_skipped";

Counter round_metric{"penstock_ingest_hog_round_total",
                     "Times a project's events began to go round others' because its Hog apps "
                     "took long."};

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

struct HogApps::Job final : HogTurns::Task {
  Job(HogApps& of, std::shared_ptr<const catalog::EnabledApp> which, Done then, Waits told)
      : apps(of),
        runtime(of.runtime_),
        alive(of.alive_),
        app(std::move(which)),
        places(of.options_.places),
        left_us(of.options_.deadline_ms * 1000),
        done(std::move(then)),
        waits(std::move(told)) {}

  HogApps& apps;
  runtime::Runtime& runtime;
  std::shared_ptr<bool> alive;
  std::shared_ptr<const catalog::EnabledApp> app;
  std::shared_ptr<const hog::Program> program;
  std::shared_ptr<const apps::Places> places;
  std::shared_ptr<const hog::HogInputs> inputs;
  std::vector<std::string> secrets;
  std::unique_ptr<hog::Machine> machine;
  std::vector<std::string> events;
  size_t passed_by = 0;  // further events, behind those
  std::vector<HogResult> results;
  int costly = 0;
  int64_t left_us, ran_us = 0;
  bool late = false;  // events were left when its time was over
  Done done;
  Waits waits;

  void turns() override {
    if (machine == nullptr) machine = apps.take_machine();
  }
  bool turn() override {
    TransformationHost host(runtime, places.get());
    const std::string who = transformation_label(*app);
    const int64_t begun_us = host.clock_us();
    int64_t took_us = 0;
    while (results.size() < events.size() && took_us < kTurnUs) {
      const std::string& event = events[results.size()];
      if (costly >= apps::HealthRule::kCostlyMax) {
        // So many disable it: what is left in the batch need not wait for more of them.
        results.push_back({HogDid::kSkipped, "", std::string(kRests)});
      } else if (took_us >= left_us) {
        late = true;
        results.push_back({HogDid::kFailed, with_note(event, kFailed, who), std::string(kNoTime)});
      } else {
        results.push_back(run_one(*machine, program, *inputs, event, who, host));
        if (results.back().costly) costly++;
      }
      took_us = host.clock_us() - begun_us;
    }
    left_us -= took_us;
    ran_us += took_us;
    return results.size() == events.size();
  }
  void turned(bool over) override {
    if (!*alive) return;
    apps.machines_.push_back(std::move(machine));
    if (over) return apps.take(*this);
    if (ran_us < kWaitsUs) return;
    apps.go_round(app->config.project);
    if (waits) waits();
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
                  Done done, Waits waits) {
  auto job = std::make_shared<Job>(*this, std::move(app), std::move(done), std::move(waits));
  Ready& of = ready(job->app);
  job->program = of.program;
  job->inputs = of.inputs;
  job->secrets = of.secrets;
  job->events = std::move(events);
  const int64_t now = runtime_.clock().wall_ms();
  const ProjectId project = job->app->config.project;
  const auto round = round_.find(project);
  if (round != round_.end() && round->second.goes(now) && !round->second.is_new(now)) {
    tell(project);
  }
  if (job->program == nullptr || !of.rule.admits(now)) {
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
  turns_.add(std::move(job));
}

void HogApps::go_round(ProjectId project) {
  const int64_t now = runtime_.clock().wall_ms();
  std::erase_if(round_, [&](const auto& one) { return one.second.is_forgotten(now); });
  if (!round_[project].waits(now)) return;  // `run` tells again
  round_metric.add();
  loop_.after(std::chrono::milliseconds(apps::Round::kTellMs), [this, alive = alive_, project] {
    if (*alive) tell(project);
  });
}

void HogApps::tell(ProjectId project) const {
  if (options_.slow) options_.slow(project);
}

bool HogApps::goes_round(const catalog::Project& project) const {
  const int64_t now = runtime_.clock().wall_ms();
  const auto round = round_.find(project.id);
  if (round != round_.end() && round->second.goes(now)) return true;
  // One that was disabled is tried where its event holds up nobody else's.
  return project.apps != nullptr && std::ranges::any_of(*project.apps, [&](const auto& app) {
           const auto found = ready_.find(app->config.id);
           return found != ready_.end() && found->second.rule.health() == apps::Health::kDisabled &&
                  now >= found->second.rule.probe_at_ms();
         });
}

std::unique_ptr<hog::Machine> HogApps::take_machine() {
  if (machines_.empty()) return std::make_unique<hog::Machine>();
  auto machine = std::move(machines_.back());
  machines_.pop_back();
  return machine;
}

void HogApps::take(Job& job) {
  for (HogResult& r : job.results) {
    r.error = without_secrets(std::move(r.error), job.secrets);
    for (std::string& line : r.printed) line = without_secrets(std::move(line), job.secrets);
  }
  if (const auto found = ready_.find(job.app->config.id);
      found != ready_.end() && same(found->second.of, job.app)) {
    Ready& of = found->second;
    for (const HogResult& r : job.results) note(of, r);
    if (job.late) turn(of, true, true);
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
  if (!options_.log) return;
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
  options_.log(
      {app.config.project, app.app.id, app.config.id, now, source, level, std::move(message)});
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
