#include "apps/host/engine.h"

#include <algorithm>

#include "apps/host/metrics.h"
#include "apps/places.h"
#include "apps/plugin_lists.h"
#include "base/codec.h"
#include "base/json_writer.h"
#include "event/json_fields.h"
#include "event/timestamp.h"

namespace penstock::apps {
namespace {

constexpr int kLoadAttemptsMax = 10;
constexpr int64_t kSharedLoadCpuMs = 300;
constexpr auto kTick = std::chrono::milliseconds(250);
constexpr auto kStopMax = std::chrono::seconds(5);
constexpr auto kAwaitMax =
    std::chrono::seconds(3);  // then events pass an app that is not there yet

std::vector<std::string> names_in(const event::JsonFields& fields, std::string_view key) {
  std::vector<std::string> out;
  if (const auto list = event::split_array(fields.find(key).value_or("[]"))) {
    for (const std::string_view name : *list) out.push_back(event::decode_string(name));
  }
  return out;
}

std::string message_of(std::string_view error_json) {
  const auto fields = event::JsonFields::parse(error_json);
  if (!fields) return std::string(error_json);
  return event::decode_string(fields->find("message").value_or("\"\""));
}

bool takes_too_long(std::string_view error_json) {
  const auto fields = event::JsonFields::parse(error_json);
  return fields && fields->contains("timed_out");
}

bool same_app(const AppConfig& a, const AppConfig& b) {
  return a.version == b.version && a.package == b.package;
}

}  // namespace

Engine::Engine(runtime::Runtime& runtime, runtime::Loop& loop, runtime::Poller& poller,
               kv::KeyValue& state, AppSink& sink, AppsOptions options, AllowedHosts allowed)
    : runtime_(runtime),
      loop_(loop),
      poller_(poller),
      kv_(state),
      state_(state),
      sink_(sink),
      options_(std::move(options)) {
  limits_.memory_bytes = options_.memory_bytes_max;
  limits_.cpu_ms = limits_.event_cpu_ms = options_.cpu_ms_max;
  limits_.load_cpu_ms = options_.load_cpu_ms_max;
  limits_.task_ms = options_.task_ms_max;
  limits_.event_bytes = options_.event_bytes_max;
  fetcher_ = Fetcher::make(loop, poller, std::move(allowed),
                           {options_.fetch_ms_max, options_.fetch_bytes_max, options_.fetches_max});
  workers_.resize(std::max<size_t>(options_.workers, 1) + 1);  // the last: apart_worker
}

Engine::~Engine() {
  if (timer_ != 0) loop_.cancel(timer_);
  for (WorkerState& worker : workers_) {
    if (worker.link) worker.link->forget();
  }
}

Status Engine::start() {
  started_ = true;
  minute_ = now_ms() / 60'000;
  PENSTOCK_CHECK(state_.take_back());
  for (auto& [key, slot] : slots_) {
    if (slot->instance == 0 && slot->loading == 0) load(slot);
  }
  tick();
  return {};
}

void Engine::stop(std::move_only_function<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  for (auto& [key, slot] : slots_) {
    if (slot->instance == 0) continue;
    unloading_++;
    unload(slot->worker, std::exchange(slot->instance, 0));
  }
  const auto finish = [this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    unloading_ = 0;
    end();
  };
  if (unloading_ == 0) return loop_.post(finish);
  loop_.after(kStopMax, finish);
}

/// Once nothing is unloaded and nobody in the pool writes the state any more.
void Engine::end() {
  if (!stopped_ || unloading_ > 0 || flushing_) return;
  for (WorkerState& worker : workers_) {
    if (worker.link) worker.link->forget();
  }
  standby_.reset();
  (void)kv_.flush();
  loop_.post([done = std::exchange(stopped_, nullptr)]() mutable { done(); });
}

std::string Engine::key_of(const AppConfig& config) const {
  return config.package->stateless ? "p" + std::to_string(config.package->plugin_id) + "@" +
                                         std::to_string(worker_of(config.project))
                                   : "c" + std::to_string(config.id);
}

std::shared_ptr<Slot> Engine::slot_of(ConfigId config) const {
  const auto found = by_config_.find(config);
  return found == by_config_.end() ? nullptr : found->second;
}

std::shared_ptr<Slot> Engine::slot_of_instance(size_t worker, uint64_t instance) const {
  const auto found = instances_.find(instance);
  if (found == instances_.end() || found->second.worker != worker) return nullptr;
  return found->second.slot.lock();
}

void Engine::set(std::vector<AppConfig> enabled) {
  std::ranges::sort(enabled, [](const AppConfig& a, const AppConfig& b) {
    return std::pair(a.order, a.id) < std::pair(b.order, b.id);
  });
  configs_ = std::move(enabled);
  was_set_ = true;
  by_config_.clear();
  by_project_.clear();
  std::set<std::string> wanted;
  for (size_t i = 0; i < configs_.size(); i++) {
    const AppConfig& config = configs_[i];
    by_project_[config.project.value].push_back(i);
    const std::string key = key_of(config);
    const bool first = wanted.insert(key).second;
    std::shared_ptr<Slot>& slot = slots_[key];
    if (slot == nullptr) {
      slot = std::make_shared<Slot>(key, config, options_);
      slot->worker = worker_of(config.project);
      if (started_) load(slot);
    } else if (const bool moves = slot->worker != worker_of(config.project);
               first && (moves || !same_app(slot->config, config))) {
      if (!same_app(slot->config, config)) {
        slot->config = config;
        slot->attempts = 0;
        slot->failed = false;
        slot->health.reset();
      }
      if (moves) leave(slot);
      slot->worker = worker_of(config.project);
      if (started_ && !slot->failed) load(slot);
    } else if (first) {
      slot->config.order = config.order;
    }
    by_config_[config.id] = slot;
  }
  for (auto at = slots_.begin(); at != slots_.end();) {
    if (wanted.contains(at->first)) {
      ++at;
      continue;
    }
    retire(at->second);
    at = slots_.erase(at);
  }
  for (size_t i = 0; i < workers_.size(); i++) {
    if (!workers_[i].restarting) send_held(i);
  }
}

/// The worker that it is in; what waits for it goes with it.
void Engine::leave(const std::shared_ptr<Slot>& slot) {
  for (uint64_t* instance : {&slot->instance, &slot->loading}) {
    if (*instance == 0) continue;
    workers_[slot->worker].awaited.erase(*instance);
    unload(slot->worker, std::exchange(*instance, 0));
  }
}

void Engine::retire(const std::shared_ptr<Slot>& slot) {
  slot->gone = true;
  for (const uint64_t instance : {slot->instance, slot->loading}) {
    if (instance == 0) continue;
    workers_[slot->worker].awaited.erase(instance);
    unload(slot->worker, instance);
  }
  log(*slot, LogEntry::Source::kSystem, LogEntry::Level::kInfo, "Plugin unloaded.");
  send_held(slot->worker);
}

void Engine::unload(size_t worker, uint64_t instance) {
  std::string frame(1, static_cast<char>(ToWorker::kUnload));
  ByteWriter(frame).u64(instance);
  if (workers_[worker].link) workers_[worker].link->send(std::move(frame));
}

/// Begins an attempt; what runs already goes on until it succeeded.
void Engine::load(const std::shared_ptr<Slot>& slot) {
  WorkerState& worker = workers_[slot->worker];
  slot->retry_at_ms = 0;
  if (slot->loading != 0) {
    worker.awaited.erase(slot->loading);
    unload(slot->worker, slot->loading);
  }
  slot->loading = next_id_++;
  instances_[slot->loading] = {slot, slot->worker};
  if (slot->instance == 0 && slot->attempts == 0) {
    worker.awaited.insert(slot->loading);
    loop_.after(kAwaitMax, [this, alive = std::weak_ptr<int>(alive_), at = slot->worker,
                            instance = slot->loading] {
      if (!alive.expired() && workers_[at].awaited.erase(instance) > 0) send_held(at);
    });
  }
  if (!worker.link || !worker.link->running()) {
    if (auto spawned = spawn(slot->worker); !spawned) {
      JsonWriter error;
      error.begin_object().field("name", "Error").field("message", spawned.error().message);
      return load_failed(slot, error.end_object().take());
    }
  }
  VmSpec spec;
  const AppConfig& config = slot->config;
  spec.config = config.id;
  spec.plugin = config.package->plugin_id;
  spec.version = config.version;
  spec.name = config.package->name;
  spec.site_url = options_.site_url;
  spec.files = config.package->files;
  spec.main = config.package->main;
  spec.only_compile = slot->trial.only_compile;
  spec.config_json = "{}";
  if (!config.package->stateless) {
    spec.project = config.project.value;
    spec.token = config.project_token;
    spec.config_json = config.config_json;
    spec.attachments = config.attachments;
  }
  std::string frame(1, static_cast<char>(ToWorker::kLoad));
  ByteWriter w(frame);
  w.u64(slot->loading);
  std::string text;
  VmLimits limits = limits_;
  if (slot->worker != apart_worker()) {
    limits.shared = true;
    limits.event_cpu_ms = std::min(limits.event_cpu_ms, options_.shared_cpu_ms_max);
    limits.load_cpu_ms = std::min(limits.load_cpu_ms, kSharedLoadCpuMs);
  }
  encode(limits, text);
  w.bytes(text);
  text.clear();
  encode(spec, text);
  w.bytes(text);
  if (!worker.link->send(std::move(frame))) {
    load_failed(slot, R"({"name":"Error","message":"the app is too large to be loaded"})");
  }
}

void Engine::on_loaded(size_t worker, std::string_view operands) {
  ByteReader r(operands);
  const uint64_t instance = r.u64();
  const bool ok = r.u8() != 0;
  const std::string_view json = r.bytes();
  const auto slot = slot_of_instance(worker, instance);
  if (slot == nullptr || slot->gone) return;
  if (slot->loading != instance) {
    if (slot->instance == instance && !ok) {  // it was made anew, and that failed
      slot->instance = 0;
      load_failed(slot, std::string(json));
    }
    return;
  }
  if (ok) {
    now_loaded(slot, instance, json);
  } else if (slot->worker != apart_worker() && takes_too_long(json)) {
    set_apart(slot->config.project, "an app takes long to load");
  } else {
    load_failed(slot, std::string(json));
  }
}

void Engine::now_loaded(const std::shared_ptr<Slot>& slot, uint64_t instance,
                        std::string_view json) {
  if (slot->instance != 0) unload(slot->worker, slot->instance);
  slot->instance = instance;
  slot->loading = 0;
  slot->attempts = 0;
  AppStatus& status = slot->status;
  status.error.clear();
  if (const auto fields = event::JsonFields::parse(json)) {
    const auto methods = names_in(*fields, "methods");
    const auto has = [&](std::string_view name) {
      return std::ranges::find(methods, name) != methods.end();
    };
    status.filters_events = has("processEvent") || has("processEventBatch");
    JsonWriter w;
    w.begin_object();
    for (const char* key : {"methods", "scheduled_tasks", "jobs"}) {
      w.key(key).raw(fields->find(key).value_or("[]"));
    }
    status.capabilities = w.end_object().take();
    status.metrics = fields->find("metrics").value_or("{}");
    slot->scheduled = names_in(*fields, "scheduled");
  }
  if (slot->captured == nullptr) {
    log(*slot, LogEntry::Source::kSystem, LogEntry::Level::kInfo, "Plugin loaded.");
  }
  changed(*slot);
  workers_[slot->worker].awaited.erase(instance);
  send_held(slot->worker);
  if (slot->loaded) std::exchange(slot->loaded, nullptr)({});
}

void Engine::load_failed(const std::shared_ptr<Slot>& slot, const std::string& error_json) {
  WorkerState& worker = workers_[slot->worker];
  worker.awaited.erase(std::exchange(slot->loading, 0));
  set_error(*slot, error_json);
  const std::string message = redacted(*slot, message_of(error_json));
  if (slot->loaded) {  // a try has one attempt
    std::exchange(slot->loaded, nullptr)(fail(Code::kInvalid, message));
    return;
  }
  slot->attempts++;
  if (slot->attempts >= kLoadAttemptsMax) {
    slot->failed = true;
    if (slot->instance != 0) unload(slot->worker, std::exchange(slot->instance, 0));
    log(*slot, LogEntry::Source::kSystem, LogEntry::Level::kError,
        "Plugin failed to load and was disabled after " + std::to_string(slot->attempts) +
            " tries: " + message);
  } else {
    const int64_t wait = options_.load_retry_ms << (slot->attempts - 1);
    slot->retry_at_ms = now_ms() + wait;
    log(*slot, LogEntry::Source::kSystem, LogEntry::Level::kError,
        "Plugin failed to load, retrying in " + std::to_string((wait + 999) / 1000) +
            " s: " + message);
    loop_.after(std::chrono::milliseconds(wait),
                [this, alive = std::weak_ptr<int>(alive_), weak = std::weak_ptr<Slot>(slot)] {
                  const auto again = alive.expired() ? nullptr : weak.lock();
                  if (again && !again->gone && !again->failed && again->loading == 0 &&
                      again->attempts > 0 && !stopping_) {
                    load(again);
                  }
                });
  }
  changed(*slot);
  send_held(slot->worker);
}

bool Engine::transforms(ProjectId project) const {
  const auto found = by_project_.find(project.value);
  if (found == by_project_.end()) return false;
  return std::ranges::any_of(found->second, [&](size_t at) {
    const auto slot = slot_of(configs_[at].id);
    return slot && (slot->status.filters_events || (slot->instance == 0 && !slot->failed));
  });
}

void Engine::reset(ConfigId config) {
  const auto slot = slot_of(config);
  if (slot == nullptr) return;
  slot->health.reset();
  slot->failed = false;
  slot->attempts = 0;
  if (slot->instance == 0) load(slot);
  changed(*slot);
}

AppStatus Engine::status_of(const Slot& slot, ConfigId config) const {
  AppStatus out = slot.status;
  out.config = config;
  out.attempts = slot.attempts;
  out.health = slot.health.health();
  out.retry_at_ms = out.health == Health::kDisabled ? slot.health.probe_at_ms() : 0;
  if (slot.failed) {
    out.health = Health::kFailed;
  } else if (slot.instance == 0) {
    out.health = Health::kLoading;
    out.retry_at_ms = slot.retry_at_ms;
  }
  return out;
}

std::vector<AppStatus> Engine::statuses() const {
  std::vector<AppStatus> out;
  for (const AppConfig& config : configs_) {
    if (const auto slot = slot_of(config.id)) out.push_back(status_of(*slot, config.id));
  }
  return out;
}

void Engine::changed(const Slot& slot) {
  if (slot.captured == nullptr) sink_.changed(status_of(slot, slot.config.id));
}

std::string Engine::redacted(const Slot& slot, std::string text) const {
  for (const std::string& secret : slot.config.secrets) {
    if (secret.empty()) continue;
    for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3)) {
      text.replace(at, secret.size(), "***");
    }
  }
  return text;
}

void Engine::log(Slot& slot, LogEntry::Source source, LogEntry::Level level, std::string message) {
  LogEntry entry{slot.config.project,
                 slot.config.package->plugin_id,
                 slot.config.id,
                 now_ms(),
                 source,
                 level,
                 redacted(slot, std::move(message))};
  if (slot.captured != nullptr) {
    if (slot.captured->size() < 1000) slot.captured->push_back(std::move(entry));
  } else {
    sink_.log(std::move(entry));
  }
}

/// As posthog_pluginconfig.error: {message, time, name, stack}.
void Engine::set_error(Slot& slot, std::string_view error_json) {
  JsonWriter w;
  w.begin_object();
  if (const auto fields = event::JsonFields::parse(error_json)) {
    for (const char* key : {"message", "name", "stack"}) {
      if (const auto raw = fields->find(key)) w.key(key).raw(*raw);
    }
  }
  w.field("time", event::format_rfc3339_ms(now_ms()));
  slot.status.error = redacted(slot, w.end_object().take());
}

void Engine::note(const std::shared_ptr<Slot>& slot, bool ok, bool costly, int64_t now_ms) {
  const Health before = slot->health.health();
  const bool turned = ok ? slot->health.succeeded(now_ms) : slot->health.failed(now_ms, costly);
  if (!turned) return;
  const Health after = slot->health.health();
  if (after == Health::kDisabled) {
    log(*slot, LogEntry::Source::kSystem, LogEntry::Level::kError,
        "The app used up its time or memory too often: events pass it by; it is tried again at " +
            event::format_rfc3339_ms(slot->health.probe_at_ms()) + ".");
  } else if (before == Health::kDisabled) {
    log(*slot, LogEntry::Source::kSystem, LogEntry::Level::kInfo, "The app is called again.");
  }
  changed(*slot);
}

Result<std::unique_ptr<Apps>> make_apps(runtime::Runtime& runtime, runtime::Loop& loop,
                                        runtime::Poller& poller, kv::KeyValue& state, AppSink& sink,
                                        AppsOptions options) {
  PENSTOCK_TRY(AllowedHosts allowed, AllowedHosts::parse(options.allow_private_hosts));
  if (!options.geoip_file.empty()) PENSTOCK_CHECK(Places::open(options.geoip_file));
  if (options.binary.empty()) options.binary = "/proc/self/exe";
  return std::unique_ptr<Apps>(std::make_unique<Engine>(runtime, loop, poller, state, sink,
                                                        std::move(options), std::move(allowed)));
}

}  // namespace penstock::apps
