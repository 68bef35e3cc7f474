// penstock up: starts everything, says what to do next, and stops cleanly.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "main/commands/commands.h"
#include "main/move/hold.h"
#include "main/process.h"

namespace penstock::cli {
namespace {

/// EX_TEMPFAIL: whoever started it starts it again, and it stands by.
constexpr int kGaveWay = 75;

struct UpArgs {
  std::string data = default_data_dir(), listen, admin, key, stages;
  int64_t shards = 0;
  std::vector<std::string> set;
};

Status apply_flags(config::OptionTable& table, const UpArgs& args) {
  const auto give = [&table](const char* name, const std::string& value) -> Status {
    return value.empty() ? Status{} : table.set(name, value, "command line");
  };
  PENSTOCK_CHECK(give("capture.listen", args.listen));
  PENSTOCK_CHECK(give("admin.listen", args.admin));
  PENSTOCK_CHECK(give("project.key", args.key));
  PENSTOCK_CHECK(give("process.stages", args.stages));
  PENSTOCK_CHECK(give("process.shards", args.shards > 0 ? fmt::to_string(args.shards) : ""));
  for (const std::string& pair : args.set) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos) return fail(Code::kInvalid, "--set wants name=value");
    PENSTOCK_CHECK(table.set(pair.substr(0, equals), pair.substr(equals + 1), "command line"));
  }
  return {};
}

/// A full disk under the output, or nobody who reads it, ends no server.
template <class... Args>
void say(fmt::format_string<Args...> text, Args&&... args) {
  std::fputs(fmt::format(text, std::forward<Args>(args)...).c_str(), stdout);
}

void print_banner(const Instance& i, const std::string& data, const std::string& link) {
  say("\nPenstock {} is running on {}\n\n", i.version, data);
  if (!i.capture_url.empty()) {
    say("  Capture      {}\n  Project key  {}\n", i.capture_url, i.project_key);
  }
  if (!i.admin_url.empty()) say("  Web UI       {}\n", link);
  if (!i.capture_url.empty()) {
    say("\nIn the browser SDK:\n"
        "  posthog.init('{1}', {{ api_host: '{0}' }})\n"
        "In Python:\n"
        "  Posthog('{1}', host='{0}')\n"
        "Or now:\n"
        "  curl {0}/i/v0/e/ -H 'Content-Type: application/json' \\\n"
        "    -d '{{\"api_key\":\"{1}\",\"event\":\"hello\",\"distinct_id\":\"me\"}}'\n"
        "  penstock query --data {2} \"SELECT event, distinct_id, timestamp FROM events\"\n",
        i.capture_url, i.project_key, data);
  }
  say("\nCtrl-C stops it; what was acknowledged is kept.\n");
  std::fflush(stdout);
}

enum class End : uint8_t { kAsked, kMadeWay, kAgain, kAnew };

/// `lease`: of the one before, if it was to begin anew.
Result<End> run_process(const Settings& settings, const config::OptionTable& table,
                        const std::string& data, std::unique_ptr<log::KafkaLease>& lease) {
  Process process(settings, table, data, std::move(lease));
  PENSTOCK_CHECK(process.start());
  const auto link = process.login_link();
  print_banner(process.instance(), data, link ? *link : link.error().message);
  if (settings.runs(move::kHeldStage)) {
    say("\nIt is held for a move: events are taken and wait in the log, and nothing else runs.\n"
        "penstock move goes on with it, penstock move --forget gives it up.\n");
    std::fflush(stdout);
  }
  const Process::Woken woken = process.wait();
  say("\nStopping: finishing what was accepted…\n");
  std::fflush(stdout);
  const bool asked = process.stop();
  say("Stopped.\n");
  std::fflush(stdout);
  if (move::asked_again(data)) return End::kAgain;
  if (asked) return End::kAsked;
  lease = process.take_lease();
  return woken == Process::Woken::kAnew ? End::kAnew : End::kMadeWay;
}

int run_up(const UpArgs& args) {
  Settings settings;
  config::OptionTable table;
  bind(table, settings);
  Status ready = load_settings(table, args.data);
  if (ready) ready = apply_flags(table, args);
  if (ready) ready = validate(settings);
  if (!ready) return complain(ready.error().message);
  if (move::is_held(args.data)) settings.stages = fmt::format("capture,{}", move::kHeldStage);
  std::unique_ptr<log::KafkaLease> lease;
  auto end = run_process(settings, table, args.data, lease);
  while (end && *end == End::kAnew) end = run_process(settings, table, args.data, lease);
  if (!end) {
    if (end.error().code == Code::kCancelled) return 0;  // it was told to, before it began
    return complain(end.error().message);
  }
  switch (*end) {
    case End::kAgain: return move::begin_again();
    case End::kMadeWay: return kGaveWay;
    case End::kAnew:
    case End::kAsked: break;
  }
  return 0;
}

}  // namespace

void add_up(CLI::App& app, Run& run) {
  auto args = std::make_shared<UpArgs>();
  CLI::App* c = app.add_subcommand("up", "Start Penstock on a data directory");
  c->alias("run");
  c->footer(
      "Everything lives in the data directory; a second start goes on where the first "
      "stopped.\nOptions beyond these: docs/CONFIG.md, or `penstock config`.");
  add_data_option(*c, args->data);
  c->add_option("--listen", args->listen, "Where SDKs send events (default 127.0.0.1:8000)");
  c->add_option("--admin", args->admin, "Admin API and web UI (default 127.0.0.1:8001)");
  c->add_option("--project-key", args->key,
                "Key of the default project (default: a fresh phc_ key)");
  c->add_option("--shards", args->shards, "Capture threads (default 1)")->check(CLI::Range(1, 64));
  c->add_option("--stages", args->stages,
                "Comma-separated: capture,ingest,replay,load,definitions,admin (default all)");
  c->add_option("--set", args->set, "Any option: name=value (repeatable)");
  c->callback([args, &run] { run = [args] { return run_up(*args); }; });
}

}  // namespace penstock::cli
