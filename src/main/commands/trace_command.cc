// penstock trace: the whole way of an event, or of a request.
#include <fmt/format.h>

#include <memory>

#include "base/ids.h"
#include "main/commands/api.h"
#include "main/commands/commands.h"
#include "main/table.h"

namespace penstock::cli {
namespace {

struct TraceArgs {
  std::string data = default_data_dir(), id;
  bool json = false;
  int64_t project = 1;
};

std::string with(std::string_view before, const std::string& text, std::string_view after = "") {
  return text.empty() ? "" : fmt::format("{}{}{}", before, text, after);
}

std::string why_words(std::string_view why) {
  if (why == "existing") return "the distinct id was this person's";
  if (why == "created") return "nobody had the distinct id: the event made the person";
  if (why == "merged") return "the event brought two ids together in this person";
  if (why == "personless") return "no profile was asked for";
  if (why == "personless_existing") return "no profile was asked for; the id was a person's";
  return std::string(why);
}

/// "Enrich (3) succeeded, set plan; Filter (4) dropped"
std::string apps_words(const event::JsonFields& hop) {
  std::string out;
  const auto apps = event::split_array(hop.find("apps").value_or("[]"));
  if (!apps) return out;
  for (const auto raw : *apps) {
    const auto app = event::JsonFields::parse(raw);
    if (!app) continue;
    if (!out.empty()) out += "; ";
    out += fmt::format("{} ({}) {}", text_of(*app, "name"), text_of(*app, "id"),
                       text_of(*app, "status"));
    const auto set = event::JsonFields::parse(app->find("set").value_or("{}"));
    if (set) {
      for (const auto& f : set->fields()) out += fmt::format(", {}={}", f.key, f.value);
    }
    const auto unset = event::split_array(app->find("unset").value_or("[]"));
    for (size_t i = 0; unset && i < unset->size(); i++) {
      out += fmt::format(", without {}", (*unset)[i]);
    }
    out += with(": ", text_of(*app, "error"));
  }
  return out;
}

/// "Sender (3) onEvent failed: away, again at …; Sender (3) onEvent succeeded"
std::string calls_words(const event::JsonFields& hop) {
  std::string out;
  const auto calls = event::split_array(hop.find("calls").value_or("[]"));
  if (!calls) return out;
  for (const auto raw : *calls) {
    const auto call = event::JsonFields::parse(raw);
    if (!call) continue;
    if (!out.empty()) out += "; ";
    out += fmt::format("{} ({}) {} {}{}{}", text_of(*call, "name"), text_of(*call, "id"),
                       text_of(*call, "method"), text_of(*call, "status"),
                       with(": ", text_of(*call, "error")),
                       with(", again at ", text_of(*call, "next_at")));
  }
  return out;
}

/// What a hop says beside its name, time and place.
std::string detail_of(const event::JsonFields& hop, const std::string& name) {
  if (name == "refused") {
    return fmt::format("HTTP {}: {}", text_of(hop, "status"), text_of(hop, "reason"));
  }
  if (name == "received") {
    return with("request ", text_of(hop, "request_id")) +
           with(", client's own ", text_of(hop, "client_request_id"));
  }
  if (name == "decided") {
    return text_of(hop, "verdict") + with(": ", text_of(hop, "reason")) +
           with(" at step ", text_of(hop, "stage"));
  }
  if (name == "apps") return apps_words(hop);
  if (name == "delivered") return calls_words(hop);
  if (name == "person") {
    return fmt::format("{}: {}{}", text_of(hop, "person_id"), why_words(text_of(hop, "why")),
                       with("; now its id belongs to ", text_of(hop, "person_now")));
  }
  if (name == "waiting") {
    return fmt::format("for {}, {} records before it", text_of(hop, "stage"),
                       text_of(hop, "ahead"));
  }
  if (name == "quarantine") {
    return with("penstock quarantine show ", text_of(hop, "quarantine_id"));
  }
  if (name == "redriven" || name == "discarded") return with("by ", text_of(hop, "by"));
  return {};
}

void print_entry(const event::JsonFields& e) {
  const std::string state = text_of(e, "state"), reason = text_of(e, "reason");
  fmt::print("{}{}{}\n", state, reason.empty() ? "" : fmt::format(" ({})", reason),
             text_of(e, "event").empty()
                 ? ""
                 : fmt::format("  {} of {}", text_of(e, "event"), text_of(e, "distinct_id")));
  const auto hops = event::split_array(e.find("hops").value_or("[]"));
  if (hops) {
    for (const auto raw : *hops) {
      const auto hop = event::JsonFields::parse(raw);
      if (!hop) continue;
      const std::string name = text_of(*hop, "name"), topic = text_of(*hop, "topic");
      const std::string place =
          topic.empty() ? ""
                        : fmt::format("  [{} {}:{}{}]", topic, text_of(*hop, "partition"),
                                      text_of(*hop, "offset"),
                                      text_of(*hop, "in_log") == "false" ? ", deleted since" : "");
      fmt::print("  {:<10} {:<24}  {}{}\n", name, text_of(*hop, "at"), detail_of(*hop, name),
                 place);
    }
  }
  if (state == "refused") {
    fmt::print("  It was never accepted; fix the request and send it again.\n");
  }
  if (number_of(e, "duplicates") > 0) {
    fmt::print("  {} later copies were dropped, the last at {}\n", text_of(e, "duplicates"),
               text_of(e, "last_duplicate_at"));
  }
}

void print_request(const event::JsonFields& fields, const std::vector<std::string_view>& events) {
  Table table{
      {"uuid", "event", "distinct id", "state", "reason"}, {false, false, false, false, false}, {}};
  for (const auto raw : events) {
    const auto e = event::JsonFields::parse(raw);
    if (!e) continue;
    table.rows.push_back({text_of(*e, "uuid"), text_of(*e, "event"), text_of(*e, "distinct_id"),
                          text_of(*e, "state"), text_of(*e, "reason")});
  }
  fmt::print("request {}: {} events\n", text_of(fields, "uuid"), events.size());
  if (!table.rows.empty()) std::fputs(render(table, terminal_width()).c_str(), stdout);
  if (number_of(fields, "gone") > 0) {
    fmt::print(
        "The log has deleted {} outcomes of that time; some of them may be of this request.\n",
        text_of(fields, "gone"));
  }
}

void print_rows(const Instance& instance, const TraceArgs& args) {
  const auto body = call_admin(
      instance, "GET", fmt::format("/api/projects/{}/trace/{}/rows", args.project, args.id));
  const auto fields = body ? event::JsonFields::parse(*body)
                           : Result<event::JsonFields>(std::unexpected(body.error()));
  const auto rows = event::split_array(fields ? fields->find("rows").value_or("[]") : "[]");
  if (!rows) return;
  if (rows->empty()) fmt::print("  row        not visible in the engine now\n");
  for (const auto raw : *rows) {
    const auto row = event::JsonFields::parse(raw);
    if (!row) continue;
    fmt::print("  row        part {}, row {}\n", text_of(*row, "part"), text_of(*row, "part_row"));
  }
}

int run_trace(const TraceArgs& args) {
  if (!Uuid::parse(args.id)) return complain("'" + args.id + "' is not a uuid");
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto body =
      call_admin(*instance, "GET", fmt::format("/api/projects/{}/trace/{}", args.project, args.id));
  if (!body) return complain(body.error().message);
  if (args.json) {
    fmt::print("{}\n", *body);
    return 0;
  }
  const auto fields = event::JsonFields::parse(*body);
  const auto entries = event::split_array(fields ? fields->find("entries").value_or("[]") : "[]");
  const auto events = event::split_array(fields ? fields->find("events").value_or("[]") : "[]");
  if (!fields || !entries || !events) return complain("the answer could not be read");
  if (text_of(*fields, "kind") == "request") print_request(*fields, *events);
  if (entries->empty() && events->empty()) {
    return complain(args.id +
                    " was never seen here: no request with it was accepted or refused. "
                    "Check the SDK's host and key.");
  }
  bool stored = false;
  for (const auto entry : *entries) {
    const auto e = event::JsonFields::parse(entry);
    if (!e) continue;
    print_entry(*e);
    stored = stored || text_of(*e, "state") == "stored";
  }
  if (stored) print_rows(*instance, args);
  return 0;
}

}  // namespace

void add_trace(CLI::App& app, Run& run) {
  auto args = std::make_shared<TraceArgs>();
  CLI::App* c = app.add_subcommand("trace", "Where is my event? Answers for every uuid received");
  c->footer(
      "Examples:\n  penstock trace 0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012\n"
      "An event's uuid, or the X-Request-Id that a request was answered with.");
  add_data_option(*c, args->data);
  c->add_option("id", args->id, "The event's uuid, or a request's id")->required();
  c->add_flag("--json", args->json, "JSON for machines");
  c->add_option("--project", args->project, "Project id")->capture_default_str();
  c->callback([args, &run] { run = [args] { return run_trace(*args); }; });
}

}  // namespace penstock::cli
