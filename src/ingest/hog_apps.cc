#include "ingest/hog_apps.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"
#include "event/json_fields.h"
#include "hog/compiler.h"
#include "hog/templates.h"
#include "ingest/transformation_host.h"

namespace penstock::ingest {
namespace {

using event::json_type;
using event::JsonFields;
using event::JsonType;

constexpr int64_t kTimeUsMax = 100'000;  // of one run
constexpr int kOvertimeMax = 5;
constexpr int64_t kRestMs = 30'000;
constexpr size_t kHeapBytesMax = 64U << 20;
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
                  const std::string& inputs, const std::string& event, const std::string& who,
                  TransformationHost& host) {
  hog::JsonGlobals globals;
  globals.add("event", event);
  globals.add("inputs", inputs);
  hog::Limits limits;
  limits.time_us = kTimeUsMax;
  limits.heap_bytes = kHeapBytesMax;
  limits.async_steps = 0;
  const hog::Outcome& outcome = machine.run(program, globals, host, limits);
  HogResult out;
  out.cpu_us = outcome.time_us;
  const auto failed = [&](std::string why) {
    out.did = HogDid::kFailed;
    out.error = std::move(why);
    out.event = with_note(event, kFailed, who);
  };
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

}  // namespace

struct HogApps::Job {
  std::shared_ptr<const catalog::EnabledApp> app;
  std::shared_ptr<const hog::Program> program;
  std::shared_ptr<const apps::Places> places;
  std::unique_ptr<hog::Machine> machine;
  std::vector<std::string> events;
  std::vector<HogResult> results;
  Done done;

  void work(runtime::Runtime& runtime) {
    TransformationHost host(runtime, places.get());
    const std::string who = transformation_label(*app);
    int overtime = 0;
    for (const std::string& event : events) {
      // A program that takes all its time with event after event has had its share.
      if (overtime >= kOvertimeMax) {
        results.emplace_back();
        continue;
      }
      results.push_back(run_one(*machine, program, app->config.config, event, who, host));
      overtime = results.back().cpu_us >= kTimeUsMax ? overtime + 1 : 0;
    }
  }
};

HogApps::Ready& HogApps::ready(const std::shared_ptr<const catalog::EnabledApp>& app) {
  Ready& ready = ready_[app->config.id];
  if (ready.of == app) return ready;
  ready = {};
  ready.of = app;
  const auto source = app->files->find(app->app.manifest.main);
  if (source == app->files->end()) {
    ready.error = "its main file is gone";
    return ready;
  }
  auto compiled = hog::compile(source->second);
  if (compiled) {
    ready.program = compiled->program;
  } else {
    ready.error = hog::explained(source->second, compiled.error(), source->first);
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
  job->events = std::move(events);
  job->done = std::move(done);
  const int64_t config = job->app->config.id;
  const bool rests = of.rests_until_ms > runtime_.clock().wall_ms();
  if (job->program == nullptr || rests) {
    job->results.resize(job->events.size());
    for (HogResult& r : job->results) {
      if (job->program == nullptr) r = {HogDid::kFailed, "", of.error, 0};
    }
    return loop_.post([job] { job->done(std::move(job->results)); });
  }
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
  job->results.resize(job->events.size());
  for (HogResult& r : job->results) r = {HogDid::kFailed, "", submitted.error().message, 0};
  loop_.post([job] { job->done(std::move(job->results)); });
}

void HogApps::take(int64_t config, Job& job) {
  machines_.push_back(std::move(job.machine));
  if (const auto found = ready_.find(config);
      found != ready_.end() && found->second.of == job.app) {
    Ready& of = found->second;
    for (const HogResult& r : job.results) {
      if (r.did == HogDid::kSkipped) continue;
      of.overtime = r.cpu_us >= kTimeUsMax ? of.overtime + 1 : 0;
    }
    if (of.overtime >= kOvertimeMax) {
      of.rests_until_ms = runtime_.clock().wall_ms() + kRestMs;
      of.overtime = kOvertimeMax - 1;  // then one more is enough
    }
  }
  job.done(std::move(job.results));
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
