#include "main/apps/app_exports.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/codec.h"
#include "base/diag.h"
#include "base/json_writer.h"
#include "deliver/event_json.h"
#include "event/timestamp.h"
#include "main/apps/app_key.h"

namespace penstock::cli {
namespace {

constexpr std::string_view kPrefix = "X";
constexpr int64_t kWindowUs = 600'000'000;  // ten minutes: the contract's
constexpr size_t kPageEvents = 100;
constexpr size_t kPageBytes = 4U << 20;
constexpr int kRepeatedMax = 15;
constexpr int64_t kAwayMs = 3000;  // between looks whether the app can be called again

using Rows = std::vector<store::Cells>;
using store::cell_number;

std::string time_sql(int64_t us) {
  return fmt::format("fromUnixTimestamp64Micro(toInt64({}), 'UTC')", us);
}

/// A uuid, which is all that comes here, has nothing that would end the text.
std::string page_sql(int64_t from_us, const std::string& last_uuid, int64_t to_us) {
  const std::string after = last_uuid.empty()
                                ? std::string()
                                : fmt::format(" AND (timestamp > {} OR toString(uuid) > '{}')",
                                              time_sql(from_us), last_uuid);
  return fmt::format(
      "SELECT {} FROM events WHERE timestamp >= {} AND timestamp < {}{} ORDER BY timestamp, "
      "toString(uuid) LIMIT {}",
      store::kStoredEventColumns, time_sql(from_us), time_sql(to_us), after, kPageEvents);
}

/// As deliver shows a stored event to apps.
std::string event_of(const store::StoredEvent& stored, ProjectId project,
                     std::string_view site_url) {
  event::Outcome outcome;
  outcome.project = project;
  outcome.uuid = stored.uuid;
  outcome.row = stored.row();
  return deliver::event_json(outcome, site_url);
}

}  // namespace

std::string AppExports::encoded(const Export& one) {
  std::string out;
  ByteWriter w(out);
  w.i64(one.project.value);
  w.u8(static_cast<uint8_t>(one.state));
  w.i64(one.from_ms);
  w.i64(one.to_ms);
  w.i64(one.at_us);
  w.bytes(one.last_uuid);
  w.varint(one.exported);
  w.varint(one.failed);
  w.varint(one.passed_over);
  w.varint(static_cast<uint64_t>(one.repeated));
  w.bytes(one.error);
  return out;
}

bool AppExports::decode(std::string_view text, Export& one) {
  ByteReader r(text);
  one.project = ProjectId{r.i64()};
  one.state = static_cast<State>(std::min<uint8_t>(r.u8(), 3));
  one.from_ms = r.i64();
  one.to_ms = r.i64();
  one.at_us = r.i64();
  one.last_uuid = r.bytes();
  one.exported = r.varint();
  one.failed = r.varint();
  one.passed_over = r.varint();
  one.repeated = static_cast<int>(r.varint());
  one.error = r.bytes();
  return r.ok() && r.at_end();
}

Status AppExports::open() {
  PENSTOCK_CHECK(parts_.kept.scan(kPrefix, kv::prefix_end(kPrefix),
                                  [&](std::string_view key, std::string_view value) {
                                    Export one;
                                    if (decode(value, one)) {
                                      one.run = ++runs_;
                                      exports_[config_of(kPrefix, key)] = std::move(one);
                                    }
                                    return true;
                                  }));
  std::vector<int64_t> gone;
  for (const auto& [config, one] : exports_) {
    parts_.exists(config) ? later(config, 0) : gone.push_back(config);
  }
  for (const int64_t config : gone) forget(config);
  return {};
}

Status AppExports::begin(ProjectId project, int64_t config, int64_t from_ms, int64_t to_ms) {
  if (from_ms >= to_ms) return fail(Code::kInvalid, "'from' is before 'to'");
  if (from_ms < 0) return fail(Code::kInvalid, "'from' is after 1970");
  const auto found = exports_.find(config);
  if (found != exports_.end() && found->second.state == State::kRunning) {
    return fail(Code::kConflict, "an export of this app is under way; stop it first");
  }
  const auto is_running = [](const auto& one) { return one.second.state == State::kRunning; };
  if (std::ranges::count_if(exports_, is_running) >= static_cast<ptrdiff_t>(kRunningMax)) {
    return fail(Code::kBusy, fmt::format("{} exports are under way", kRunningMax));
  }
  Export one;
  one.project = project;
  one.from_ms = from_ms;
  one.to_ms = to_ms;
  one.at_us = from_ms * 1000;
  one.run = ++runs_;
  save(config, one);
  exports_[config] = std::move(one);
  parts_.log(config, apps::LogEntry::Level::kInfo,
             fmt::format("export of past events from {} to {} begins",
                         event::format_rfc3339_ms(from_ms), event::format_rfc3339_ms(to_ms)));
  later(config, 0);
  return {};
}

Status AppExports::cancel(int64_t config) {
  const auto found = exports_.find(config);
  if (found == exports_.end() || found->second.state != State::kRunning) {
    return fail(Code::kNotFound, "no export of this app is under way");
  }
  end(config, found->second, State::kCancelled);
  return {};
}

void AppExports::add_to(admin::AppRunStatus& out) const {
  const auto found = exports_.find(out.config);
  if (found == exports_.end()) return;
  const Export& one = found->second;
  constexpr std::array<std::string_view, 4> kNames = {"running", "done", "failed", "cancelled"};
  out.exporting = admin::AppExport{std::string(kNames.at(static_cast<size_t>(one.state))),
                                   one.from_ms,
                                   one.to_ms,
                                   std::clamp(one.at_us / 1000, one.from_ms, one.to_ms),
                                   one.exported,
                                   one.failed,
                                   one.passed_over,
                                   one.repeated,
                                   one.state == State::kRunning ? one.next_ms : 0,
                                   one.error};
}

void AppExports::forget(int64_t config) {
  exports_.erase(config);
  kv::WriteBatch batch;
  batch.erase(app_key(kPrefix, config));
  // Tried again at the next start.
  (void)parts_.kept.write(batch);
}

AppExports::Export* AppExports::running(int64_t config, uint64_t run) {
  const auto found = exports_.find(config);
  if (found == exports_.end() || found->second.run != run) return nullptr;
  return found->second.state == State::kRunning ? &found->second : nullptr;
}

void AppExports::later(int64_t config, int64_t ms) {
  const auto found = exports_.find(config);
  if (found == exports_.end() || found->second.state != State::kRunning) return;
  parts_.loop.after(std::chrono::milliseconds(ms),
                    [this, alive = alive_, config, run = found->second.run] {
                      if (*alive && running(config, run) != nullptr) step(config);
                    });
}

/// The answer's cells are views into it.
void AppExports::ask(int64_t config, std::string sql,
                     std::function<void(Export&, const Rows&)> then) {
  const Export& one = exports_.at(config);
  store::Query query;
  query.id = fmt::format("x{:016x}", parts_.runtime.random().next());
  query.sql = std::move(sql);
  query.project = one.project;
  query.limits.result_rows_max = kPageEvents;
  parts_.store.query(
      std::move(query), [this, alive = alive_, config, run = one.run,
                         then = std::move(then)](const Result<store::QueryResult>& got) {
        if (!*alive) return;
        Export* const now = running(config, run);
        if (now == nullptr) return;
        const auto rows = got ? store::rows_of(*got) : Result<Rows>(std::unexpected(got.error()));
        // The store is away, or is starting: that is nobody's failure.
        if (!rows) return repeat(config, *now, "the store: " + rows.error().message, false);
        then(*now, *rows);
      });
}

void AppExports::step(int64_t config) {
  const Export& one = exports_.at(config);
  const int64_t end_us = std::min(one.to_ms * 1000, one.at_us + kWindowUs);
  if (one.at_us >= one.to_ms * 1000) return end(config, exports_.at(config), State::kDone);
  ask(config, page_sql(one.at_us, one.last_uuid, end_us),
      [this, config, end_us](Export& now, const Rows& rows) {
        auto page = page_of(now.project, rows);
        if (!page) return repeat(config, now, page.error().message, false);
        if (rows.empty()) {
          now.at_us = end_us;
          now.last_uuid.clear();
          return ask_next(config);
        }
        filter(config, std::move(*page));
      });
}

/// Takes out what the app's filters keep from it.
void AppExports::filter(int64_t config, Page page) {
  const Export& one = exports_.at(config);
  auto shared = std::make_shared<Page>(std::move(page));
  auto then = [this, alive = alive_, config, run = one.run, shared](const Status& known) {
    if (!*alive) return;
    Export* const now = running(config, run);
    if (now == nullptr) return;
    if (!known) return repeat(config, *now, known.error().message, false);
    std::erase_if(shared->events, [&](const std::string& event) {
      const auto fields = event::JsonFields::parse(event);
      const bool wanted = fields && parts_.wants(config, *fields);
      if (!wanted) shared->passed_over++;
      return !wanted;
    });
    hand_over(config, *now, std::move(*shared));
  };
  parts_.look_up(config, shared->events, std::move(then));
}

/// Over times without events, in one step.
void AppExports::ask_next(int64_t config) {
  const Export& one = exports_.at(config);
  ask(config,
      fmt::format(
          "SELECT count(), toUnixTimestamp64Micro(min(timestamp)) FROM events WHERE timestamp "
          ">= {} AND timestamp < {}",
          time_sql(one.at_us), time_sql(one.to_ms * 1000)),
      [this, config](Export& now, const Rows& rows) {
        const bool more = rows.size() == 1 && rows[0].size() == 2 && cell_number(rows[0][0]) > 0;
        now.at_us = more ? std::max(now.at_us, cell_number(rows[0][1])) : now.to_ms * 1000;
        save(config, now);
        later(config, 0);
      });
}

Result<AppExports::Page> AppExports::page_of(ProjectId project, const Rows& rows) const {
  Page out;
  size_t bytes = 0;
  for (const store::Cells& cells : rows) {
    PENSTOCK_TRY(const store::StoredEvent stored, store::stored_event(cells));
    std::string event = event_of(stored, project, parts_.site_url);
    if (bytes > 0 && bytes + event.size() > kPageBytes) break;
    bytes += event.size();
    out.last_us = stored.timestamp_us;
    out.last_uuid = stored.uuid.text();
    out.events.push_back(std::move(event));
  }
  return out;
}

void AppExports::hand_over(int64_t config, Export& one, Page page) {
  if (page.events.empty()) return advance(config, one, page);
  JsonWriter w;
  w.begin_object().key("events").begin_array();
  for (const std::string& event : page.events) w.raw(event);
  w.end_array().end_object();
  apps::HookCall call;
  call.config = config;
  call.hook = apps::Hook::kJob;
  call.name = apps::kPastEventsJob;
  call.payload = w.take();
  auto shared = std::make_shared<Page>(std::move(page));
  shared->events = std::vector<std::string>(shared->events.size());
  parts_.engine.call(std::move(call), [this, alive = alive_, config, run = one.run,
                                       shared](const apps::HookResult& result) {
    if (!*alive) return;
    Export* const now = running(config, run);
    if (now == nullptr) return;
    if (result.status) {
      now->exported += shared->events.size();
      now->error.clear();
      return advance(config, *now, *shared);
    }
    const std::string& why = result.status.error().message;
    const Code code = result.status.error().code;
    if (code == Code::kUnavailable || code == Code::kBusy) return repeat(config, *now, why, false);
    if (result.retry || code != Code::kInvalid) return repeat(config, *now, why, true);
    now->failed += shared->events.size();
    now->error = why;
    parts_.log(
        config, apps::LogEntry::Level::kError,
        fmt::format("export of past events: {} events failed: {}", shared->events.size(), why));
    advance(config, *now, *shared);
  });
}

void AppExports::advance(int64_t config, Export& one, const Page& page) {
  one.at_us = page.last_us;
  one.last_uuid = page.last_uuid;
  one.passed_over += page.passed_over;
  one.repeated = 0;
  one.next_ms = 0;
  save(config, one);
  later(config, 0);
}

void AppExports::repeat(int64_t config, Export& one, const std::string& why, bool counts) {
  // Nobody waits for an app that will not come back.
  if (!counts && !parts_.exists(config)) return forget(config);
  one.error = why;
  if (counts && one.repeated >= kRepeatedMax) return end(config, one, State::kFailed);
  const int64_t wait = counts ? parts_.retry_ms << one.repeated : kAwayMs;
  if (counts) one.repeated++;
  one.next_ms = parts_.runtime.clock().wall_ms() + wait;
  save(config, one);
  later(config, wait);
}

void AppExports::end(int64_t config, Export& one, State state) {
  one.state = state;
  one.next_ms = 0;
  save(config, one);
  const std::string counts =
      fmt::format("{} events exported, {} failed, {} passed over by its filters", one.exported,
                  one.failed, one.passed_over);
  const bool failed = state == State::kFailed;
  parts_.log(config, failed ? apps::LogEntry::Level::kError : apps::LogEntry::Level::kInfo,
             fmt::format("export of past events {}: {}{}",
                         failed                  ? "is given up"
                         : state == State::kDone ? "is done"
                                                 : "was stopped",
                         counts, failed ? "; the last error: " + one.error : ""));
}

void AppExports::save(int64_t config, const Export& one) {
  kv::WriteBatch batch;
  batch.put(app_key(kPrefix, config), encoded(one));
  if (const Status s = parts_.kept.write(batch); !s) {
    diag::warn("how far an export of past events has come was not kept",
               {{"error", s.error().message}});
  }
}

}  // namespace penstock::cli
