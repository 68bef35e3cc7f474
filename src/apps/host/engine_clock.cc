// The clock: jobs, whoever put them into an app's queue, and schedules.
#include <chrono>

#include "apps/host/engine.h"
#include "base/json_writer.h"
#include "event/json_fields.h"

namespace penstock::apps {
namespace {

constexpr auto kTick = std::chrono::milliseconds(250);
constexpr size_t kJobsAtOnce = 50;
constexpr int64_t kPutOffMs = 10'000;
constexpr int64_t kFlushMs = 1000, kSweepMs = 60'000;

}  // namespace

void Engine::tick() {
  timer_ = loop_.after(kTick, [this] { tick(); });
  if (stopping_) return;
  look_for_hung();
  look_after_standby();
  const int64_t now = now_ms();
  if (was_set_) run_jobs(now);
  if (options_.schedules) run_schedule(now);
  come_back(now);
  remind(now);
  if (now - swept_ms_ >= kSweepMs) {
    const auto more = state_.sweep(now);
    if (!more || !*more) swept_ms_ = now;
  }
  if (state_.dirty() && now - flushed_ms_ >= kFlushMs) flush_state();
}

void Engine::flush_state() {
  if (flushing_) return;
  flushed_ms_ = now_ms();
  state_.flushed();
  const auto flushed = [this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    flushing_ = false;
    if (stopping_) end();
  };
  flushing_ = runtime_.pool().submit([&kv = kv_] { (void)kv.flush(); }, loop_, flushed).has_value();
}

void Engine::run_jobs(int64_t now_ms) {
  auto due = state_.take_due(now_ms, kJobsAtOnce);
  if (!due) return;
  for (Job& job : *due) {
    const auto slot = slot_of(job.config);
    if (slot == nullptr) {  // no longer enabled
      (void)state_.ran(job);
      continue;
    }
    if (slot->instance == 0 || !slot->health.admits(now_ms)) {
      put_off(std::move(job));
      continue;
    }
    if (is_past_export(*slot, job)) {
      export_past(*slot, job);
      (void)state_.ran(job);
      continue;
    }
    std::string body = job.body;
    run_hook(slot, "job", std::move(body), {},
             [this, alive = std::weak_ptr<int>(alive_),
              job = std::move(job)](const HookResult& result) mutable {
               if (alive.expired()) return;
               // It has not run: its app was not there, or another one ended the worker.
               const Code code = result.status ? Code::kInvalid : result.status.error().code;
               if (code == Code::kUnavailable || code == Code::kMaybe)
                 return put_off(std::move(job));
               (void)state_.ran(job);
             });
  }
}

/// PostHog adds this job to whatever exports events; an app's own one goes before it.
bool Engine::is_past_export(const Slot& slot, const Job& job) const {
  const AppStatus status = status_of(slot, job.config);
  if (!status.has("exportEvents")) return false;
  const auto fields = event::JsonFields::parse(job.body);
  const auto name = fields ? fields->find("name") : std::nullopt;
  return name && event::decode_string(*name) == kPastEventsJob && !status.has_job(kPastEventsJob);
}

void Engine::export_past(Slot& slot, const Job& job) {
  const auto fields = event::JsonFields::parse(job.body);
  const Status begun = sink_.export_past(slot.config.project, job.config,
                                         fields ? fields->find("payload").value_or("{}") : "{}");
  if (begun) return;
  JsonWriter w;
  w.begin_object().field("name", "Error").field("message", begun.error().message).end_object();
  set_error(slot, w.take());
  log(slot, LogEntry::Source::kSystem, LogEntry::Level::kError,
      std::string(kPastEventsJob) + ": " + begun.error().message);
  changed(slot);
}

Status Engine::start_job(ConfigId config, std::string_view name, std::string_view payload) {
  const auto slot = slot_of(config);
  if (slot == nullptr) return fail(Code::kUnavailable, "the app is not enabled");
  JsonWriter w;
  w.begin_object().field("name", name).field("at", now_ms());
  w.key("payload").raw(payload.empty() ? "null" : payload).end_object();
  const AppConfig& of = slot->config;
  const StateOwner owner{config, of.package->plugin_id,
                         of.package->stateless ? 0 : of.project.value};
  PENSTOCK_CHECK(state_.call(owner, "job", w.take(), now_ms()));
  return {};
}

void Engine::put_off(Job job) {
  const Job taken = job;
  job.run_at_ms = now_ms() + kPutOffMs;
  if (state_.put(job)) (void)state_.ran(taken);
}

void Engine::run_schedule(int64_t now_ms) {
  const int64_t minute = now_ms / 60'000;
  if (minute == minute_) return;
  const bool hour = minute / 60 != minute_ / 60, day = minute / 1440 != minute_ / 1440;
  minute_ = minute;
  for (auto& [key, slot] : slots_) {
    if (slot->instance == 0) continue;
    for (const std::string& task : slot->scheduled) {
      const bool now = task == "runEveryMinute" || (task == "runEveryHour" && hour) ||
                       (task == "runEveryDay" && day);
      if (!now || !slot->health.admits(now_ms)) continue;
      if (slot->tasks_running.insert(task).second) run_hook(slot, task, "", {}, nullptr);
    }
  }
}

}  // namespace penstock::apps
