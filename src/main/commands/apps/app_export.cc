// penstock app export: past events for an app's exportEvents, with a bar that shows how far it is.
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <thread>

#include "base/json_writer.h"
#include "event/json_fields.h"
#include "main/commands/apps/app_calls.h"
#include "main/commands/commands.h"

namespace penstock::cli {
namespace {

constexpr auto kExportPoll = std::chrono::milliseconds(500);
constexpr int kBarCells = 30;

struct Progress {
  std::string state, line;
};

Result<Progress> export_progress(const Instance& instance, const std::string& path) {
  PENSTOCK_TRY(const std::string body, call_admin(instance, "GET", path));
  PENSTOCK_TRY(const auto config, event::JsonFields::parse(body));
  const auto status = event::JsonFields::parse(config.find("status").value_or("{}"));
  const auto one = status ? event::JsonFields::parse(status->find("export").value_or("{}"))
                          : Result<event::JsonFields>(event::JsonFields());
  // Not seen yet by what answers.
  if (!one || !one->contains("state")) return Progress{"running", ""};
  double share = 0;
  const std::string_view raw = one->find("share").value_or("0");
  std::from_chars(raw.data(), raw.data() + raw.size(), share);
  const int full = static_cast<int>(share * kBarCells);
  std::string bar;
  for (int i = 0; i < kBarCells; i++) bar += i < full ? "█" : "░";
  const std::string error = text_of(*one, "error");
  return Progress{
      text_of(*one, "state"),
      fmt::format("{} {:>3.0f} %  {} exported, {} failed, at {}{}", bar, share * 100,
                  text_of(*one, "exported"), text_of(*one, "failed"), text_of(*one, "at"),
                  error.empty() || error == "null" ? "" : "  (" + error + ")")};
}

int follow_export(const Instance& instance, const std::string& path) {
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  for (;;) {
    const auto now = export_progress(instance, path);
    if (!now) return complain(now.error().message);
    const bool ends = now->state != "running";
    if (terminal) fmt::print("\r\033[K{}", now->line);
    if (ends && terminal) fmt::print("\n");
    if (ends && !terminal) fmt::print("{}\n", now->line);
    std::fflush(stdout);
    if (ends) {
      fmt::print("The export is {}.\n", now->state);
      return now->state == "done" ? 0 : 1;
    }
    std::this_thread::sleep_for(kExportPoll);
  }
}

}  // namespace

int export_past(const AppArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto id = config_named(*instance, args);
  if (!id) return complain(id.error().message);
  const std::string path = fmt::format("{}/app_configs/{}", project_path(args), *id);
  if (args.stop) {
    const auto stopped = call_admin(*instance, "DELETE", path + "/export");
    if (!stopped) return complain(stopped.error().message);
    fmt::print("The export is stopped; what was exported stays.\n");
    return 0;
  }
  if (!args.from.empty()) {
    JsonWriter w;
    w.begin_object().field("from", args.from);
    if (!args.to.empty()) w.field("to", args.to);
    const auto begun = call_admin(*instance, "POST", path + "/export", w.end_object().take());
    if (!begun) return complain(begun.error().message);
  }
  if (!args.follow && !args.from.empty()) {
    fmt::print("It goes on by itself, over restarts too; `penstock app export {}` shows how far.\n",
               args.target);
    return 0;
  }
  return follow_export(*instance, path);
}

}  // namespace penstock::cli
