// penstock doctor: why are my events not visible?
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/json_writer.h"
#include "main/commands/commands.h"
#include "main/doctor/doctor.h"

namespace penstock::cli {
namespace {

using doctor::Finding;
using doctor::Verdict;

struct DoctorArgs {
  std::string data = default_data_dir();
  bool json = false;
};

const char* mark(Verdict v) {
  switch (v) {
    case Verdict::kGood: return "ok  ";
    case Verdict::kNote: return "note";
    case Verdict::kBad: return "BAD ";
  }
  return "";
}

void print(const doctor::Findings& findings) {
  for (const Finding& f : findings) {
    fmt::print("{} {}\n", mark(f.verdict), f.what);
    if (!f.todo.empty()) fmt::print("       -> {}\n", f.todo);
    if (!f.runbook.empty()) fmt::print("       docs/runbooks/{}\n", f.runbook);
  }
}

void print_json(const doctor::Findings& findings, bool well) {
  JsonWriter w;
  w.begin_object().field("well", well).key("findings").begin_array();
  for (const Finding& f : findings) {
    const char* verdict = f.verdict == Verdict::kGood   ? "good"
                          : f.verdict == Verdict::kNote ? "note"
                                                        : "bad";
    w.begin_object().field("verdict", verdict).field("id", f.id).field("what", f.what);
    w.field("todo", f.todo).field("runbook", f.runbook).end_object();
  }
  fmt::print("{}\n", w.end_array().end_object().take());
}

int run_doctor(const DoctorArgs& args) {
  const doctor::Findings findings = doctor::examine(args.data);
  const auto problems = std::ranges::count(findings, Verdict::kBad, &Finding::verdict);
  if (args.json) {
    print_json(findings, problems == 0);
  } else {
    print(findings);
    fmt::print("\n{}\n", problems == 0
                             ? "Nothing keeps events from being visible."
                             : fmt::format("{} {} events from being visible or accepted.", problems,
                                           problems == 1 ? "thing keeps" : "things keep"));
  }
  return problems == 0 ? 0 : 1;
}

}  // namespace

void add_doctor(CLI::App& app, Run& run) {
  auto args = std::make_shared<DoctorArgs>();
  CLI::App* c = app.add_subcommand("doctor", "Why are my events not visible?");
  c->footer(
      "Follows the way of an event from the socket to SQL and says where it is held up and what to "
      "do.\n"
      "Works on a running instance and on a directory where it does not run. Changes nothing. Exit "
      "code 1: something is BAD.");
  add_data_option(*c, args->data);
  c->add_flag("--json", args->json, "JSON for machines");
  c->callback([args, &run] { run = [args] { return run_doctor(*args); }; });
}

}  // namespace penstock::cli
