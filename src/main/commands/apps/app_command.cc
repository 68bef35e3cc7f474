// penstock app: new, test, deploy, list, logs, metrics, enable, disable, export, job, rollback,
// replay, dev.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "main/commands/apps/app_calls.h"
#include "main/commands/apps/app_folder.h"
#include "main/commands/commands.h"
#include "main/table.h"

namespace penstock::cli {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(500);

int run_new(const AppArgs& args) {
  const std::string name = std::filesystem::path(args.target).filename().string();
  const auto files = new_app_files(args.language, name);
  if (!files) return complain(files.error().message);
  if (const Status s = write_app_folder(args.target, *files); !s) {
    return complain(s.error().message);
  }
  for (const auto& [path, text] : *files) fmt::print("  {}/{}\n", args.target, path);
  fmt::print(
      "\nNext, with a Penstock running:\n  penstock app test {0}\n  penstock app deploy {0}\n",
      args.target);
  return 0;
}

int run_test(const AppArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto files = read_app_folder(args.target);
  if (!files) return complain(files.error().message);
  return test_folder(*instance, args, *files);
}

int run_deploy(const AppArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto deployed = deploy(*instance, args);
  if (!deployed) return complain(deployed.error().message);
  if (args.json) {
    fmt::print("{}\n", *deployed);
    return 0;
  }
  const auto config = event::JsonFields::parse(*deployed);
  if (!config) return complain("the answer could not be read");
  const bool on = text_of(*config, "enabled") == "true";
  fmt::print("{} is {} in project {}, app configuration {}.\n", text_of(*config, "name"),
             on ? "enabled" : "not enabled", args.project, text_of(*config, "id"));
  if (!on) fmt::print("penstock app enable {}\n", text_of(*config, "id"));
  return 0;
}

int run_list(const AppArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto body = call_admin(*instance, "GET", project_path(args) + "/app_configs");
  if (!body) return complain(body.error().message);
  if (args.json) {
    fmt::print("{}\n", *body);
    return 0;
  }
  Table table{{"id", "name", "order", "state", "events", "failed", "dropped", "µs/event"},
              {true, false, true, false, true, true, true, true},
              {}};
  for (const std::string& raw : results_of(*body)) {
    const auto c = event::JsonFields::parse(raw);
    if (!c) continue;
    const auto status = event::JsonFields::parse(c->find("status").value_or("{}"));
    const event::JsonFields none;
    const event::JsonFields& s = status ? *status : none;
    const bool on = text_of(*c, "enabled") == "true";
    const std::string health = text_of(s, "health");
    table.rows.push_back({text_of(*c, "id"), text_of(*c, "name"), text_of(*c, "order"),
                          on ? (health.empty() ? "enabled" : health) : "off", text_of(s, "events"),
                          text_of(s, "failed"), text_of(s, "dropped"),
                          text_of(s, "cpu_us_per_event")});
  }
  if (table.rows.empty()) {
    fmt::print("No apps in project {}. `penstock app new my-app` makes one.\n", args.project);
  } else {
    std::fputs(render(table, terminal_width()).c_str(), stdout);
  }
  return 0;
}

int run_logs(const AppArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  std::string only;
  if (!args.target.empty()) {
    const auto id = config_named(*instance, args);
    if (!id) return complain(id.error().message);
    only = fmt::format("&app_config={}", *id);
  }
  std::string after = "0";
  for (;;) {
    const auto body = call_admin(*instance, "GET",
                                 fmt::format("{}/app_logs?limit={}&after={}{}", project_path(args),
                                             args.limit, after, only));
    if (!body) return complain(body.error().message);
    for (const std::string& raw : results_of(*body)) {
      const auto line = event::JsonFields::parse(raw);
      if (!line) continue;
      fmt::print("{} {:>4} {:<7} {:<5} {}\n", text_of(*line, "timestamp"),
                 text_of(*line, "app_config"), text_of(*line, "source"), text_of(*line, "type"),
                 text_of(*line, "message"));
    }
    if (!args.follow) return 0;
    std::fflush(stdout);
    if (const auto fields = event::JsonFields::parse(*body)) after = text_of(*fields, "last");
    std::this_thread::sleep_for(kPoll);
  }
}

int run_metrics(const AppArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto id = config_named(*instance, args);
  if (!id) return complain(id.error().message);
  const auto body =
      call_admin(*instance, "GET", fmt::format("{}/app_configs/{}", project_path(args), *id));
  if (!body) return complain(body.error().message);
  const auto config = event::JsonFields::parse(*body);
  if (!config) return complain("the answer could not be read");
  const std::string_view raw = config->find("status").value_or("{}");
  if (args.json) {
    fmt::print("{}\n", raw);
    return 0;
  }
  const auto status = event::JsonFields::parse(raw);
  if (!status) {
    fmt::print("{} does not run now.\n", text_of(*config, "name"));
    return 0;
  }
  for (const auto& f : status->fields()) {
    if (f.key != "metrics" && f.value != "null") fmt::print("{:<18} {}\n", f.key, f.value);
  }
  const auto own = event::JsonFields::parse(status->find("metrics").value_or("{}"));
  if (own) {
    for (const auto& f : own->fields()) fmt::print("{:<18} {}\n", f.key, f.value);
  }
  return 0;
}

int run_switch(const AppArgs& args, bool on) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto id = config_named(*instance, args);
  if (!id) return complain(id.error().message);
  const auto body =
      call_admin(*instance, "PATCH", fmt::format("{}/app_configs/{}", project_path(args), *id),
                 fmt::format(R"({{"enabled":{}}})", on));
  if (!body) return complain(body.error().message);
  fmt::print("{} is {}.\n", args.target, on ? "enabled" : "disabled");
  return 0;
}

int run_rollback(const AppArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto used = roll_back(*instance, args);
  if (!used) return complain(used.error().message);
  fmt::print("{} runs version {} now.\n", args.target, *used);
  return 0;
}

CLI::App* sub(CLI::App& parent, const std::shared_ptr<AppArgs>& args, const char* name,
              const char* what) {
  CLI::App* c = parent.add_subcommand(name, what);
  add_data_option(*c, args->data);
  c->add_option("--project", args->project, "Project id")->capture_default_str();
  return c;
}

void add_author_commands(CLI::App& app, const std::shared_ptr<AppArgs>& args, Run& run) {
  CLI::App* c = app.add_subcommand("new", "A new app with a passing test");
  c->add_option("folder", args->target, "Folder to make; its name is the app's")->required();
  c->add_option("--lang", args->language, "js, ts or hog")->capture_default_str();
  c->footer("Example: penstock app new greeter --lang ts");
  c->callback([args, &run] { run = [args] { return run_new(*args); }; });

  c = sub(app, args, "test", "Run an app's fixtures (tests/*.json) in the running Penstock");
  c->add_option("folder", args->target, "The app's folder")->required();
  c->footer(
      "A fixture: {\"event\":{…},\"config\":{…},\"expect\":{\"properties\":{…},\"unset\":[…]}},\n"
      "or \"expect\":\"dropped\" or \"unchanged\"; \"cpu_us_max\" bounds its CPU. Each runs twice: "
      "an\n"
      "app that answers differently is reported.");
  c->callback([args, &run] { run = [args] { return run_test(*args); }; });

  c = sub(app, args, "deploy", "Install an app, or its next version, and enable it");
  c->add_option("what", args->target, "A folder, a .zip or .tgz, npm:name@version, or template:id")
      ->required();
  c->add_option("--config", args->config, "Values as JSON, e.g. '{\"greeting\":\"ahoy\"}'");
  c->add_flag("--off", args->off, "Do not enable it");
  c->add_flag("--json", args->json, "JSON for machines");
  c->footer(
      "Where the project has an app of that name, this is its next version.\n\n"
      "Examples:\n"
      "  penstock app deploy greeter\n"
      "  penstock app deploy template:url-parser\n"
      "  penstock app deploy npm:@posthog/geoip-plugin@0.0.7\n"
      "  penstock app deploy from-a-colleague.zip");
  c->callback([args, &run] { run = [args] { return run_deploy(*args); }; });

  c = sub(app, args, "replay", "What would the folder's version change? Nothing is stored");
  c->add_option("folder", args->target, "The app's folder")->required();
  c->add_option("--since", args->since, "How far back: 30m, 24h, 7d")->capture_default_str();
  c->add_option("--limit", args->limit, "Events at most, the newest")->capture_default_str();
  c->add_option("--config", args->config, "Values as JSON");
  c->footer(
      "Takes stored events as they were captured through the version that runs (if any) and\n"
      "through the folder's, and shows where they differ.");
  c->callback([args, &run] { run = [args] { return replay_folder(*args); }; });

  c = sub(app, args, "dev", "On every save: fixtures, then the newest events before and after");
  c->add_option("folder", args->target, "The app's folder")->required();
  c->add_option("--config", args->config, "Values as JSON");
  c->add_flag("--once", args->once, "Once, without waiting for a save");
  c->callback([args, &run] { run = [args] { return develop(*args); }; });
}

void add_operator_commands(CLI::App& app, const std::shared_ptr<AppArgs>& args, Run& run) {
  CLI::App* c = sub(app, args, "list", "A project's apps in their order, with their health");
  c->add_flag("--json", args->json, "JSON for machines");
  c->callback([args, &run] { run = [args] { return run_list(*args); }; });

  c = sub(app, args, "logs", "What apps have logged");
  c->add_option("app", args->target, "An app's name or configuration id; all without it");
  c->add_flag("-f,--follow", args->follow, "Go on with new lines");
  c->add_option("--limit", args->limit, "Lines at first")->capture_default_str();
  c->callback([args, &run] { run = [args] { return run_logs(*args); }; });

  c = sub(app, args, "metrics", "An app's counts, CPU, memory, and metrics of its own");
  c->add_option("app", args->target, "An app's name or configuration id")->required();
  c->add_flag("--json", args->json, "JSON for machines");
  c->callback([args, &run] { run = [args] { return run_metrics(*args); }; });

  for (const bool on : {true, false}) {
    c = sub(app, args, on ? "enable" : "disable",
            on ? "Switch an app on, with a clean record" : "Switch an app off; events pass it by");
    c->add_option("app", args->target, "An app's name or configuration id")->required();
    c->callback([args, &run, on] { run = [args, on] { return run_switch(*args, on); }; });
  }

  c = sub(app, args, "export", "Hand past events to an app that exports events");
  c->add_option("app", args->target, "An app's name or configuration id")->required();
  c->add_option("--from", args->from,
                "2024-01-31, or a time; without it the one under way is shown");
  c->add_option("--to", args->to, "Before this day or time; now without it");
  c->add_flag("-f,--follow", args->follow, "Stay until it is through");
  c->add_flag("--stop", args->stop, "Stop the one that is under way");
  c->footer(
      "Events that are stored go to the app's exportEvents once more, in the order of their time;\n"
      "its filters are asked. It goes on over restarts.\n\n"
      "Example: penstock app export warehouse --from 2024-01-01 --to 2024-02-01 -f");
  c->callback([args, &run] { run = [args] { return export_past(*args); }; });

  c = sub(app, args, "job", "Start a public job of an app, or show which it has");
  c->add_option("app", args->target, "An app's name or configuration id")->required();
  c->add_option("job", args->job, "The job's name; without it they are listed");
  c->add_option("--payload", args->payload, "What the job is given, as JSON");
  c->footer(
      "What an app's plugin.json lists in publicJobs. The job waits in the app's queue and runs\n"
      "once; what it says is in `penstock app logs`.\n\n"
      "Example: penstock app job crm \"Import contacts\" --payload '{\"since\":\"2024-01-31\"}'");
  c->callback([args, &run] { run = [args] { return start_job(*args); }; });

  c = sub(app, args, "rollback", "Go back to the version before, or to --to");
  c->add_option("app", args->target, "An app's name or configuration id")->required();
  c->add_option("--to", args->version, "Version number");
  c->callback([args, &run] { run = [args] { return run_rollback(*args); }; });
}

}  // namespace

void add_app(CLI::App& parent, Run& run) {
  auto args = std::make_shared<AppArgs>();
  CLI::App* app = parent.add_subcommand("app", "Apps: change or drop events in JavaScript or Hog");
  app->require_subcommand(1);
  app->footer(
      "From nothing to a running app:\n"
      "  penstock app new greeter       a folder with an app and its test\n"
      "  penstock app test greeter      run the test\n"
      "  penstock app deploy greeter    install and enable it\n"
      "  penstock app logs -f           watch it\n"
      "The tutorial: docs/apps/TUTORIAL.md");
  add_author_commands(*app, args, run);
  add_operator_commands(*app, args, run);
}

}  // namespace penstock::cli
