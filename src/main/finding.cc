#include "main/finding.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"

namespace penstock::cli {
namespace {

const char* mark(Verdict v) {
  switch (v) {
    case Verdict::kGood: return "ok  ";
    case Verdict::kNote: return "note";
    case Verdict::kBad: return "BAD ";
  }
  return "";
}

const char* name(Verdict v) {
  switch (v) {
    case Verdict::kGood: return "good";
    case Verdict::kNote: return "note";
    case Verdict::kBad: return "bad";
  }
  return "";
}

}  // namespace

void Findings::good(std::string id, std::string what) {
  all_.push_back({Verdict::kGood, std::move(id), std::move(what), "", ""});
}

void Findings::note(std::string id, std::string what, std::string todo, std::string runbook) {
  all_.push_back(
      {Verdict::kNote, std::move(id), std::move(what), std::move(todo), std::move(runbook)});
}

void Findings::bad(std::string id, std::string what, std::string todo, std::string runbook) {
  all_.push_back(
      {Verdict::kBad, std::move(id), std::move(what), std::move(todo), std::move(runbook)});
}

size_t Findings::bad_count() const {
  return static_cast<size_t>(std::ranges::count(all_, Verdict::kBad, &Finding::verdict));
}

int Findings::tell(bool json, std::string_view well, std::string_view problems) const {
  const size_t bad = bad_count();
  if (json) {
    JsonWriter w;
    w.begin_object().field("well", bad == 0).key("findings").begin_array();
    for (const Finding& f : all_) {
      w.begin_object().field("verdict", name(f.verdict)).field("id", f.id).field("what", f.what);
      w.field("todo", f.todo).field("runbook", f.runbook).end_object();
    }
    fmt::print("{}\n", w.end_array().end_object().take());
    return bad == 0 ? 0 : 1;
  }
  for (const Finding& f : all_) {
    fmt::print("{} {}\n", mark(f.verdict), f.what);
    if (!f.todo.empty()) fmt::print("       -> {}\n", f.todo);
    if (!f.runbook.empty()) fmt::print("       docs/runbooks/{}\n", f.runbook);
  }
  if (bad == 0) {
    fmt::print("\n{}\n", well);
  } else {
    fmt::print("\n{}: {}\n", problems, bad);
  }
  return bad == 0 ? 0 : 1;
}

}  // namespace penstock::cli
