#include "deliver/stage/lane.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/diag.h"
#include "deliver/event_json.h"
#include "deliver/stage/metrics.h"
#include "deliver/stage/retries.h"

namespace penstock::deliver {
namespace {

constexpr size_t kCallsMax = 32, kExportCallsMax = 2;  // of one lane under way
constexpr int64_t kAwayMs = 1000;                      // before an app that is away is asked again
constexpr int64_t kSayFullMs = 60'000;
// The contract's section 6; larger buffers than an app can take in one call are not filled.
constexpr int64_t kBufferUnits = 1'048'576, kBufferUnitsMax = 8'388'608, kBufferS = 10,
                  kBufferSMax = 600;
constexpr size_t kExportEventsMax = 10'000;  // of one call

std::string text_in(const event::JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  const bool text = raw && event::json_type(*raw) == event::JsonType::kString;
  return text ? event::decode_string(*raw) : std::string(raw.value_or(""));
}

int64_t bounded(const std::string& text, int64_t fallback, int64_t most) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error != std::errc() ? fallback : std::clamp<int64_t>(value, 1, most);
}

std::set<std::string, std::less<>> names_in(std::string_view list) {
  std::set<std::string, std::less<>> out;
  while (!list.empty()) {
    std::string_view name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(name.size() + 1, list.size()));
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (!name.empty()) out.emplace(name);
  }
  return out;
}

apps::Hook hook_of(Method method) {
  switch (method) {
    case Method::kOnEvent: return apps::Hook::kOnEvent;
    case Method::kComposeWebhook: return apps::Hook::kComposeWebhook;
    case Method::kExportEvents: return apps::Hook::kExportEvents;
  }
  return apps::Hook::kOnEvent;
}

}  // namespace

Lane::Lane(const LaneParts& parts, QueueId id, Counted counts)
    : parts_(parts), id_(id), counted_(counts) {}

Status Lane::load() {
  const int64_t now = now_ms();
  return parts_.queue.scan(id_, [this, now](uint64_t number, Waiting waiting) {
    // Nothing waits longer than it was to wait when it was put there, whatever the clock says now.
    const int64_t longest =
        waiting.attempts == 0 ? 0 : wait_before_next(id_.method, waiting.attempts, parts_.options);
    waiting.due_ms = std::min(waiting.due_ms, now + std::max<int64_t>(longest, 0));
    waiting.queued_ms = std::min(waiting.queued_ms, now);
    waiting_[number] = waiting;
    due_.emplace(waiting.due_ms, number);
    bytes_ += waiting.bytes;
    last_ = std::max(last_, number);
  });
}

void Lane::configure(std::shared_ptr<const catalog::EnabledApp> app) {
  app_ = std::move(app);
  const auto values = event::JsonFields::parse(app_->config.config);
  const auto value = [&](std::string_view key) {
    return values ? text_in(*values, key) : std::string();
  };
  buffer_units_ = static_cast<uint64_t>(
      bounded(value("exportEventsBufferBytes"), kBufferUnits, kBufferUnitsMax));
  buffer_ms_ = bounded(value("exportEventsBufferSeconds"), kBufferS, kBufferSMax) * 1000;
  ignored_ = names_in(value("exportEventsToIgnore"));
}

void Lane::add(kv::WriteBatch& batch, const Uuid& event, std::string_view name,
               const std::string& text) {
  if (id_.method == Method::kExportEvents && ignored_.contains(name)) return;
  const int64_t now = now_ms();
  if (waiting_.size() >= parts_.options.queue_events_max ||
      bytes_ + text.size() > parts_.options.queue_bytes_max) {
    Attempt attempt{id_.config, id_.method, now};
    attempt.error = "not called: too many events wait for this app";
    give_up(batch, event, std::move(attempt));
    Queue::put_counts(batch, id_, counted_);
    if (now - said_full_ms_ >= kSayFullMs) {
      said_full_ms_ = now;
      say(fmt::format("{} events wait for {}: further ones are given up until there is room.",
                      waiting_.size(), method_name(id_.method)));
    }
    return;
  }
  Waiting waiting{event, 0, now, now, text.size(), utf16_units(text)};
  const uint64_t number = ++last_;
  Queue::put(batch, id_, number, waiting, text);
  bytes_ += waiting.bytes;
  due_.emplace(waiting.due_ms, number);
  waiting_.emplace(number, waiting);
}

std::vector<uint64_t> Lane::next(int64_t now_ms) const {
  if (due_.empty() || due_.begin()->first > now_ms) return {};
  if (id_.method == Method::kExportEvents) return next_export(now_ms);
  return {due_.begin()->second};
}

/// The next batch, as large as createBuffer would let it become: the oldest events that were tried
/// equally often. Empty: it is neither full nor old enough.
std::vector<uint64_t> Lane::next_export(int64_t now_ms) const {
  std::vector<uint64_t> out;
  uint64_t units = 0;
  int attempts = 0;
  bool full = false;
  for (const auto& [when, number] : due_) {
    if (when > now_ms) break;
    const Waiting& one = waiting_.at(number);
    if (out.empty()) attempts = one.attempts;
    if (one.attempts != attempts) {
      if (attempts == 0) continue;
      break;
    }
    full = !out.empty() && (units + one.units > buffer_units_ || out.size() == kExportEventsMax);
    if (full) break;
    units += one.units;
    out.push_back(number);
  }
  const bool old = now_ms - waiting_.at(out.front()).queued_ms >= buffer_ms_;
  return full || units > buffer_units_ || old || attempts > 0 ? out : std::vector<uint64_t>();
}

/// Times are kept by the wall clock, which has moved: what waits for so long goes on waiting so
/// long.
void Lane::clock_went_back(int64_t by_ms) {
  std::set<std::pair<int64_t, uint64_t>> due;
  for (const auto& [when, number] : due_) due.emplace(when - by_ms, number);
  due_ = std::move(due);
  for (auto& [number, waiting] : waiting_) {
    waiting.due_ms -= by_ms;
    waiting.queued_ms -= by_ms;
  }
  rests_until_ms_ -= by_ms;
  said_full_ms_ -= by_ms;
}

void Lane::pump(int64_t now_ms) {
  if (now_ms < seen_ms_) clock_went_back(seen_ms_ - now_ms);
  seen_ms_ = now_ms;
  if (app_ == nullptr || now_ms < rests_until_ms_) return;
  const size_t most = id_.method == Method::kExportEvents ? kExportCallsMax : kCallsMax;
  while (calls_ < most) {
    const std::vector<uint64_t> numbers = next(now_ms);
    if (numbers.empty() || !call(numbers, now_ms)) return;
  }
}

bool Lane::call(const std::vector<uint64_t>& numbers, int64_t now_ms) {
  auto texts = parts_.queue.texts(id_, numbers);
  if (!texts) {
    diag::warn("events for an app cannot be read", {{"error", texts.error().message}});
    rests_until_ms_ = now_ms + kAwayMs;
    return false;
  }
  Called called;
  apps::HookCall hook;
  hook.config = id_.config;
  hook.hook = hook_of(id_.method);
  for (size_t i = 0; i < numbers.size(); i++) {
    const Waiting& waiting = waiting_.at(numbers[i]);
    due_.erase({waiting.due_ms, numbers[i]});
    hook.attempt = waiting.attempts;
    hook.events.push_back(std::move((*texts)[i]));
  }
  called.events = numbers;
  calls_++;
  parts_.apps.call(std::move(hook), [this, alive = alive_,
                                     called = std::move(called)](const apps::HookResult& result) {
    if (*alive) ended(called, result);
  });
  return true;
}

/// An app that is not there, or whose worker another one ended, has not failed.
void Lane::put_back(const Called& called, int64_t pause_ms) {
  rests_until_ms_ = now_ms() + pause_ms;
  for (const uint64_t number : called.events) due_.emplace(waiting_.at(number).due_ms, number);
}

void Lane::ended(const Called& called, const apps::HookResult& result) {
  calls_--;
  const Code code = result.status ? Code::kInvalid : result.status.error().code;
  if (result.events.empty() && (code == Code::kUnavailable || code == Code::kMaybe)) {
    return put_back(called, kAwayMs);
  }
  kv::WriteBatch batch;
  for (size_t i = 0; i < called.events.size(); i++) {
    apps::HookEvent one;
    if (i < result.events.size()) {
      one = result.events[i];
    } else {
      one.ok = result.status.has_value();
      one.retry = result.retry;
      if (!one.ok) one.error = result.status.error().message;
    }
    end_of(batch, called.events[i], one);
  }
  Queue::put_counts(batch, id_, counted_);
  if (const Status s = parts_.queue.write(batch); !s) {
    // It stays in the store and is called once more after the next start.
    diag::warn("what became of an app's call was not kept", {{"error", s.error().message}});
  }
  pump(now_ms());
}

void Lane::end_of(kv::WriteBatch& batch, uint64_t number, const apps::HookEvent& result) {
  const int64_t now = now_ms();
  Waiting waiting = waiting_.at(number);
  Attempt attempt{id_.config, id_.method, now, waiting.attempts + 1, result.ok, 0, result.error};
  if (result.ok) {
    (waiting.attempts > 0 ? counted_.successes_on_retry : counted_.successes)++;
    metrics::succeeded.add();
    drop(batch, number, waiting);
    parts_.queue.put_attempt(batch, waiting.event, attempt);
    return;
  }
  const int64_t wait =
      result.retry ? wait_before_next(id_.method, attempt.number, parts_.options) : -1;
  if (wait < 0) {
    drop(batch, number, waiting);
    if (waiting.attempts > 0) {
      say(fmt::format("{} for event {} was given up after {} attempts: {}", method_name(id_.method),
                      waiting.event.text(), attempt.number, result.error));
    }
    return give_up(batch, waiting.event, std::move(attempt));
  }
  metrics::retried.add();
  const auto text = parts_.queue.texts(id_, {number});
  waiting.attempts++;
  waiting.due_ms = attempt.next_ms = now + wait;
  waiting_[number] = waiting;
  due_.emplace(waiting.due_ms, number);
  if (text && !text->front().empty()) Queue::put(batch, id_, number, waiting, text->front());
  parts_.queue.put_attempt(batch, waiting.event, attempt);
}

void Lane::give_up(kv::WriteBatch& batch, const Uuid& event, Attempt attempt) {
  counted_.failures++;
  metrics::given_up.add();
  parts_.queue.put_attempt(batch, event, attempt);
}

void Lane::drop(kv::WriteBatch& batch, uint64_t number, const Waiting& waiting) {
  Queue::erase(batch, id_, number);
  bytes_ -= std::min(bytes_, waiting.bytes);
  waiting_.erase(number);
}

void Lane::say(std::string message) {
  if (!parts_.hooks.log || app_ == nullptr) return;
  apps::LogEntry entry;
  entry.project = app_->config.project;
  entry.plugin_id = app_->app.id;
  entry.config = id_.config;
  entry.time_ms = now_ms();
  entry.level = apps::LogEntry::Level::kError;
  entry.message = std::move(message);
  parts_.hooks.log(std::move(entry));
}

DeliveryCounts Lane::counts() const {
  return {id_.config,        id_.method,     counted_.successes, counted_.successes_on_retry,
          counted_.failures, waiting_.size()};
}

}  // namespace penstock::deliver
