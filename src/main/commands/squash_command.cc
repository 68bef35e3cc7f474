// penstock squash: how merged persons are written into event rows, and the wish that it be now.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "event/json_fields.h"
#include "main/commands/api.h"
#include "main/commands/commands.h"
#include "main/instance.h"

namespace penstock::cli {
namespace {

constexpr auto kLookPause = std::chrono::milliseconds(200);

struct SquashArgs {
  std::string data = default_data_dir();
  bool now = false, json = false;
};

Result<std::string> call_squash(const Instance& instance, std::string method) {
  return call_admin(instance, std::move(method), "/api/squash");
}

void print_status(const event::JsonFields& s) {
  if (text_of(s, "running") == "true") {
    fmt::print("running: {}, {} overrides, partition {} of {}, {} rows rewritten\n",
               text_of(s, "phase"), text_of(s, "overrides"), text_of(s, "partitions_done"),
               text_of(s, "partitions"), text_of(s, "rows_rewritten"));
  } else if (text_of(s, "last_run_at").empty()) {
    fmt::print("there was no squash yet\n");
  } else {
    fmt::print("last squash {}: {} overrides, {} rows rewritten in {} ms\n",
               text_of(s, "last_run_at"), text_of(s, "overrides"), text_of(s, "rows_rewritten"),
               text_of(s, "last_run_ms"));
  }
  fmt::print("waiting: {} overrides\n", text_of(s, "overrides_waiting"));
}

/// The state after the run that was under way in `before`, or else after the next one.
Result<std::string> wait_for_end(const Instance& instance, const event::JsonFields& before,
                                 bool silent) {
  const bool joined = text_of(before, "running") == "true";
  std::string told;
  for (;;) {
    PENSTOCK_TRY(const std::string body, call_squash(instance, "GET"));
    PENSTOCK_TRY(const auto s, event::JsonFields::parse(body));
    const bool running = text_of(s, "running") == "true";
    if (!running && (joined || text_of(s, "attempts") != text_of(before, "attempts"))) return body;
    if (running && !silent && told != body) print_status(s);
    told = body;
    std::this_thread::sleep_for(kLookPause);
  }
}

int run_squash(const SquashArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  auto body = call_squash(*instance, "GET");
  if (body && args.now) {
    const std::string first = *body;  // the fields are views into it
    const auto before = event::JsonFields::parse(first);
    body = call_squash(*instance, "POST");
    if (before && body) body = wait_for_end(*instance, *before, args.json);
  }
  if (!body) return complain(body.error().message);
  const auto s = event::JsonFields::parse(*body);
  if (!s) return complain(s.error().message);
  if (args.json) {
    fmt::print("{}\n", *body);
  } else {
    print_status(*s);
  }
  const std::string error = text_of(*s, "last_error");
  return error.empty() ? 0 : complain(error);
}

}  // namespace

void add_squash(CLI::App& app, Run& run) {
  auto args = std::make_shared<SquashArgs>();
  CLI::App* c = app.add_subcommand("squash", "Merged persons that event rows do not carry yet");
  c->footer(
      "Queries show the person of now in any case. A squash, which runs daily, writes it into the "
      "rows.\nExample: penstock squash --now");
  add_data_option(*c, args->data);
  c->add_flag("--now", args->now, "Begin a squash and wait until it is done");
  c->add_flag("--json", args->json, "JSON for machines");
  c->callback([args, &run] { run = [args] { return run_squash(*args); }; });
}

}  // namespace penstock::cli
