// A running instance, stage by stage in the order of an event's path.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "event/timestamp.h"
#include "main/doctor/answers.h"
#include "main/doctor/doctor.h"
#include "main/http_client.h"

namespace penstock::cli::doctor {
namespace {

constexpr uint64_t kLagWorthSaying = 20'000;
constexpr size_t kProjectsMax = 50;
constexpr uint64_t kEngineStartS = 20;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kLittleRoom = 2048 * kMiB;

std::string events(uint64_t n) { return n == 1 ? "1 event" : fmt::format("{} events", n); }

std::string an_hour_ago() {
  const auto then = std::chrono::system_clock::now() - std::chrono::hours(1);
  return event::format_rfc3339_ms(
      std::chrono::duration_cast<std::chrono::milliseconds>(then.time_since_epoch()).count());
}

class Examination {
 public:
  Examination(const Instance& instance, Findings& out) : instance_(instance), out_(out) {}

  void run() {
    const auto status = ask(instance_, "/api/status");
    if (!status) {
      return out_.bad("admin_silent", "The admin API does not answer: " + status.error().message,
                      "Look at what the process printed last, and start it again.", "");
    }
    status_ = *status;
    capture();
    disk();
    old_segments();
    groups();
    stored_data();
    stages();
    ingest();
    store();
    books();
    audit();
    projects();
  }

 private:
  bool runs(std::string_view stage) const {
    return std::ranges::any_of(status_.list({"stages"}),
                               [stage](const Answer& a) { return a.text({}) == stage; });
  }

  void capture() {
    if (!runs("capture")) {
      return out_.note("capture_elsewhere", "Capture does not run in this process.",
                       "Send to the one that runs it, or add it to process.stages.");
    }
    const auto reply = http(capture_call(instance_, "/_readiness"));
    if (!reply) {
      return out_.bad(
          "capture_silent",
          "Capture does not answer at " + instance_.capture_url + ": " + reply.error().message,
          "Check that nothing stands between (a firewall, another program).", "");
    }
    if (reply->status != 200) {
      return out_.bad("capture_not_ready", "Capture is not ready: " + reply->body,
                      "Wait for the start to end, or see below.", "");
    }
    out_.good("capture", "Capture takes events at " + instance_.capture_url);
    const bool loopback = instance_.capture_url.find("127.0.0.1") != std::string::npos ||
                          instance_.capture_url.find("[::1]") != std::string::npos;
    if (loopback && status_.number({"capture", "requests_total"}) == 0) {
      out_.note(
          "loopback_only",
          "Not one request has come since the start, and capture listens on this machine's own "
          "address only: browsers and other machines cannot reach it.",
          "Put a proxy with TLS in front, or set capture.listen; in SDKs, check `host`.");
    }
  }

  void disk() {
    const uint64_t free = status_.number({"log", "disk_free_bytes"});
    if (status_.is_true({"log", "disk_full"})) {
      return out_.bad(
          "disk_full",
          fmt::format("The disk is full ({} MiB free): events are refused with 503, and "
                      "SDKs send them again.",
                      free / kMiB),
          "Make room; Penstock goes on by itself.", "disk_full.md");
    }
    if (free < kLittleRoom) {
      return out_.note("disk_low", fmt::format("Only {} MiB of disk are free.", free / kMiB),
                       "Make room before it is full.", "disk_full.md");
    }
    out_.good("disk", fmt::format("The disk has room ({} GiB free)", free / kMiB / 1024));
  }

  void old_segments() {
    const uint64_t files = status_.number({"scrub", "damaged_files"});
    for (const Answer& d : status_.list({"scrub", "damage"})) {
      out_.bad("log_damage_found",
               fmt::format("An old segment of the log is damaged: {}: {} ({} in all)",
                           d.text({"file"}), d.text({"problem"}), files),
               "Keep the file, restore it from a backup, or stop and: penstock log repair.",
               "log_damage_found.md");
    }
    if (files == 0 && status_.number({"scrub", "last_pass_files"}) > 0) {
      out_.good("scrub", fmt::format("Old segments of the log were read and are whole ({} MiB)",
                                     status_.number({"scrub", "last_pass_bytes"}) / kMiB));
    }
  }

  /// Of a log on Kafka. Ingest and load have findings of their own.
  void groups() {
    if (!status_.has({"log", "groups"})) return;
    uint64_t behind = 0, count = 0;
    for (const Answer& g : status_.list({"log", "groups"})) {
      const uint64_t lag = g.number({"lag_records"});
      const std::string name = g.text({"group"});
      count++;
      behind += lag;
      if (lag <= kLagWorthSaying || name == "ingest" || name == "load") continue;
      out_.note("group_lag",
                fmt::format("Kafka: the group {} is {} records behind in {} ({} partitions).", name,
                            lag, g.text({"topic"}), g.number({"partitions"})),
                "If it grows, the process with that stage stands or is too slow: look there.",
                "not_visible.md");
    }
    out_.good("groups", fmt::format("Kafka: groups are {} records behind, {} of them in topics",
                                    behind, count));
  }

  void stored_data() {
    const uint64_t items = status_.number({"data_scrub", "damaged_items"});
    for (const Answer& d : status_.list({"data_scrub", "damage"})) {
      const std::string place = d.text({"place"});
      const std::string what = place == "state"     ? "A file of state/"
                               : place == "objects" ? "A recording"
                                                    : "A part of the store";
      out_.bad(place + "_damage_found",
               fmt::format("{} is damaged on disk: {}: {} ({} in all)", what, d.text({"item"}),
                           d.text({"problem"}), items),
               place == "state" ? "Stop, move that folder of state/ away, start: it is made anew "
                                  "from the log."
                                : "Restore it from a backup; the runbook has what else there is.",
               "log_damage_found.md");
    }
    if (items == 0 && status_.number({"data_scrub", "last_pass_items"}) > 0) {
      out_.good("data_scrub",
                fmt::format("State, recordings and the store were read and are whole ({} MiB)",
                            status_.number({"data_scrub", "last_pass_bytes"}) / kMiB));
    }
  }

  void stages() {
    for (const char* stage : {"ingest", "load"}) {
      if (runs(stage)) continue;
      const bool first = std::string_view(stage) == "ingest";
      out_.bad(fmt::format("{}_not_run", stage),
               fmt::format("The stage {} does not run here: {}.", stage,
                           first ? "events are taken and wait in the log"
                                 : "events are decided and do not become rows"),
               fmt::format("Add {} to process.stages, or start another process with it.", stage),
               "not_visible.md");
    }
  }

  void ingest() {
    if (!runs("ingest")) return;
    const uint64_t lag = status_.number({"ingest", "lag_records"});
    const std::string error = status_.text({"ingest", "last_error"});
    if (!error.empty()) {
      const bool postgres = error.find("PostgreSQL") != std::string::npos ||
                            error.find("postgres") != std::string::npos;
      return out_.bad(postgres ? "postgres_down" : "ingest_fails",
                      fmt::format("Ingest cannot go on, {} wait: {}", events(lag), error),
                      postgres ? "Bring PostgreSQL back; ingest repeats by itself."
                               : "Mend what the message names; ingest repeats by itself.",
                      postgres ? "postgres_down.md" : "not_visible.md");
    }
    if (lag > kLagWorthSaying) {
      return out_.bad(
          "ingest_lag",
          fmt::format("Ingest is {} behind: new events become visible later.", events(lag)),
          "If the number grows, this machine is too small for the load.", "not_visible.md");
    }
    out_.good("ingest", lag == 0 ? "Ingest has decided everything"
                                 : fmt::format("Ingest is at work, {} behind", events(lag)));
  }

  void store() {
    if (!status_.is_true({"store", "ready"})) {
      const std::string detail = status_.text({"store", "detail"});
      if (status_.text({"store", "engine"}).find("server") != std::string::npos) {
        return out_.bad("store_down",
                        fmt::format("The store's server cannot be used: {}; rows wait, queries "
                                    "answer 503.",
                                    detail),
                        "Mend what the message names; Penstock goes on by itself.",
                        "store_server_down.md");
      }
      const bool fresh = status_.number({"store", "restarts"}) == 0 &&
                         status_.number({"uptime_s"}) < kEngineStartS;
      if (fresh) {
        return out_.note("store_starting", "The store is starting: rows and queries wait.",
                         "Ask again in a moment.");
      }
      return out_.bad(
          "store_down",
          fmt::format("The store is not there{}{}: rows wait, queries answer 503. It was "
                      "started {} times.",
                      detail.empty() ? "" : ": ", detail,
                      status_.number({"store", "restarts"}) + 1),
          "Read store/engine.log in the data directory.", "engine_restarts.md");
    }
    if (!runs("load")) return;
    const uint64_t lag = status_.number({"load", "lag_records"});
    const std::string error = status_.text({"load", "last_error"});
    if (!error.empty()) {
      return out_.bad("load_fails", fmt::format("Rows cannot be stored, {} wait: {}", lag, error),
                      "Mend what the message names; the loader repeats by itself.",
                      "engine_restarts.md");
    }
    if (lag > kLagWorthSaying) {
      return out_.bad("load_lag", fmt::format("The store is {} records behind.", lag),
                      "If the number grows, the store's disk or CPU is too small for the load.",
                      "not_visible.md");
    }
    if (const uint64_t parts = status_.number({"store", "damaged_parts"}); parts > 0) {
      return out_.bad("store_damaged",
                      fmt::format("The engine could not read {} of its parts and set them aside: "
                                  "rows are missing from queries.",
                                  parts),
                      "They lie in store/store/*/*/detached; restore them from a backup.",
                      "store_damaged.md");
    }
    out_.good("store", "The store is ready and has every row");
  }

  void books() {
    if (!status_.is_true({"ledger", "balance", "balanced"})) {
      return out_.bad(
          "ledger_imbalance",
          "The ledger does not balance: " + status_.text({"ledger", "balance", "detail"}),
          "Keep the data directory as it is and report this.", "ledger_imbalance.md");
    }
    out_.good("ledger", "The ledger balances");
  }

  /// What a user would see, whatever the stages say of themselves.
  void audit() {
    const std::string error = status_.text({"self_audit", "last_error"});
    if (status_.number({"self_audit", "audits_total"}) == 0) return;
    if (error.empty()) {
      return out_.good("self_audit", fmt::format("An event of our own was visible after {} ms",
                                                 status_.number({"self_audit", "visible_ms"})));
    }
    out_.bad("self_audit", "An event of our own did not become visible: " + error,
             "If nothing above says why, wait for the next one, a minute later.", "not_visible.md");
  }

  void projects() {
    const auto answer = ask(instance_, "/api/projects");
    if (!answer) return;
    std::vector<Answer> all = answer->list({"projects"});
    if (all.size() > kProjectsMax) all.resize(kProjectsMax);
    for (const Answer& project : all) {
      const std::string id = project.text({"id"});
      const std::string name = "Project \"" + project.text({"name"}) + "\"";
      const auto ledger =
          ask(instance_, "/api/projects/" + id + "/ledger?step=total&from=" + an_hour_ago());
      if (ledger) outcomes(name, *ledger);
      warnings(id, name);
      clocks(id, name);
    }
    quarantine();
  }

  void outcomes(const std::string& name, const Answer& ledger) {
    const uint64_t received = ledger.number({"total", "received"});
    if (received == 0) {
      return out_.note("nothing_received", name + " has received nothing in the last hour.",
                       "Check `host` and the key in the SDK; `penstock tail` shows what comes.");
    }
    uint64_t dropped = 0;
    for (const auto& [reason, count] : ledger.counts({"total", "dropped"})) {
      dropped += count;
      out_.bad("dropped_" + reason,
               fmt::format("{}: {} of {} were dropped in the last hour ({}).", name, count,
                           events(received), reason),
               "docs/INGEST.md says what this reason means; rules and quotas are in Settings.",
               "not_visible.md");
    }
    const uint64_t repeats = ledger.number({"total", "deduplicated"});
    if (repeats * 2 > received) {
      out_.bad(
          "mostly_repeats",
          fmt::format("{}: {} of {} in the last hour were repeats of events that are there already "
                      "(same uuid, same content).",
                      name, repeats, events(received)),
          "A sender that makes its own uuids must make a fresh one for each event.",
          "not_visible.md");
    }
    if (dropped == 0 && repeats * 2 <= received) {
      out_.good("received", fmt::format("{}: {} received in the last hour, none dropped", name,
                                        events(received)));
    }
  }

  /// What capture refused whole has no outcome; it is told as warnings.
  void warnings(const std::string& id, const std::string& name) {
    const auto rows = ask_sql(
        instance_, id,
        "SELECT type, sum(JSONExtractUInt(details, 'requests')) AS n, any(JSONExtractString("
        "details, 'message')) FROM ingestion_warnings WHERE timestamp > now() - INTERVAL 1 HOUR "
        "AND JSONExtractUInt(details, 'requests') > 0 GROUP BY type ORDER BY n DESC LIMIT 10");
    if (!rows) return;
    for (const auto& row : *rows) {
      out_.bad("refused_" + row[0],
               fmt::format("{}: {} requests were refused in the last hour ({}): {}", name, row[1],
                           row[0], row[2]),
               "Mend the sender; the text is what it was answered.", "not_visible.md");
    }
  }

  void clocks(const std::string& id, const std::string& name) {
    const auto rows = ask_sql(
        instance_, id,
        "SELECT countIf(timestamp < inserted_at - INTERVAL 1 DAY), countIf(timestamp > inserted_at "
        "+ INTERVAL 1 HOUR), count() FROM events WHERE inserted_at > now() - INTERVAL 1 HOUR");
    if (!rows || rows->size() != 1) return;
    const auto& row = rows->front();
    if (row[0] == "0" && row[1] == "0") return;
    out_.note(
        "other_times",
        fmt::format("{}: of {} rows stored in the last hour, {} carry a timestamp more than a day "
                    "old and {} one more than an hour ahead: a query for \"today\" may not show "
                    "them.",
                    name, row[2], row[0], row[1]),
        "If this is no import, check the sender's clock and its `timestamp`.", "not_visible.md");
  }

  void quarantine() {
    const uint64_t entries = status_.number({"quarantine", "entries"});
    if (entries == 0) return;
    const auto answer = ask(instance_, "/api/projects/1/quarantine?limit=100");
    std::vector<std::pair<std::string, std::string>> kinds;  // reason, token
    if (answer) {
      for (const Answer& e : answer->list({"entries"})) {
        std::pair<std::string, std::string> kind{e.text({"reason"}), e.text({"token"})};
        if (std::ranges::find(kinds, kind) == kinds.end()) kinds.push_back(std::move(kind));
      }
    }
    for (const auto& [reason, token] : kinds) {
      if (reason == "unknown_token") {
        out_.bad("unknown_token",
                 "Events come with the key \"" + token +
                     "\", which no project has; they wait in "
                     "quarantine.",
                 "Mend the key in the SDK, or: penstock projects create NAME --token " + token,
                 "not_visible.md");
      } else {
        out_.bad("quarantined_" + reason, "Events wait in quarantine: " + reason + ".",
                 "Look at them: penstock trace UUID, or the page Quarantine.", "not_visible.md");
      }
    }
    if (kinds.empty()) {
      out_.bad("quarantined", events(entries) + " wait in quarantine.",
               "Look at the page Quarantine.", "not_visible.md");
    }
  }

  const Instance& instance_;
  Findings& out_;
  Answer status_;
};

}  // namespace

void examine_running(const Instance& instance, Findings& out) { Examination(instance, out).run(); }

}  // namespace penstock::cli::doctor
