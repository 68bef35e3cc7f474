// Commands that talk to a running instance: send, query, login, projects.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <thread>

#include "base/ids.h"
#include "base/json_writer.h"
#include "event/json_fields.h"
#include "main/commands/api.h"
#include "main/commands/commands.h"
#include "main/commands/import_command.h"
#include "main/http_client.h"
#include "main/instance.h"
#include "main/table.h"

namespace penstock::cli {
namespace {

constexpr int kEngineTries = 100;
constexpr auto kEnginePause = std::chrono::milliseconds(100);

struct SendArgs {
  std::string data = default_data_dir(), event, distinct_id = "penstock-cli", properties, file;
  int count = 1;
};

std::string send_body(const SendArgs& args, const std::string& token, std::string& problem) {
  if (!args.file.empty()) {
    std::ifstream in(args.file == "-" ? "/dev/stdin" : args.file, std::ios::binary);
    if (!in) problem = "cannot read " + args.file;
    std::string out;
    append_json_escaped(out, token);
    std::string events, line;
    while (std::getline(in, line)) {
      if (line.empty()) continue;
      if (!event::validate_json(line)) problem = "not a JSON object: " + line.substr(0, 80);
      events += (events.empty() ? "" : ",") + line;
    }
    return fmt::format("{{\"api_key\":{},\"batch\":[{}]}}", out, events);
  }
  const std::string properties = args.properties.empty() ? "{}" : args.properties;
  if (!event::JsonFields::parse(properties)) problem = "--properties must be a JSON object";
  JsonWriter w;
  w.begin_object().field("api_key", token).key("batch").begin_array();
  for (int i = 0; i < args.count; i++) {
    w.begin_object().field("event", args.event).field("distinct_id", args.distinct_id);
    w.key("properties").raw(properties).end_object();
  }
  return w.end_array().end_object().take();
}

int run_send(const SendArgs& args) {
  if (args.event.empty() == args.file.empty()) {
    return complain("give an event name, or --file with one JSON event per line");
  }
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  std::string problem;
  HttpCall call = capture_call(*instance, "/batch/");
  call.method = "POST";
  call.body = send_body(args, instance->project_key, problem);
  if (!problem.empty()) return complain(problem);
  const auto reply = http(call);
  if (!reply) return complain(reply.error().message);
  if (reply->status != 200) return complain(fmt::format("HTTP {}: {}", reply->status, reply->body));
  fmt::print(
      "accepted and on stable storage. See it: penstock query \"SELECT event, distinct_id, "
      "timestamp FROM events ORDER BY timestamp DESC LIMIT 10\"\n");
  return 0;
}

struct QueryArgs {
  std::string data = default_data_dir(), sql;
  bool json = false, csv = false;
  int64_t project = 1, timeout_ms = 60'000;
};

int print_table(const std::string& body) {
  const auto fields = event::JsonFields::parse(body);
  if (!fields) return complain(fields.error().message);
  Table table;
  const auto columns = event::split_array(fields->find("columns").value_or("[]"));
  const auto types = event::split_array(fields->find("types").value_or("[]"));
  const auto rows = event::split_array(fields->find("results").value_or("[]"));
  if (!columns || !types || !rows) return complain("the answer could not be read");
  const auto cell = [](std::string_view raw) {
    return raw.starts_with('"') ? event::decode_string(raw) : std::string(raw);
  };
  for (const auto c : *columns) table.header.push_back(cell(c));
  for (const auto t : *types) {
    const std::string type = cell(t);
    table.right.push_back(type.find("Int") != std::string::npos ||
                          type.find("Float") != std::string::npos);
  }
  for (const auto row : *rows) {
    const auto cells = event::split_array(row);
    if (!cells) return complain("the answer could not be read");
    auto& out = table.rows.emplace_back();
    for (const auto c : *cells) out.push_back(cell(c));
  }
  std::fputs(render(table, terminal_width()).c_str(), stdout);
  fmt::print("{} rows in {} ms\n", rows->size(), text_of(*fields, "elapsed_ms"));
  return 0;
}

int run_query(const QueryArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  JsonWriter w;
  w.begin_object().field("query", args.sql).field("timeout_ms", args.timeout_ms);
  w.field("format", args.csv ? "csv" : "json").end_object();
  const std::string path = fmt::format("/api/projects/{}/query", args.project), request = w.take();
  auto body = call_admin(*instance, "POST", path, request);
  // Penstock takes events before its engine can answer; the first query waits for it.
  for (int i = 0; i < kEngineTries && !body && body.error().code == Code::kUnavailable; i++) {
    std::this_thread::sleep_for(kEnginePause);
    body = call_admin(*instance, "POST", path, request);
  }
  if (!body) return complain(body.error().message);
  if (!args.json && !args.csv) return print_table(*body);
  std::fputs(body->c_str(), stdout);
  if (args.json) std::fputs("\n", stdout);
  return 0;
}

int run_login(const std::string& data) {
  const auto instance = find_instance(data);
  if (!instance) return complain(instance.error().message);
  const auto body = call_admin(*instance, "POST", "/api/login-links");
  if (!body) return complain(body.error().message);
  const auto fields = event::JsonFields::parse(*body);
  if (!fields) return complain(fields.error().message);
  fmt::print("{}/login#secret={}\n", instance->admin_url, text_of(*fields, "secret"));
  return 0;
}

struct ProjectArgs {
  std::string data = default_data_dir(), name, token;
};

int run_create_project(const ProjectArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  JsonWriter w;
  w.begin_object().field("name", args.name);
  if (!args.token.empty()) w.field("token", args.token);
  const auto body = call_admin(*instance, "POST", "/api/projects", w.end_object().take());
  if (!body) return complain(body.error().message);
  fmt::print("{}\n", *body);
  return 0;
}

int run_list_projects(const ProjectArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto body = call_admin(*instance, "GET", "/api/projects");
  if (!body) return complain(body.error().message);
  const auto fields = event::JsonFields::parse(*body);
  const auto projects = event::split_array(fields ? fields->find("projects").value_or("[]") : "[]");
  if (!projects) return complain("the answer could not be read");
  Table table{{"id", "name", "token", "created"}, {true, false, false, false}, {}};
  for (const auto raw : *projects) {
    const auto p = event::JsonFields::parse(raw);
    if (!p) continue;
    table.rows.push_back(
        {text_of(*p, "id"), text_of(*p, "name"), text_of(*p, "token"), text_of(*p, "created_at")});
  }
  std::fputs(render(table, terminal_width()).c_str(), stdout);
  return 0;
}

}  // namespace

void add_send(CLI::App& app, Run& run) {
  auto args = std::make_shared<SendArgs>();
  CLI::App* c = app.add_subcommand("send", "Send events to the running instance");
  c->footer(
      "Examples:\n  penstock send \"signed up\" --distinct-id u1 --properties "
      "'{\"plan\":\"pro\"}'\n  penstock send --file events.jsonl");
  add_data_option(*c, args->data);
  c->add_option("event", args->event, "Event name");
  c->add_option("--distinct-id", args->distinct_id, "Who did it")->capture_default_str();
  c->add_option("--properties", args->properties, "A JSON object");
  c->add_option("--count", args->count, "How many copies")->check(CLI::Range(1, 10'000));
  c->add_option("--file", args->file, "One JSON event per line ('-': standard input)");
  c->callback([args, &run] { run = [args] { return run_send(*args); }; });
}

void add_query(CLI::App& app, Run& run) {
  auto args = std::make_shared<QueryArgs>();
  CLI::App* c = app.add_subcommand("query", "Run one read-only SQL statement");
  c->footer(
      "Examples:\n  penstock query \"SELECT event, count() AS n FROM events GROUP BY event "
      "ORDER BY n DESC\"\n  penstock query --csv \"SELECT * FROM events\" > events.csv");
  add_data_option(*c, args->data);
  c->add_option("sql", args->sql, "ClickHouse SQL")->required();
  auto* json = c->add_flag("--json", args->json, "JSON for machines");
  c->add_flag("--csv", args->csv, "CSV with a header line")->excludes(json);
  c->add_option("--project", args->project, "Project id")->capture_default_str();
  c->add_option("--timeout-ms", args->timeout_ms, "Time limit")->capture_default_str();
  c->callback([args, &run] { run = [args] { return run_query(*args); }; });
}

void add_account(CLI::App& app, Run& run) {
  auto args = std::make_shared<ProjectArgs>();
  CLI::App* login = app.add_subcommand("login", "Print a fresh one-time login link for the web UI");
  add_data_option(*login, args->data);
  login->callback([args, &run] { run = [args] { return run_login(args->data); }; });
  CLI::App* projects = app.add_subcommand("projects", "List, create or import projects");
  add_data_option(*projects, args->data);
  projects->require_subcommand(1);
  add_import(*projects, run);
  CLI::App* list = projects->add_subcommand("list", "Every project with its token");
  list->callback([args, &run] { run = [args] { return run_list_projects(*args); }; });
  CLI::App* create = projects->add_subcommand("create", "A new project; prints it as JSON");
  create->add_option("name", args->name, "Name")->required();
  create->add_option("--token", args->token, "Token to use (default: a fresh phc_ token)");
  create->callback([args, &run] { run = [args] { return run_create_project(*args); }; });
}

}  // namespace penstock::cli
