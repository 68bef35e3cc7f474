// penstock ledger: the equation over time, and whether the books balance.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>

#include "config/option_table.h"
#include "event/timestamp.h"
#include "main/commands/api.h"
#include "main/commands/commands.h"
#include "main/table.h"

namespace penstock::cli {
namespace {

struct LedgerArgs {
  std::string data = default_data_dir(), since = "1h", by = "minute";
  int64_t project = 1;
  bool json = false;
};

constexpr std::array kParts{"stored", "quarantined", "redriven", "deduplicated", "in_flight"};

int64_t dropped_of(const event::JsonFields& counts, std::string* reasons) {
  const auto dropped = event::JsonFields::parse(counts.find("dropped").value_or("{}"));
  int64_t sum = 0;
  if (!dropped) return 0;
  for (const auto& f : dropped->fields()) {
    const int64_t n = number_of(*dropped, f.key);
    sum += n;
    if (reasons != nullptr && n > 0) *reasons += fmt::format(" {}={}", f.key, n);
  }
  return sum;
}

/// received minus everything it should be the sum of.
int64_t difference(const event::JsonFields& counts) {
  int64_t rest = number_of(counts, "received") - dropped_of(counts, nullptr);
  for (const char* part : kParts) rest -= number_of(counts, part);
  return rest;
}

std::vector<std::string> cells_of(std::string start, std::string lane,
                                  const event::JsonFields& counts) {
  std::string reasons;
  const int64_t dropped = dropped_of(counts, &reasons);
  const int64_t off = difference(counts);
  return {std::move(start),
          std::move(lane),
          text_of(counts, "received"),
          text_of(counts, "stored"),
          std::to_string(dropped),
          text_of(counts, "quarantined"),
          text_of(counts, "redriven"),
          text_of(counts, "deduplicated"),
          text_of(counts, "in_flight"),
          off == 0 ? "yes" : fmt::format("off by {}", off),
          reasons.empty() ? "" : reasons.substr(1)};
}

/// Events of keys that are nobody's are in no project's table: where they are.
void tell_of_strangers(const Instance& instance, const std::string& from) {
  const auto body = call_admin(
      instance, "GET", fmt::format("/api/projects/0/ledger?from={}&step=total", url_text(from)));
  const auto fields = body ? event::JsonFields::parse(*body) : std::unexpected(body.error());
  if (!fields) return;  // this key may not see them
  const auto total = event::JsonFields::parse(fields->find("total").value_or("{}"));
  if (!total || number_of(*total, "received") == 0) return;
  fmt::print(
      "Besides, {} received under keys that no project had then, {} of them in quarantine: "
      "penstock ledger --project 0\n",
      text_of(*total, "received"), text_of(*total, "quarantined"));
}

int run_ledger(const LedgerArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto span = config::parse_quantity(args.since, "ms");
  if (!span) return complain("--since is a time such as 90s, 1h or 7d: " + span.error().message);
  const int64_t now = std::chrono::duration_cast<std::chrono::milliseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  const std::string from = event::format_rfc3339_ms(now - *span);
  const auto body = call_admin(*instance, "GET",
                               fmt::format("/api/projects/{}/ledger?from={}&step={}", args.project,
                                           url_text(from), args.by));
  if (!body) return complain(body.error().message);
  if (args.json) {
    fmt::print("{}\n", *body);
    return 0;
  }
  const auto fields = event::JsonFields::parse(*body);
  const auto rows = event::split_array(fields ? fields->find("rows").value_or("[]") : "[]");
  const auto total = event::JsonFields::parse(fields ? fields->find("total").value_or("{}") : "{}");
  const auto balance =
      event::JsonFields::parse(fields ? fields->find("balance").value_or("{}") : "{}");
  if (!fields || !rows || !total || !balance) return complain("the answer could not be read");
  Table table{{args.by == "total" ? "" : args.by, "lane", "received", "= stored", "+ dropped",
               "+ quarantined", "+ redriven", "+ deduplicated", "+ in flight", "balances",
               "dropped because"},
              {false, false, true, true, true, true, true, true, true, false, false},
              {}};
  for (const auto raw : *rows) {
    const auto row = event::JsonFields::parse(raw);
    if (row) table.rows.push_back(cells_of(text_of(*row, "start"), text_of(*row, "lane"), *row));
  }
  table.rows.push_back(cells_of("total", "", *total));
  std::fputs(render(table, terminal_width()).c_str(), stdout);
  if (const int64_t again = number_of(*total, "redriven"); again > 0) {
    fmt::print(
        "{} events: {} of them were received again, out of quarantine or because their apps let "
        "them wait, and count twice in \"received\".\n",
        number_of(*total, "received") - again, again);
  }
  const bool balanced = text_of(*balance, "balanced") == "true" && difference(*total) == 0;
  if (balanced) {
    fmt::print(
        "The books balance: {} received and {} decided since the beginning, as the log's "
        "offsets say.\n",
        text_of(*balance, "received"), text_of(*balance, "decided"));
    if (args.project != 0) tell_of_strangers(*instance, from);
    return 0;
  }
  return complain("the books do not balance: " + text_of(*balance, "detail") +
                  "; see docs/runbooks/ledger_imbalance.md");
}

}  // namespace

void add_ledger(CLI::App& app, Run& run) {
  auto args = std::make_shared<LedgerArgs>();
  CLI::App* c = app.add_subcommand("ledger", "What became of every event, and whether it adds up");
  c->footer(
      "Examples:\n  penstock ledger --since 1h\n  penstock ledger --since 7d --by day\n"
      "  penstock ledger --project 0\n"
      "Answers 1 when the books do not balance.");
  add_data_option(*c, args->data);
  c->add_option("--since", args->since, "How far back: 90s, 1h, 7d")->capture_default_str();
  c->add_option("--by", args->by, "minute, hour, day or total")
      ->check(CLI::IsMember({"minute", "hour", "day", "total"}))
      ->capture_default_str();
  c->add_option("--project", args->project,
                "Project id; 0: events whose key no project had when they came")
      ->capture_default_str();
  c->add_flag("--json", args->json, "JSON for machines");
  c->callback([args, &run] { run = [args] { return run_ledger(*args); }; });
}

}  // namespace penstock::cli
