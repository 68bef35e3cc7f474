// penstock tail, penstock messages: streams in a terminal, lossless across reconnects.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "event/json_fields.h"
#include "main/commands/commands.h"
#include "main/http_client.h"
#include "main/instance.h"

namespace penstock::cli {
namespace {

struct TailArgs {
  std::string data = default_data_dir(), event, distinct_id, outcome, since = "now";
  std::string topic;  // of messages, which are always JSON
  int64_t project = 1, limit = 0;
  bool json = false, follow = true;
};

std::string url_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

/// Server-sent events, line by line.
class Printer {
 public:
  explicit Printer(const TailArgs& args) : args_(args) {}

  bool take(std::string_view piece) {
    buffer_ += piece;
    size_t end;
    while ((end = buffer_.find('\n')) != std::string::npos) {
      const std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (line.starts_with("id: ")) cursor = line.substr(4);
      if (line.starts_with("event: ")) kind_ = line.substr(7);
      if (line.starts_with("data: ") && (kind_ == "outcome" || kind_ == "message")) {
        print(line.substr(6));
      }
      if (line == "event: end") ended = true;
      if (args_.limit > 0 && printed >= args_.limit) return false;
    }
    return true;
  }

  std::string cursor;
  int64_t printed = 0;
  bool ended = false;

 private:
  void print(const std::string& data) {
    printed++;
    if (args_.json || !args_.topic.empty()) {
      fmt::print("{}\n", data);
    } else if (const auto f = event::JsonFields::parse(data)) {
      const auto text = [&f](std::string_view key) {
        const auto raw = f->find(key);
        return raw && raw->starts_with('"') ? event::decode_string(*raw)
                                            : std::string(raw.value_or(""));
      };
      const std::string reason = text("reason");
      fmt::print("{}  {:<11} {:<28} {:<24} {}{}\n", text("received_at"), text("outcome"),
                 text("event"), text("distinct_id"), text("uuid"),
                 reason.empty() ? "" : "  " + reason);
    }
    std::fflush(stdout);
  }

  const TailArgs& args_;
  std::string buffer_, kind_;
};

std::string path_of(const TailArgs& args) {
  if (!args.topic.empty()) {
    return fmt::format("/api/projects/{}/messages?topic={}&since={}&follow={}", args.project,
                       url_encode(args.topic), url_encode(args.since), args.follow ? 1 : 0);
  }
  return fmt::format("/api/projects/{}/tail?since={}&event={}&distinct_id={}&outcome={}",
                     args.project, url_encode(args.since), url_encode(args.event),
                     url_encode(args.distinct_id), url_encode(args.outcome));
}

int run_tail(const TailArgs& args) {
  constexpr auto kReconnect = std::chrono::seconds(1);
  Printer printer(args);
  for (bool first = true;; first = false) {
    const auto instance = find_instance(args.data);
    if (!instance && first) return complain(instance.error().message);
    if (instance) {
      HttpCall call = admin_call(*instance, path_of(args));
      call.last_event_id = printer.cursor;
      call.timeout_ms = 0;
      call.on_data = [&printer](std::string_view piece) { return printer.take(piece); };
      const auto reply = http(call);
      if (printer.ended || (args.limit > 0 && printer.printed >= args.limit)) return 0;
      if (reply && reply->status != 200) return complain(fmt::format("HTTP {}", reply->status));
    }
    fmt::print(stderr, "connection lost; going on where it stopped when Penstock is back\n");
    std::this_thread::sleep_for(kReconnect);
  }
}

}  // namespace

void add_tail(CLI::App& app, Run& run) {
  auto args = std::make_shared<TailArgs>();
  CLI::App* c = app.add_subcommand("tail", "Watch events as they are decided; none is skipped");
  c->footer(
      "Examples:\n  penstock tail\n  penstock tail --event '$pageview' --since -5m\n"
      "  penstock tail --outcome quarantined --json");
  add_data_option(*c, args->data);
  c->add_option("--event", args->event, "Only this event name");
  c->add_option("--distinct-id", args->distinct_id, "Only this distinct id");
  c->add_option("--outcome", args->outcome, "accepted, dropped, duplicate or quarantined");
  c->add_option("--since", args->since, "now, start, or back in time: -5m, -1h")
      ->capture_default_str();
  c->add_option("--limit", args->limit, "Stop after so many");
  c->add_option("--project", args->project, "Project id")->capture_default_str();
  c->add_flag("--json", args->json, "One JSON object per line");
  c->callback([args, &run] { run = [args] { return run_tail(*args); }; });
}

void add_messages(CLI::App& app, Run& run) {
  auto args = std::make_shared<TailArgs>();
  args->since = "start";
  args->follow = false;
  CLI::App* c = app.add_subcommand(
      "messages", "Persons, groups, events … as the messages PostHog's Kafka topics carry");
  c->footer(
      "Topics: clickhouse_events_json, clickhouse_person, clickhouse_person_distinct_id,\n"
      "clickhouse_groups, clickhouse_ingestion_warnings, clickhouse_heatmap_events.\n"
      "What the log still holds is printed, one JSON object a line.\n\n"
      "Examples:\n  penstock messages --topic clickhouse_person\n"
      "  penstock messages --topic clickhouse_groups --since now --follow | my-consumer");
  add_data_option(*c, args->data);
  c->add_option("--topic", args->topic, "Which messages")->required();
  c->add_option("--project", args->project, "Project id")->capture_default_str();
  c->add_option("--since", args->since, "start or now")->capture_default_str();
  c->add_option("--limit", args->limit, "Stop after so many");
  c->add_flag("--follow", args->follow, "Go on with what comes");
  c->callback([args, &run] { run = [args] { return run_tail(*args); }; });
}

}  // namespace penstock::cli
