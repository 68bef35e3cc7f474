#include "simulation/world/destination.h"

#include <chrono>

#include "event/json_fields.h"

namespace penstock::simulation {
namespace {

constexpr apps::ConfigId kConfig = 1;  // of the only app
constexpr uint64_t kAnswerUsMax = 30'000;
constexpr int64_t kSlowUsMax = 25'000'000, kDeadlineUs = 30'000'000;

deliver::Method method_of(apps::Hook hook) {
  return hook == apps::Hook::kExportEvents ? deliver::Method::kExportEvents
                                           : deliver::Method::kOnEvent;
}

Uuid uuid_in(const std::string& event) {
  const auto fields = event::JsonFields::parse(event);
  const auto raw = fields ? fields->find("uuid") : std::nullopt;
  return raw ? Uuid::parse(event::decode_string(*raw)).value_or(Uuid{}) : Uuid{};
}

}  // namespace

SimDestination::SimDestination(Machine& machine, runtime::Runtime& runtime, runtime::Loop& loop)
    : m_(machine), runtime_(runtime), loop_(loop) {
  const int64_t ms = m_.dice.pick<int64_t>({0, 300, 4000});
  loaded_ns_ = runtime_.clock().mono_ns() + ms * 1'000'000;
}

bool SimDestination::loaded() const { return runtime_.clock().mono_ns() >= loaded_ns_; }

std::vector<apps::AppStatus> SimDestination::statuses() const {
  apps::AppStatus status;
  status.config = kConfig;
  if (!loaded()) return {status};
  status.health = apps::Health::kHealthy;
  status.capabilities = R"({"methods":["onEvent","exportEvents"]})";
  return {status};
}

SimDestination::Fate SimDestination::fate_of(size_t events) {
  Fate out;
  out.us = static_cast<int64_t>(m_.faults.dice().below(kAnswerUsMax));
  const auto ends = [&](const char* error) {
    out.failed = out.retried = true;
    out.result.status = fail(Code::kInvalid, error);
    out.result.events.assign(events, {.ok = false, .retry = true, .error = error});
  };
  if (m_.faults.strike(Fault::kAppWorkerDies)) {
    out.failed = out.retried = true;
    out.arrived = m_.faults.dice().percent(50);
    out.result.status = fail(Code::kMaybe, "simulated: another app ended the worker");
  } else if (m_.faults.strike(Fault::kAppHangs)) {
    out.failed = true;
    out.us = kDeadlineUs;
    out.result.status = fail(Code::kTimeout, "simulated: the app used up its time");
  } else if (m_.faults.strike(Fault::kDestinationAway)) {
    ends("simulated: the destination answered 503");
  } else if (m_.faults.strike(Fault::kDestinationBusy)) {
    ends("simulated: the destination answered 429");
  } else if (m_.faults.strike(Fault::kDestinationHalf)) {
    ends("simulated: the connection closed before an answer");
    out.arrived = true;
  } else {
    out.arrived = true;
    out.result.events.assign(events, {.ok = true, .retry = false, .error = {}});
    out.result.succeeded = events;
    if (m_.faults.strike(Fault::kDestinationSlow)) {
      out.us += m_.faults.dice().between(100'000, kSlowUsMax);
    }
  }
  return out;
}

void SimDestination::call(apps::HookCall call, apps::HookDone done) {
  apps::HookResult away;
  away.status = fail(Code::kUnavailable, "simulated: the app is not loaded");
  if (!loaded()) {
    return loop_.post([done = std::move(done), away]() mutable { done(std::move(away)); });
  }
  // It was asked while nobody knew yet what it has: there is nothing to do.
  if (call.hook == apps::Hook::kComposeWebhook) {
    apps::HookResult nothing;
    nothing.events.assign(call.events.size(), {.ok = true, .retry = false, .error = {}});
    return loop_.post([done = std::move(done), nothing]() mutable { done(std::move(nothing)); });
  }
  Fate fate = fate_of(call.events.size());
  // A worker that died was not asked, as far as anyone counts.
  const bool counts = fate.result.status || fate.result.status.error().code != Code::kMaybe;
  for (const std::string& event : call.events) {
    DestinationBooks::Call made;
    made.at_ms = runtime_.clock().wall_ms();
    made.attempt = call.attempt;
    made.life = m_.lives;
    made.counts = counts;
    made.failed = fate.failed;
    made.arrived = fate.arrived;
    made.retried = fate.retried;
    m_.destination.calls[{method_of(call.hook), uuid_in(event)}].push_back(made);
  }
  loop_.after(std::chrono::microseconds(fate.us),
              [done = std::move(done), result = std::move(fate.result)]() mutable {
                done(std::move(result));
              });
}

}  // namespace penstock::simulation
