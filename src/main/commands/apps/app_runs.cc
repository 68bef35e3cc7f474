// Running an app that is only a folder: its fixtures, stored events, and both on every save.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "base/json_writer.h"
#include "main/commands/apps/app_calls.h"
#include "main/commands/apps/app_diff.h"
#include "main/commands/apps/app_folder.h"
#include "main/commands/commands.h"

namespace penstock::cli {
namespace {

constexpr auto kLook = std::chrono::milliseconds(300);
constexpr int kLooksPerEvents = 5;
constexpr int64_t kShownMax = 10;  // events that differ

std::string files_json(const catalog::AppFiles& files) {
  JsonWriter w;
  w.begin_object();
  for (const auto& [path, text] : files) w.field(path, text);
  return w.end_object().take();
}

/// One event through the folder's version.
Result<std::string> try_files(const Instance& instance, const AppArgs& args,
                              const std::string& files, std::string_view config,
                              std::string_view which, std::string_view event) {
  JsonWriter w;
  w.begin_object().key("files").raw(files).key("config").raw(config);
  w.key(which).raw(event).end_object();
  return call_admin(instance, "POST", project_path(args) + "/apps/test", w.take());
}

/// What an answer says became of the event, times and logs left out.
std::string outcome_of(const std::string& answer) {
  const auto fields = event::JsonFields::parse(answer);
  if (!fields) return "";
  return fmt::format("{} {} {}", text_of(*fields, "fate"), fields->find("after").value_or(""),
                     text_of(*fields, "error"));
}

struct Tested {
  bool passed = false;
  int64_t cpu_us = 0;
};

Tested test_one(const Instance& instance, const AppArgs& args, const std::string& files,
                const AppFixture& fixture) {
  const auto ask = [&] {
    return try_files(instance, args, files, fixture.config, "event", fixture.event);
  };
  const auto answer = ask();
  if (!answer) {
    fmt::print("FAIL  {}\n      {}\n", fixture.name, answer.error().message);
    return {};
  }
  std::vector<std::string> wrong = differences(fixture, *answer);
  const auto again = ask();
  // `now` and `timestamp` are made up anew where the fixture gives none.
  const bool given = fixture.event.find("\"timestamp\"") != std::string::npos &&
                     fixture.event.find("\"now\"") != std::string::npos;
  const auto fate = [](const Result<std::string>& r) {
    const auto f =
        r ? event::JsonFields::parse(*r) : Result<event::JsonFields>(event::JsonFields{});
    return f ? text_of(*f, "fate") + std::string(f->find("diff").value_or("")) : std::string();
  };
  const bool same =
      again && (given ? outcome_of(*again) == outcome_of(*answer) : fate(again) == fate(answer));
  if (!same) wrong.emplace_back("a second run answered something else: it is not deterministic");
  Tested out;
  out.passed = wrong.empty();
  if (const auto fields = event::JsonFields::parse(*answer)) {
    out.cpu_us = number_of(*fields, "cpu_us");
  }
  fmt::print("{}  {}  ({} µs of CPU)\n", out.passed ? "ok  " : "FAIL", fixture.name, out.cpu_us);
  for (const std::string& what : wrong) fmt::print("      {}\n", what);
  return out;
}

/// The newest stored events' uuids.
Result<std::vector<std::string>> stored_events(const Instance& instance, const AppArgs& args,
                                               int64_t since_s, int64_t limit) {
  JsonWriter w;
  w.begin_object().field(
      "query", fmt::format("SELECT toString(uuid) FROM events WHERE timestamp > now() - {} "
                           "ORDER BY timestamp DESC LIMIT {}",
                           since_s, limit));
  PENSTOCK_TRY(const std::string body,
               call_admin(instance, "POST", project_path(args) + "/query", w.end_object().take()));
  std::vector<std::string> out;
  for (const std::string& row : results_of(body)) {
    PENSTOCK_TRY(const auto cells, event::split_array(row));
    if (!cells.empty()) out.push_back(event::decode_string(cells.front()));
  }
  return out;
}

Result<int64_t> seconds_of(const std::string& text) {
  size_t digits = 0;
  const int64_t count =
      text.empty() || text[0] < '0' || text[0] > '9' ? 0 : std::stoll(text, &digits);
  const std::string unit = text.substr(digits);
  for (const auto& [name, seconds] :
       {std::pair{"s", 1}, std::pair{"m", 60}, std::pair{"h", 3600}, std::pair{"d", 86400}}) {
    if (unit == name && count > 0) return count * seconds;
  }
  return fail(Code::kInvalid, fmt::format("'{}' is no time such as 30m, 24h or 7d", text));
}

struct Replayed {
  int64_t events = 0, same = 0, differ = 0, gone = 0;
};

/// One stored event through what runs now, if any, and through the folder.
Status replay_one(const Instance& instance, const AppArgs& args, const std::string& files,
                  const std::string& app, const std::string& config_id, const std::string& uuid,
                  Replayed& count) {
  const std::string quoted = '"' + uuid + '"';
  const auto after = try_files(instance, args, files, args.config, "uuid", quoted);
  if (!after && after.error().code == Code::kNotFound) {
    count.gone++;  // the log has deleted it
    return {};
  }
  PENSTOCK_CHECK(after);
  std::string before = "{}";
  if (!app.empty()) {
    PENSTOCK_TRY(
        before,
        call_admin(instance, "POST", fmt::format("{}/apps/{}/test", project_path(args), app),
                   fmt::format(R"({{"uuid":{},"app_config":{}}})", quoted, config_id)));
  }
  const AppDiff diff = side_by_side(uuid, app.empty() ? "" : before, *after);
  count.events++;
  (diff.same ? count.same : count.differ)++;
  if (!diff.same && count.differ <= kShownMax) fmt::print("{}", diff.text);
  return {};
}

/// The app and configuration that run under the folder's name; empty: none.
Result<std::pair<std::string, std::string>> running(const Instance& instance, const AppArgs& args,
                                                    const catalog::AppFiles& files) {
  PENSTOCK_TRY(const auto manifest, catalog::read_app_manifest(files));
  PENSTOCK_TRY(const std::string body,
               call_admin(instance, "GET", project_path(args) + "/app_configs"));
  for (const std::string& raw : results_of(body)) {
    PENSTOCK_TRY(const auto config, event::JsonFields::parse(raw));
    if (text_of(config, "name") != manifest.name) continue;
    return std::pair(text_of(config, "app"), text_of(config, "id"));
  }
  return std::pair<std::string, std::string>();
}

Status replay(const Instance& instance, const AppArgs& args, const catalog::AppFiles& files,
              Replayed& count) {
  PENSTOCK_TRY(const int64_t since_s, seconds_of(args.since));
  PENSTOCK_TRY(const auto uuids, stored_events(instance, args, since_s, args.limit));
  PENSTOCK_TRY(const auto now, running(instance, args, files));
  const std::string json = files_json(files);
  for (const std::string& uuid : uuids) {
    PENSTOCK_CHECK(replay_one(instance, args, json, now.first, now.second, uuid, count));
  }
  return {};
}

void print_count(const Replayed& count) {
  if (count.differ > kShownMax) fmt::print("… and {} more\n", count.differ - kShownMax);
  fmt::print("{} events: {} come out the same, {} differ", count.events, count.same, count.differ);
  if (count.gone > 0) fmt::print("; {} are not in the log any more", count.gone);
  fmt::print("\n");
}

}  // namespace

int test_folder(const Instance& instance, const AppArgs& args, const catalog::AppFiles& files) {
  const auto fixtures = fixtures_of(files);
  if (!fixtures) return complain(fixtures.error().message);
  if (fixtures->empty()) return complain("there are no fixtures: tests/*.json");
  const std::string json = files_json(files);
  size_t passed = 0;
  int64_t most_us = 0;
  for (const AppFixture& fixture : *fixtures) {
    const Tested tested = test_one(instance, args, json, fixture);
    passed += tested.passed ? 1 : 0;
    most_us = std::max(most_us, tested.cpu_us);
  }
  fmt::print("{} passed, {} failed, at most {} µs of CPU for an event\n", passed,
             fixtures->size() - passed, most_us);
  return passed == fixtures->size() ? 0 : 1;
}

int replay_folder(const AppArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto files = read_app_folder(args.target);
  if (!files) return complain(files.error().message);
  Replayed count;
  const Status done = replay(*instance, args, *files, count);
  if (!done) return complain(done.error().message);
  print_count(count);
  return 0;
}

namespace {

/// The folder's version as it was saved: fixtures, then the newest stored events.
class Development {
 public:
  Development(const Instance& instance, const AppArgs& args) : instance_(instance), args_(args) {
    args_.limit = std::min<int64_t>(args.limit, kShownMax);
  }

  void saved(catalog::AppFiles files) {
    files_ = std::move(files);
    fmt::print("── {} ──\n", args_.target);
    if (const auto fixtures = fixtures_of(files_); fixtures && !fixtures->empty()) {
      test_folder(instance_, args_, files_);
    }
    seen_.clear();
    if (show_events()) print_count(count_);
    std::fflush(stdout);
  }
  /// Events that were stored since.
  void look() {
    show_events();
    std::fflush(stdout);
  }

 private:
  bool show_events() {
    count_ = {};
    const Status done = show();
    const std::string told = done ? "" : done.error().message;
    if (!told.empty() && told != told_) fmt::print("{}\n", told);
    told_ = told;
    return done.has_value();
  }
  Status show() {
    PENSTOCK_TRY(const int64_t since_s, seconds_of(args_.since));
    PENSTOCK_TRY(auto uuids, stored_events(instance_, args_, since_s, args_.limit));
    PENSTOCK_TRY(const auto now, running(instance_, args_, files_));
    const std::string json = files_json(files_);
    for (const std::string& uuid : uuids) {
      if (std::ranges::find(seen_, uuid) != seen_.end()) continue;
      PENSTOCK_CHECK(replay_one(instance_, args_, json, now.first, now.second, uuid, count_));
    }
    seen_ = std::move(uuids);
    return {};
  }

  const Instance& instance_;
  AppArgs args_;
  catalog::AppFiles files_;
  std::vector<std::string> seen_;
  Replayed count_;
  std::string told_;  // the last complaint: once is enough
};

}  // namespace

int develop(const AppArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  auto files = read_app_folder(args.target);
  if (!files) return complain(files.error().message);
  Development development(*instance, args);
  development.saved(*files);
  if (args.once) return 0;
  fmt::print("Waiting for a save, and for new events. Ctrl-C ends it.\n");
  std::fflush(stdout);
  for (int looks = 1;; looks++) {
    std::this_thread::sleep_for(kLook);
    auto now = read_app_folder(args.target);
    // An editor may be in the middle of putting a file into place.
    if (now && *now != *files) {
      files = std::move(now);
      development.saved(*files);
    } else if (looks % kLooksPerEvents == 0) {
      development.look();
    }
  }
}

}  // namespace penstock::cli
