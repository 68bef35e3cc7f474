// Frames from workers: hooks' ends, what apps ask of the world.
#include <algorithm>
#include <bit>
#include <charconv>

#include "apps/host/engine.h"
#include "apps/host/metrics.h"
#include "base/codec.h"
#include "base/json_writer.h"
#include "event/json_fields.h"

namespace penstock::apps {
namespace {

constexpr size_t kLogBytesMax = 65536, kNameBytesMax = 256;  // a worker sends less

std::string text_in(const event::JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  if (!raw || event::json_type(*raw) != event::JsonType::kString) return {};
  return event::decode_string(*raw);
}

int64_t number_in(const event::JsonFields& fields, std::string_view key) {
  int64_t out = 0;
  if (const auto raw = fields.find(key)) {
    std::from_chars(raw->data(), raw->data() + raw->size(), out);
  }
  return out;
}

Result<FetchRequest> request_of(std::string_view arguments, std::string_view body) {
  PENSTOCK_TRY(const auto fields, event::JsonFields::parse(arguments));
  FetchRequest request;
  request.url = text_in(fields, "url");
  request.method = text_in(fields, "method");
  request.body = body;
  const bool token =
      !request.method.empty() && request.method.size() < 32 &&
      std::ranges::all_of(request.method, [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!token) return fail(Code::kInvalid, "no such method");
  PENSTOCK_TRY(const auto headers, event::split_array(fields.find("headers").value_or("[]")));
  for (const std::string_view pair : headers) {
    PENSTOCK_TRY(const auto both, event::split_array(pair));
    if (both.size() == 2) {
      request.headers.emplace_back(event::decode_string(both[0]), event::decode_string(both[1]));
    }
  }
  const std::string redirect = text_in(fields, "redirect");
  request.follow = redirect != "manual" && redirect != "error";
  request.refuse = redirect == "error";
  request.redirects_max = static_cast<int>(std::clamp<int64_t>(number_in(fields, "follow"), 0, 20));
  request.timeout_ms = number_in(fields, "timeout");
  return request;
}

/// What a call for events answered: for each of them null or its error.
std::vector<std::string_view> faults_in(std::string_view json, size_t events) {
  const auto fields = event::JsonFields::parse(json);
  const auto list = event::split_array(fields ? fields->find("results").value_or("[]") : "[]");
  std::vector<std::string_view> out;
  if (list) out.assign(list->begin(), list->end());
  out.resize(events, "{}");
  return out;
}

std::string json_of(const FetchAnswer& answer) {
  JsonWriter w;
  w.begin_object().field("status", answer.status).field("statusText", answer.status_text);
  w.field("url", answer.url).field("redirected", answer.redirected).key("headers").begin_array();
  for (const auto& [name, value] : answer.headers) {
    w.begin_array().string(name).string(value).end_array();
  }
  return w.end_array().end_object().take();
}

}  // namespace

void Engine::on_frame(size_t worker, std::string_view body) {
  const auto op = static_cast<FromWorker>(body.front());
  body.remove_prefix(1);
  switch (op) {
    case FromWorker::kLoaded: on_loaded(worker, body); return;
    case FromWorker::kBatchDone: on_batch_done(worker, body); return;
    case FromWorker::kHookDone: on_hook_done(worker, body); return;
    case FromWorker::kHostCall: on_host_call(worker, body); return;
    case FromWorker::kLog: on_log(worker, body); return;
    case FromWorker::kMetric: on_metric(worker, body); return;
    case FromWorker::kBroken: {
      ByteReader r(body);
      const auto slot = slot_of_instance(worker, r.u64());
      if (slot == nullptr || slot->gone) return;
      // The health rule has seen each of its breaches; a new instance is there for the probes.
      slot->instance = 0;
      load(slot);
      return;
    }
  }
}

// ---- Hooks ----

void Engine::call(HookCall call, HookDone done) {
  const auto slot = slot_of(call.config);
  const auto refuse = [&](const char* why) {
    HookResult result;
    result.status = fail(Code::kUnavailable, why);
    loop_.post([result = std::move(result), done = std::move(done)]() mutable {
      done(std::move(result));
    });
  };
  if (slot == nullptr || slot->instance == 0) return refuse("the app is not loaded");
  if (!slot->health.admits(now_ms())) return refuse("the app is disabled for its failures");
  std::string name, payload;
  switch (call.hook) {
    case Hook::kOnEvent: name = "onEvent"; break;
    case Hook::kComposeWebhook: name = "composeWebhook"; break;
    case Hook::kExportEvents:
      name = "exportEvents";
      payload = std::to_string(call.attempt);
      break;
    case Hook::kRunEveryMinute: name = "runEveryMinute"; break;
    case Hook::kRunEveryHour: name = "runEveryHour"; break;
    case Hook::kRunEveryDay: name = "runEveryDay"; break;
    case Hook::kJob: {
      JsonWriter w;
      w.begin_object().field("name", call.name);
      w.key("payload").raw(call.payload.empty() ? "null" : call.payload).end_object();
      name = "job";
      payload = w.take();
      break;
    }
  }
  run_hook(slot, std::move(name), std::move(payload), std::move(call.events), std::move(done));
}

void Engine::run_hook(const std::shared_ptr<Slot>& slot, std::string name, std::string payload,
                      std::vector<std::string> events, HookDone done) {
  WorkerState& state = workers_[slot->worker];
  const uint64_t id = next_id_++;
  std::string frame(1, static_cast<char>(ToWorker::kHook));
  ByteWriter w(frame);
  w.u64(id);
  w.u64(slot->instance);
  w.bytes(name);
  w.bytes(payload);
  w.varint(events.size());
  for (const std::string& event : events) w.bytes(event);
  if (!state.link || !state.link->send(std::move(frame))) {
    slot->tasks_running.erase(name);
    HookResult result;
    result.status = fail(Code::kUnavailable, "no app worker takes it");
    loop_.post([result = std::move(result), done = std::move(done)]() mutable {
      if (done) done(std::move(result));
    });
    return;
  }
  state.hooks[id] = {slot, std::move(name), std::move(done), events.size()};
}

void Engine::on_hook_done(size_t worker, std::string_view operands) {
  ByteReader r(operands);
  const uint64_t id = r.u64();
  const uint64_t instance = r.u64();
  const bool ok = r.u8() != 0;
  const std::string json(r.bytes());
  if (id == 0) {  // unloaded
    const auto gone = instances_.find(instance);
    if (gone == instances_.end() || gone->second.worker != worker) return;
    instances_.erase(gone);
    if (stopping_ && unloading_ > 0 && --unloading_ == 0) end();
    return;
  }
  WorkerState& state = workers_[worker];
  const auto found = state.hooks.find(id);
  if (found == state.hooks.end()) return;
  Hooked hooked = std::move(found->second);
  state.hooks.erase(found);
  HookResult result;
  result.cpu_us = static_cast<int64_t>(r.varint());
  const auto slot = hooked.slot.lock();
  std::string error = ok ? "" : json;
  if (ok && hooked.events > 0) {
    for (const std::string_view fault : faults_in(json, hooked.events)) {
      HookEvent& one = result.events.emplace_back();
      one.ok = fault == "null";
      if (one.ok) {
        result.succeeded++;
        continue;
      }
      const auto fields = event::JsonFields::parse(fault);
      one.error = fields ? text_in(*fields, "name") + ": " + text_in(*fields, "message") : "failed";
      if (slot) one.error = redacted(*slot, one.error);
      one.retry = fields && fields->contains("retry");
      if (error.empty()) error = fault;
    }
  }
  if (!error.empty()) {
    const auto fields = event::JsonFields::parse(error);
    const std::string name = fields ? text_in(*fields, "name") : "Error";
    const std::string message =
        name + ": " + (fields ? text_in(*fields, "message") : std::string(error));
    const bool late = fields && fields->contains("timed_out");
    const bool away = name == "UnavailableError";  // it is being loaded: nobody's failure
    result.retry = name == "RetryError";
    result.status = fail(away   ? Code::kUnavailable
                         : late ? Code::kTimeout
                                : Code::kInvalid,
                         slot ? redacted(*slot, message) : message);
    if (slot && !away) {
      set_error(*slot, error);
      log(*slot, LogEntry::Source::kPlugin, LogEntry::Level::kError, message);
      note(slot, false, late, now_ms());
      changed(*slot);
      if (late && worker != apart_worker()) {
        set_apart(slot->config.project, "a call took too long");
      }
    }
  } else if (slot) {
    note(slot, true, false, now_ms());
  }
  if (slot) {
    slot->tasks_running.erase(hooked.name);
    if (hooked.name == "job") sink_.ran(slot->config.id, "job", error.empty());
    if (hooked.name.starts_with("runEvery")) {
      sink_.ran(slot->config.id, "scheduledTask", error.empty());
    }
  }
  if (hooked.done) hooked.done(std::move(result));
}

void Engine::try_out(AppConfig candidate, std::string event_json, TryOptions options,
                     TryDone done) {
  struct Try {
    std::string json;
    std::vector<LogEntry> logs;
    TryDone done;
  };
  auto attempt = std::make_shared<Try>();
  attempt->json = std::move(event_json);
  attempt->done = std::move(done);
  const std::string key = "t" + std::to_string(next_id_++);
  auto slot = std::make_shared<Slot>(key, std::move(candidate), options_);
  slot->worker = apart_worker();  // nobody waits behind what is only tried
  slot->captured = &attempt->logs;
  slot->trial = options;
  tries_[key] = slot;
  const auto end = [this, key, attempt](Result<AppResult> result) {
    const auto over = std::move(tries_[key]);
    tries_.erase(key);
    over->captured = nullptr;
    over->gone = true;
    if (over->instance != 0) unload(over->worker, over->instance);
    attempt->done(std::move(result), std::move(attempt->logs));
  };
  slot->loaded = [this, slot = slot.get(), attempt, end](Status loaded) {
    if (!loaded) {
      loop_.post([end, error = loaded.error()] { end(std::unexpected(error)); });
      return;
    }
    if (slot->trial.only_compile) return loop_.post([end] { end(AppResult{}); });
    auto pending = std::make_shared<Pending>();
    pending->events.push_back({slot->config.project, attempt->json});
    pending->options.diffs = true;
    pending->results.resize(1);
    pending->parts_left = 1;
    pending->done = [end](std::vector<AppResult> results) { end(std::move(results.front())); };
    auto part = std::make_unique<Part>();
    part->pending = std::move(pending);
    part->indexes = {0};
    part->only = tries_.at(slot->key);
    send_part(slot->worker, std::move(part));
  };
  load(slot);
}

// ---- What apps ask for ----

namespace {

/// What a dry run is told in place of doing it; nothing: it only reads.
std::optional<Result<std::string>> dry_answer(std::string_view op) {
  constexpr std::array kReads = {"storage.get", "cache.get", "cache.lrange", "cache.llen"};
  constexpr std::array kPretended = {"storage.set", "storage.del", "cache.set",
                                     "cursor.init", "capture",     "job"};
  if (std::ranges::find(kReads, op) != kReads.end()) return std::nullopt;
  if (std::ranges::find(kPretended, op) != kPretended.end()) return "null";
  if (op == "cache.expire") return "true";
  return fail(Code::kDenied, std::string(op) + " is not done in a dry run");
}

}  // namespace

void Engine::reply(size_t worker, uint64_t instance, uint64_t id, Result<std::string> json,
                   std::string_view body) {
  std::string frame(1, static_cast<char>(ToWorker::kReply));
  ByteWriter w(frame);
  w.u64(instance);
  w.u64(id);
  w.u8(json ? 1 : 0);
  w.bytes(json ? *json : json.error().message);
  w.bytes(body);
  if (workers_[worker].link) workers_[worker].link->send(std::move(frame));
}

void Engine::on_host_call(size_t worker, std::string_view operands) {
  ByteReader r(operands);
  const uint64_t instance = r.u64();
  const uint64_t id = r.u64();
  const std::string_view op = r.bytes();
  const std::string_view arguments = r.bytes();
  const std::string_view body = r.bytes();
  const auto slot = slot_of_instance(worker, instance);
  if (slot == nullptr) return;
  if (slot->trial.dry) {
    if (auto answer = dry_answer(op)) return reply(worker, instance, id, std::move(*answer), {});
  }
  if (op == "fetch") return fetch(worker, slot, instance, id, arguments, body);
  const AppConfig& config = slot->config;
  if (AppState::handles(op)) {
    const StateOwner owner{config.id, config.package->plugin_id,
                           config.package->stateless ? 0 : config.project.value};
    return reply(worker, instance, id, state_.call(owner, op, arguments, now_ms()), {});
  }
  if (op == "capture") {
    if (config.package->stateless) {
      return reply(worker, instance, id,
                   fail(Code::kInvalid, "a stateless app has no project to capture into"), {});
    }
    const Status taken = sink_.capture(config.project, std::string(arguments));
    return reply(worker, instance, id,
                 taken ? Result<std::string>("null") : std::unexpected(taken.error()), {});
  }
  reply(worker, instance, id, fail(Code::kInvalid, "there is no " + std::string(op)), {});
}

void Engine::fetch(size_t worker, const std::shared_ptr<Slot>& slot, uint64_t instance, uint64_t id,
                   std::string_view arguments, std::string_view body) {
  metrics::fetches.add();
  auto request = request_of(arguments, body);
  if (!request) {
    return reply(worker, instance, id,
                 fail(Code::kInvalid, "TypeError: " + request.error().message), {});
  }
  fetcher_->fetch(
      std::move(*request), [this, worker, instance, id, slot,
                            alive = std::weak_ptr<int>(alive_)](Result<FetchAnswer> answer) {
        if (alive.expired()) return;
        if (answer) return reply(worker, instance, id, json_of(*answer), answer->body);
        if (answer.error().code == Code::kDenied) metrics::fetches_denied.add();
        reply(worker, instance, id,
              fail(answer.error().code,
                   (answer.error().code == Code::kInvalid ? "TypeError: " : "FetchError: ") +
                       redacted(*slot, answer.error().message)),
              {});
      });
}

void Engine::on_log(size_t worker, std::string_view operands) {
  ByteReader r(operands);
  const auto slot = slot_of_instance(worker, r.u64());
  const uint8_t source = r.u8(), level = r.u8();
  const std::string_view text = r.bytes();
  const bool known = source <= static_cast<uint8_t>(LogEntry::Source::kConsole) &&
                     level <= static_cast<uint8_t>(LogEntry::Level::kError);
  if (slot == nullptr || !r.ok() || !known || text.size() > kLogBytesMax) return;
  log(*slot, static_cast<LogEntry::Source>(source), static_cast<LogEntry::Level>(level),
      std::string(text));
}

void Engine::on_metric(size_t worker, std::string_view operands) {
  ByteReader r(operands);
  const auto slot = slot_of_instance(worker, r.u64());
  const std::string_view name = r.bytes();
  const std::string_view kind = r.bytes();
  const auto value = std::bit_cast<double>(r.u64());
  if (slot && r.ok() && slot->captured == nullptr && name.size() <= kNameBytesMax) {
    sink_.metric(slot->config.id, name, kind, value);
  }
}

}  // namespace penstock::apps
