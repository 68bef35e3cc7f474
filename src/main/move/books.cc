#include "main/move/books.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>
#include <vector>

#include "event/json_fields.h"
#include "main/commands/api.h"
#include "main/instance.h"

namespace penstock::cli::move {
namespace {

constexpr auto kPatience = std::chrono::minutes(1);
constexpr auto kPause = std::chrono::milliseconds(200);
constexpr size_t kProjectsMax = 1000;

Result<BooksLine> line_of(const event::JsonFields& total) {
  BooksLine out;
  out.received = number_of(total, "received");
  out.stored = number_of(total, "stored");
  out.quarantined = number_of(total, "quarantined");
  out.redriven = number_of(total, "redriven");
  out.deduplicated = number_of(total, "deduplicated");
  out.in_flight = number_of(total, "in_flight");
  PENSTOCK_TRY(const auto dropped, event::JsonFields::parse(total.find("dropped").value_or("{}")));
  for (const auto& reason : dropped.fields()) out.dropped += number_of(dropped, reason.key);
  return out;
}

std::string text_of_line(const BooksLine& line) {
  return fmt::format(
      "{} received = {} stored + {} dropped + {} quarantined + {} redriven + {} deduplicated + {} "
      "in flight",
      line.received, line.stored, line.dropped, line.quarantined, line.redriven, line.deduplicated,
      line.in_flight);
}

/// What kept less than it had; empty: nothing.
std::string disagreement(const Books& before, const Books& now) {
  if (!now.balanced) return "the books do not balance: " + now.detail;
  for (const auto& [project, was] : before.projects) {
    const auto it = now.projects.find(project);
    if (it == now.projects.end()) return fmt::format("project {} is gone", project);
    const BooksLine& is = it->second;
    if (is.difference() != 0) {
      return fmt::format("project {}: {}, off by {}", project, text_of_line(is), is.difference());
    }
    if (is.received < was.received || is.stored < was.stored || is.dropped < was.dropped ||
        is.deduplicated < was.deduplicated) {
      return fmt::format("project {}: before {}, now {}", project, text_of_line(was),
                         text_of_line(is));
    }
  }
  return {};
}

}  // namespace

Result<Books> books_of(const std::string& data_dir) {
  PENSTOCK_TRY(const Instance instance, find_instance(data_dir));
  if (instance.admin_url.empty()) return fail(Code::kNotFound, "there is no admin API here");
  Books out;
  std::vector<int64_t> projects{0};
  PENSTOCK_TRY(const std::string listed, call_admin(instance, "GET", "/api/projects"));
  PENSTOCK_TRY(const auto list, event::JsonFields::parse(listed));
  PENSTOCK_TRY(const auto all, event::split_array(list.find("projects").value_or("[]")));
  for (const std::string_view one : all) {
    PENSTOCK_TRY(const auto project, event::JsonFields::parse(one));
    if (projects.size() <= kProjectsMax) projects.push_back(number_of(project, "id"));
  }
  for (const int64_t project : projects) {
    PENSTOCK_TRY(const std::string body,
                 call_admin(instance, "GET",
                            fmt::format("/api/projects/{}/ledger?from={}&step=total", project,
                                        url_text("2000-01-01T00:00:00Z"))));
    PENSTOCK_TRY(const auto fields, event::JsonFields::parse(body));
    PENSTOCK_TRY(const auto total, event::JsonFields::parse(fields.find("total").value_or("{}")));
    PENSTOCK_TRY(const auto balance,
                 event::JsonFields::parse(fields.find("balance").value_or("{}")));
    PENSTOCK_TRY(out.projects[project], line_of(total));
    out.balanced = text_of(balance, "balanced") == "true";
    out.detail = text_of(balance, "detail");
  }
  return out;
}

Result<std::string> books_agree(const std::string& data_dir, const Books& before) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::string wrong;
  while (std::chrono::steady_clock::now() < deadline) {
    const auto now = books_of(data_dir);
    wrong = now ? disagreement(before, *now) : now.error().message;
    if (now && wrong.empty()) {
      std::string out;
      for (const auto& [project, was] : before.projects) {
        const BooksLine& is = now->projects.at(project);
        if (is.received == 0 && project == 0) continue;
        out += fmt::format("{}project {}: before {}; now {}", out.empty() ? "" : "\n", project,
                           text_of_line(was), text_of_line(is));
      }
      return out;
    }
    std::this_thread::sleep_for(kPause);
  }
  return fail(Code::kCorrupt, "it has moved, and the ledger does not agree with what it said: " +
                                  wrong + "; see docs/runbooks/ledger_imbalance.md");
}

}  // namespace penstock::cli::move
