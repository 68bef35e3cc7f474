// penstock persons: the merges of a person, a preview of one, undoing it, taking ids off, deleting.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <thread>

#include "base/ids.h"
#include "base/json_writer.h"
#include "event/json_fields.h"
#include "main/commands/api.h"
#include "main/commands/commands.h"
#include "main/instance.h"
#include "main/table.h"

namespace penstock::cli {
namespace {

constexpr auto kPollPause = std::chrono::milliseconds(200);

struct PersonArgs {
  std::string data = default_data_dir(), who, into, merge_event, event = "$identify";
  std::vector<std::string> ids;
  int64_t project = 1;
  bool json = false, no_wait = false, yes = false;
};

std::string project_path(const PersonArgs& args) {
  return fmt::format("/api/projects/{}", args.project);
}

/// A person's uuid from one of its distinct ids, or from itself.
Result<std::string> person_of(const Instance& instance, const PersonArgs& args) {
  PENSTOCK_TRY(
      const std::string body,
      call_admin(instance, "GET",
                 project_path(args) + "/persons?limit=1&distinct_id=" + url_text(args.who)));
  PENSTOCK_TRY(const auto fields, event::JsonFields::parse(body));
  PENSTOCK_TRY(const auto found, event::split_array(fields.find("results").value_or("[]")));
  if (!found.empty()) {
    PENSTOCK_TRY(const auto person, event::JsonFields::parse(found.front()));
    return text_of(person, "id");
  }
  if (const auto id = Uuid::parse(args.who)) return id->text();
  return fail(Code::kNotFound, "nobody has the distinct id '" + args.who + "'");
}

int print_report(const PersonArgs& args, const std::string& body) {
  const auto fields = event::JsonFields::parse(body);
  if (!fields) return complain(fields.error().message);
  const std::string state = text_of(*fields, "state");
  const auto report = event::JsonFields::parse(fields->find("report").value_or("{}"));
  if (args.json) {
    fmt::print("{}\n", body);
  } else if (report) {
    fmt::print("{}\n", state);
    for (const event::JsonFields::Field& f : report->fields()) {
      if (f.key == "places") {
        const auto places = event::split_array(f.value);
        for (const auto place : *places) fmt::print("  {}\n", place);
      } else if (f.value != "\"\"") {
        fmt::print("  {:<18} {}\n", f.key, text_of(*report, f.key));
      }
    }
  }
  return state == "done" ? 0 : 1;
}

/// Sends a command and, unless told otherwise, waits for its report.
int carry_out(const Instance& instance, const PersonArgs& args, std::string method,
              const std::string& path, std::string body) {
  const auto accepted = call_admin(instance, std::move(method), path, std::move(body));
  if (!accepted) return complain(accepted.error().message);
  const auto fields = event::JsonFields::parse(*accepted);
  const std::string id = fields ? text_of(*fields, "command") : "";
  const std::string where = project_path(args) + "/person_commands/" + id;
  if (args.no_wait) {
    fmt::print("{}\n",
               args.json ? *accepted : "command " + id + ": penstock persons command " + id);
    return 0;
  }
  std::string shown;
  while (true) {
    const auto now = call_admin(instance, "GET", where);
    if (!now) return complain(now.error().message);
    const auto status = event::JsonFields::parse(*now);
    const std::string state = status ? text_of(*status, "state") : "";
    if (state != "waiting" && state != "running") return print_report(args, *now);
    const std::string step = fmt::format("{} {}/{}", text_of(*status, "step"),
                                         text_of(*status, "done"), text_of(*status, "total"));
    if (!args.json && step != shown) fmt::print(stderr, "{}\n", step);
    shown = step;
    std::this_thread::sleep_for(kPollPause);
  }
}

int run_merges(const PersonArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto id = person_of(*instance, args);
  if (!id) return complain(id.error().message);
  const auto body =
      call_admin(*instance, "GET", project_path(args) + "/persons/" + *id + "/merges");
  if (!body) return complain(body.error().message);
  if (args.json) {
    fmt::print("{}\n", *body);
    return 0;
  }
  const auto fields = event::JsonFields::parse(*body);
  const auto merges = event::split_array(fields ? fields->find("merges").value_or("[]") : "[]");
  if (!merges) return complain("the answer could not be read");
  Table table{{"at", "merge (event uuid)", "event", "source", "into", "ids", "undone"},
              {false, false, false, false, false, true, false},
              {}};
  for (const auto raw : *merges) {
    const auto m = event::JsonFields::parse(raw);
    if (!m) continue;
    table.rows.push_back({text_of(*m, "at"), text_of(*m, "event_uuid"), text_of(*m, "event"),
                          text_of(*m, "source_distinct_id"), text_of(*m, "target_distinct_id"),
                          text_of(*m, "moved_count"), text_of(*m, "undone")});
  }
  fmt::print("person {}\n", *id);
  std::fputs(render(table, terminal_width()).c_str(), stdout);
  return 0;
}

int run_preview(const PersonArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  JsonWriter w;
  w.begin_object().field("source", args.who).field("target", args.into);
  w.field("event", args.event).end_object();
  const auto body =
      call_admin(*instance, "POST", project_path(args) + "/persons/merge_preview", w.take());
  if (!body) return complain(body.error().message);
  if (args.json) {
    fmt::print("{}\n", *body);
    return 0;
  }
  const auto p = event::JsonFields::parse(*body);
  if (!p) return complain(p.error().message);
  fmt::print("{}: {} of '{}' into '{}'\n", text_of(*p, "outcome"), args.event, args.who, args.into);
  for (const char* side : {"source", "target"}) {
    const auto s = event::JsonFields::parse(p->find(side).value_or("{}"));
    if (!s) continue;
    fmt::print("  {}: {} distinct ids, {} events\n", side, text_of(*s, "distinct_id_count"),
               text_of(*s, "event_count"));
  }
  const auto guards = event::split_array(p->find("guards").value_or("[]"));
  for (const auto guard : *guards) fmt::print("  guard: {}\n", guard);
  Table table{{"property", "value", "from", "replaces"}, {false, false, false, false}, {}};
  const auto properties = event::split_array(p->find("properties").value_or("[]"));
  for (const auto raw : *properties) {
    const auto f = event::JsonFields::parse(raw);
    if (!f) continue;
    table.rows.push_back({text_of(*f, "key"), std::string(f->find("value").value_or("")),
                          text_of(*f, "from"), text_of(*f, "replaces")});
  }
  std::fputs(render(table, terminal_width()).c_str(), stdout);
  return 0;
}

int run_split(const PersonArgs& args) {
  if (args.merge_event.empty() == args.ids.empty()) {
    return complain("give either --merge, the event that merged, or --take for each distinct id");
  }
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto id = person_of(*instance, args);
  if (!id) return complain(id.error().message);
  JsonWriter w;
  w.begin_object();
  if (!args.merge_event.empty()) {
    w.field("event", args.merge_event);
  } else {
    w.key("distinct_ids").begin_array();
    for (const std::string& distinct_id : args.ids) w.string(distinct_id);
    w.end_array();
  }
  return carry_out(*instance, args, "POST", project_path(args) + "/persons/" + *id + "/split",
                   w.end_object().take());
}

int run_delete(const PersonArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto id = person_of(*instance, args);
  if (!id) return complain(id.error().message);
  if (!args.yes) {
    return complain("this deletes person " + *id +
                    " with all its events and recordings and cannot be undone; add --yes");
  }
  return carry_out(*instance, args, "DELETE", project_path(args) + "/persons/" + *id, "");
}

int run_command(const PersonArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto body =
      call_admin(*instance, "GET", project_path(args) + "/person_commands/" + args.who);
  if (!body) return complain(body.error().message);
  fmt::print("{}\n", *body);
  return 0;
}

}  // namespace

void add_persons(CLI::App& app, Run& run) {
  auto args = std::make_shared<PersonArgs>();
  CLI::App* persons =
      app.add_subcommand("persons", "Merges of persons: look, undo, split; delete a person");
  add_data_option(*persons, args->data);
  persons->require_subcommand(1);
  persons->footer(
      "Examples:\n  penstock persons merges ada@example.com\n  penstock persons split "
      "ada@example.com --merge 0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012\n  penstock persons split "
      "ada@example.com --take kiosk-7\n  penstock persons delete ada@example.com --yes");
  const auto add = [&](const char* name, const char* help, const char* who,
                       int (*what)(const PersonArgs&)) {
    CLI::App* c = persons->add_subcommand(name, help);
    c->fallthrough();
    c->add_option("--project", args->project, "Project id")->capture_default_str();
    c->add_flag("--json", args->json, "JSON for machines");
    c->add_option("who", args->who, who)->required();
    c->callback([args, &run, what] { run = [args, what] { return what(*args); }; });
    return c;
  };
  const char* person = "A distinct id, or the person's uuid";
  add("merges", "The merges a person took part in", person, run_merges);
  CLI::App* preview = add("preview", "What a merge would do, without doing it",
                          "The distinct id that would be merged", run_preview);
  preview->add_option("into", args->into, "The distinct id it would be merged into")->required();
  preview->add_option("--event", args->event, "$identify, $create_alias or $merge_dangerously")
      ->capture_default_str();
  CLI::App* split =
      add("split", "Undo a merge, or take distinct ids off a person", person, run_split);
  split->add_option("--merge", args->merge_event, "The uuid of the event that merged");
  split->add_option("--take", args->ids, "A distinct id that becomes a person of its own");
  split->add_flag("--no-wait", args->no_wait, "Do not wait until it is done");
  CLI::App* remove =
      add("delete", "Delete a person with all events and recordings", person, run_delete);
  remove->add_flag("--yes", args->yes, "Really");
  remove->add_flag("--no-wait", args->no_wait, "Do not wait until it is done");
  add("command", "How far a command is", "The command's uuid", run_command);
}

}  // namespace penstock::cli
