// penstock quarantine: list, show, try, edit, redrive, discard.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "base/json_writer.h"
#include "event/timestamp.h"
#include "main/commands/api.h"
#include "main/commands/commands.h"
#include "main/table.h"

namespace penstock::cli {
namespace {

constexpr auto kPollPause = std::chrono::milliseconds(200);
constexpr int kBarCells = 30;

struct QuarantineArgs {
  std::string data = default_data_dir();
  std::string token, reason, stage, event, distinct_id, text, from, to, after, file;
  std::vector<std::string> ids;
  int64_t project = 1, limit = 50, per_second = 0;
  bool json = false, all = false, yes = false, no_wait = false;
};

std::string path_of(const QuarantineArgs& args) {
  return fmt::format("/api/projects/{}/quarantine", args.project);
}

bool narrows(const QuarantineArgs& a) {
  return !a.ids.empty() || !a.token.empty() || !a.reason.empty() || !a.stage.empty() ||
         !a.event.empty() || !a.distinct_id.empty() || !a.text.empty() || !a.from.empty() ||
         !a.to.empty();
}

std::string query_of(const QuarantineArgs& a) {
  std::string out = fmt::format("?limit={}", a.limit);
  for (const auto& [name, text] :
       {std::pair{"token", &a.token}, std::pair{"reason", &a.reason}, std::pair{"stage", &a.stage},
        std::pair{"event", &a.event}, std::pair{"distinct_id", &a.distinct_id},
        std::pair{"text", &a.text}, std::pair{"from", &a.from}, std::pair{"to", &a.to},
        std::pair{"after", &a.after}}) {
    if (!text->empty()) out += fmt::format("&{}={}", name, url_text(*text));
  }
  return out;
}

/// The same as a body's `select`; false: a time cannot be read.
bool write_select(JsonWriter& w, const QuarantineArgs& a) {
  w.key("select").begin_object();
  for (const auto& [name, text] :
       {std::pair{"token", &a.token}, std::pair{"reason", &a.reason}, std::pair{"stage", &a.stage},
        std::pair{"event", &a.event}, std::pair{"distinct_id", &a.distinct_id},
        std::pair{"text", &a.text}}) {
    if (!text->empty()) w.field(name, *text);
  }
  for (const auto& [name, text] : {std::pair{"from", &a.from}, std::pair{"to", &a.to}}) {
    if (text->empty()) continue;
    const auto time = event::parse_timestamp_ms(*text);
    if (!time) return false;
    w.field(name, *time);
  }
  if (!a.ids.empty()) {
    w.key("ids").begin_array();
    for (const std::string& id : a.ids) w.string(id);
    w.end_array();
  }
  w.end_object();
  return true;
}

int print_body(const Result<std::string>& body) {
  if (!body) return complain(body.error().message);
  fmt::print("{}\n", *body);
  return 0;
}

int run_list(const Instance& instance, const QuarantineArgs& args) {
  const auto body = call_admin(instance, "GET", path_of(args) + query_of(args));
  if (!body || args.json) return print_body(body);
  const auto fields = event::JsonFields::parse(*body);
  const auto entries = event::split_array(fields ? fields->find("entries").value_or("[]") : "[]");
  const auto usage = event::JsonFields::parse(fields ? fields->find("usage").value_or("{}") : "{}");
  if (!fields || !entries || !usage) return complain("the answer could not be read");
  Table table{{"id", "received", "event", "distinct id", "reason", "stage", "token"},
              {false, false, false, false, false, false, false},
              {}};
  for (const auto raw : *entries) {
    const auto e = event::JsonFields::parse(raw);
    if (!e) continue;
    table.rows.push_back({text_of(*e, "id"), text_of(*e, "received_at"), text_of(*e, "event"),
                          text_of(*e, "distinct_id"), text_of(*e, "reason"), text_of(*e, "stage"),
                          text_of(*e, "token")});
  }
  if (!table.rows.empty()) std::fputs(render(table, terminal_width()).c_str(), stdout);
  fmt::print("{} shown, {} in quarantine, {} bytes\n", entries->size(), text_of(*usage, "entries"),
             text_of(*usage, "bytes"));
  const std::string next = text_of(*fields, "next");
  if (!next.empty()) fmt::print("more: --after {}\n", next);
  return 0;
}

int run_show(const Instance& instance, const QuarantineArgs& args) {
  for (const std::string& id : args.ids) {
    const auto body = call_admin(instance, "GET", path_of(args) + "/" + id);
    if (!body || args.json) {
      if (const int code = print_body(body); code != 0) return code;
      continue;
    }
    const auto e = event::JsonFields::parse(*body);
    if (!e) return complain("the answer could not be read");
    for (const char* name :
         {"id", "uuid", "event", "distinct_id", "reason", "stage", "token", "received_at",
          "quarantined_at", "lane", "version", "edited_by", "edited_at"}) {
      if (const std::string text = text_of(*e, name); !text.empty()) {
        fmt::print("{:<15} {}\n", name, text);
      }
    }
    fmt::print("arrival         {}\n", e->find("arrival").value_or("{}"));
    fmt::print("as it came:\n{}\n", text_of(*e, "data"));
    if (const std::string edited = text_of(*e, "edited"); !edited.empty()) {
      fmt::print("edited:\n{}\n", edited);
    }
  }
  return 0;
}

Result<std::string> read_file(const std::string& name) {
  std::ifstream in(name == "-" ? "/dev/stdin" : name, std::ios::binary);
  if (!in) return fail(Code::kNotFound, "cannot read " + name);
  std::stringstream all;
  all << in.rdbuf();
  return std::move(all).str();
}

/// The body `{"data":…}` of an edit or a trial; without a file: the event as it is there.
Result<std::string> data_body(const QuarantineArgs& args) {
  JsonWriter w;
  w.begin_object();
  if (!args.file.empty()) {
    PENSTOCK_TRY(const std::string text, read_file(args.file));
    w.field("data", text);
  }
  return w.end_object().take();
}

int run_try(const Instance& instance, const QuarantineArgs& args) {
  const auto request = data_body(args);
  if (!request) return complain(request.error().message);
  const auto body =
      call_admin(instance, "POST", path_of(args) + "/" + args.ids.front() + "/try", *request);
  if (!body || args.json) return print_body(body);
  const auto t = event::JsonFields::parse(*body);
  if (!t) return complain("the answer could not be read");
  fmt::print("now: {} {}\n", text_of(*t, "outcome"), text_of(*t, "reason"));
  const auto diff = event::split_array(t->find("diff").value_or("[]"));
  if (diff) {
    for (const auto raw : *diff) {
      const auto d = event::JsonFields::parse(raw);
      if (!d) continue;
      fmt::print("  {}: {} -> {}\n", text_of(*d, "path"), d->find("before").value_or(""),
                 d->find("after").value_or(""));
    }
  }
  fmt::print("warnings: {}\nchanges: {}\n", t->find("warnings").value_or("[]"),
             t->find("changes").value_or("{}"));
  return 0;
}

int run_edit(const Instance& instance, const QuarantineArgs& args) {
  if (args.file.empty()) return complain("give --file with the event's text ('-': standard input)");
  const auto request = data_body(args);
  if (!request) return complain(request.error().message);
  return print_body(call_admin(instance, "PUT", path_of(args) + "/" + args.ids.front(), *request));
}

/// The re-drive with this id as JSON; kNotFound while the command is on its way.
Result<std::string> redrive_named(const Instance& instance, const QuarantineArgs& args,
                                  const std::string& id) {
  PENSTOCK_TRY(const std::string body, call_admin(instance, "GET", path_of(args) + "/redrives"));
  PENSTOCK_TRY(const auto fields, event::JsonFields::parse(body));
  PENSTOCK_TRY(const auto jobs, event::split_array(fields.find("redrives").value_or("[]")));
  for (const auto raw : jobs) {
    PENSTOCK_TRY(const auto job, event::JsonFields::parse(raw));
    if (text_of(job, "id") == id) return std::string(raw);
  }
  return fail(Code::kNotFound, "not begun");
}

void draw(int64_t done, int64_t total, const std::string& state, bool ended) {
  const bool terminal = terminal_width() > 0;
  if (!terminal && !ended) return;
  const auto cells = total == 0 ? kBarCells : static_cast<int>(done * kBarCells / total);
  fmt::print("{}[{:<{}}] {} of {} {}{}", terminal ? "\r" : "",
             std::string(static_cast<size_t>(cells), '#'), kBarCells, done, total, state,
             ended ? "\n" : "");
  std::fflush(stdout);
}

/// Follows it with a bar until it has ended.
int follow(const Instance& instance, const QuarantineArgs& args, const std::string& id) {
  for (;; std::this_thread::sleep_for(kPollPause)) {
    const auto text = redrive_named(instance, args, id);
    if (!text && text.error().code == Code::kNotFound) continue;
    if (!text) return complain(text.error().message);
    const auto job = event::JsonFields::parse(*text);
    if (!job) return complain(job.error().message);
    const int64_t total = number_of(*job, "total"), left = number_of(*job, "left");
    const std::string state = text_of(*job, "state");
    const bool done = state == "done", ended = done || state == "stopped";
    draw(done ? total : std::max<int64_t>(total - left, 0), total, state, ended);
    if (ended) return done ? 0 : 1;
  }
}

int run_redrive(const Instance& instance, const QuarantineArgs& args) {
  if (!narrows(args) && !args.all) {
    return complain("name events or a filter, or say --all to drive all of quarantine again");
  }
  JsonWriter w;
  w.begin_object();
  if (!write_select(w, args)) return complain("--from and --to are times");
  if (args.per_second > 0) w.field("per_second", args.per_second);
  const auto body = call_admin(instance, "POST", path_of(args) + "/redrive", w.end_object().take());
  if (!body || args.json) return print_body(body);
  const auto fields = event::JsonFields::parse(*body);
  if (!fields) return complain(fields.error().message);
  const std::string id = text_of(*fields, "command");
  fmt::print("re-drive {} of {} events\n", id, text_of(*fields, "total"));
  return args.no_wait ? 0 : follow(instance, args, id);
}

int run_discard(const Instance& instance, const QuarantineArgs& args) {
  if (!narrows(args) && !args.all) return complain("name events or a filter, or say --all");
  if (!args.yes) {
    return complain("their bytes are deleted and they count as dropped; add --yes");
  }
  JsonWriter w;
  w.begin_object();
  if (!write_select(w, args)) return complain("--from and --to are times");
  return print_body(
      call_admin(instance, "POST", path_of(args) + "/discard", w.end_object().take()));
}

int run_redrives(const Instance& instance, const QuarantineArgs& args) {
  const auto body = call_admin(instance, "GET", path_of(args) + "/redrives");
  if (!body || args.json) return print_body(body);
  const auto fields = event::JsonFields::parse(*body);
  const auto jobs = event::split_array(fields ? fields->find("redrives").value_or("[]") : "[]");
  if (!jobs) return complain("the answer could not be read");
  Table table{{"id", "state", "began", "total", "left", "who"},
              {false, false, false, true, true, false},
              {}};
  for (const auto raw : *jobs) {
    const auto j = event::JsonFields::parse(raw);
    if (!j) continue;
    table.rows.push_back({text_of(*j, "id"), text_of(*j, "state"), text_of(*j, "began_at"),
                          text_of(*j, "total"), text_of(*j, "left"), text_of(*j, "who")});
  }
  std::fputs(render(table, terminal_width()).c_str(), stdout);
  return 0;
}

int run_stop(const Instance& instance, const QuarantineArgs& args) {
  return print_body(
      call_admin(instance, "POST", path_of(args) + "/redrives/" + args.ids.front() + "/stop"));
}

void add_filters(CLI::App& c, QuarantineArgs& args) {
  c.add_option("--token", args.token, "Came with this token");
  c.add_option("--reason", args.reason, "Is there for this reason, as list shows it");
  c.add_option("--stage", args.stage, "Failed at this step");
  c.add_option("--event", args.event, "Event name");
  c.add_option("--distinct-id", args.distinct_id, "Of this distinct id");
  c.add_option("--text", args.text, "Its text contains this, or its uuid is this");
  c.add_option("--from", args.from, "Received at or after this time");
  c.add_option("--to", args.to, "Received before this time");
}

}  // namespace

void add_quarantine(CLI::App& app, Run& run) {
  auto args = std::make_shared<QuarantineArgs>();
  CLI::App* q = app.add_subcommand(
      "quarantine", "Events that could not be processed: look, edit, drive again, discard");
  add_data_option(*q, args->data);
  q->require_subcommand(1);
  q->footer(
      "Examples:\n  penstock quarantine list --reason unknown_token\n"
      "  penstock quarantine redrive --token phc_… --per-second 500\n"
      "  penstock quarantine try ID --file fixed.json\n"
      "  penstock quarantine discard ID --yes");
  using What = int (*)(const Instance&, const QuarantineArgs&);
  const auto add = [&](const char* name, const char* help, What what) {
    CLI::App* c = q->add_subcommand(name, help);
    c->fallthrough();
    c->add_option("--project", args->project, "Project id")->capture_default_str();
    c->add_flag("--json", args->json, "JSON for machines");
    c->callback([args, &run, what] {
      run = [args, what] {
        const auto instance = find_instance(args->data);
        return instance ? what(*instance, *args) : complain(instance.error().message);
      };
    });
    return c;
  };
  CLI::App* list = add("list", "What is there, oldest first", run_list);
  add_filters(*list, *args);
  list->add_option("--limit", args->limit, "How many")->capture_default_str();
  list->add_option("--after", args->after, "Go on behind this id");
  add("show", "One with its text", run_show)->add_option("id", args->ids, "Its id")->required();
  CLI::App* trial = add("try", "What would become of it now, without doing it", run_try);
  CLI::App* edit = add("edit", "Another text for it; what came is kept beside it", run_edit);
  for (CLI::App* c : {trial, edit}) {
    c->add_option("id", args->ids, "Its id")->required()->expected(1);
    c->add_option("--file", args->file, "The event as a JSON object ('-': standard input)");
  }
  CLI::App* redrive = add("redrive", "Receive events again", run_redrive);
  CLI::App* discard = add("discard", "Drop events for good", run_discard);
  for (CLI::App* c : {redrive, discard}) {
    c->add_option("id", args->ids, "Their ids");
    add_filters(*c, *args);
    c->add_flag("--all", args->all, "Whatever is there");
  }
  redrive->add_option("--per-second", args->per_second, "At most so many a second");
  redrive->add_flag("--no-wait", args->no_wait, "Do not follow it");
  discard->add_flag("--yes", args->yes, "Really");
  add("redrives", "Re-drives and how far they are", run_redrives);
  add("stop", "Stop a re-drive", run_stop)
      ->add_option("id", args->ids, "Its id")
      ->required()
      ->expected(1);
}

}  // namespace penstock::cli
