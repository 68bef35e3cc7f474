#include "main/prove/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <thread>

#include "base/json_writer.h"
#include "event/json_fields.h"
#include "main/commands/api.h"
#include "main/http_client.h"

namespace penstock::cli::prove {
namespace {

using event::JsonFields;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kRestMax{120'000}, kQueryAgainMax{30'000}, kLook{50};
constexpr size_t kNamedMax = 5;  // of each kind of violation; all are counted

uint64_t count_of(const JsonFields& fields, std::string_view key) {
  return static_cast<uint64_t>(number_of(fields, key));
}

/// The raw value of `key` as an object of its own.
Result<JsonFields> object(const JsonFields& fields, std::string_view key) {
  return JsonFields::parse(fields.find(key).value_or("{}"));
}

/// One column of text, without quotes. Repeats the question while the engine starts.
Result<std::vector<std::string>> column(const Instance& instance, const std::string& project,
                                        const std::string& sql) {
  const auto deadline = steady_clock::now() + kQueryAgainMax;
  HttpCall call = admin_call(instance, "/api/projects/" + project + "/query");
  call.method = "POST";
  JsonWriter w;
  w.begin_object().field("query", sql).field("format", "csv").end_object();
  call.body = w.take();
  for (;;) {
    auto reply = http(call);
    const bool starting = reply && reply->status == 503;
    auto body = admin_body(std::move(reply));
    if (!body && starting && steady_clock::now() < deadline) {
      std::this_thread::sleep_for(kLook);
      continue;
    }
    if (!body) return std::unexpected(body.error());
    std::vector<std::string> out;
    size_t at = body->find('\n') + 1;  // the header
    while (at < body->size()) {
      const size_t end = std::min(body->find('\n', at), body->size());
      std::string line = body->substr(at, end - at);
      std::erase_if(line, [](char c) { return c == '"' || c == '\r'; });
      out.push_back(std::move(line));
      at = end + 1;
    }
    return out;
  }
}

class Audit {
 public:
  Audit(const Instance& instance, const std::vector<std::string>& projects,
        const Promises& promises, CrashReport& report)
      : instance_(instance), projects_(projects), promises_(promises), report_(report) {}

  Status run() {
    PENSTOCK_CHECK(wait_for_rest());
    PENSTOCK_CHECK(compare_events());
    PENSTOCK_CHECK(compare_recordings());
    PENSTOCK_CHECK(check_persons());
    PENSTOCK_CHECK(check_books());
    for (const std::string& answer : promises_.surprises) {
      violated(Check::kAnswers, "an unforeseen answer", answer);
    }
    report_.audits++;
    return {};
  }

 private:
  void violated(Check check, const std::string& what, const std::string& detail) {
    report_.of(check).wrong++;
    if (++named_[what] <= kNamedMax) report_.violations.push_back(what + ": " + detail);
  }

  /// Until nothing is in flight in any project.
  Status wait_for_rest() {
    const auto begun = steady_clock::now();
    for (;;) {
      bool rests = true;
      std::string waiting;
      for (const std::string& project : projects_) {
        PENSTOCK_TRY(
            const std::string body,
            call_admin(instance_, "GET", "/api/projects/" + project + "/ledger?step=total"));
        PENSTOCK_TRY(const auto fields, JsonFields::parse(body));
        PENSTOCK_TRY(const auto total, object(fields, "total"));
        PENSTOCK_TRY(const auto balance, object(fields, "balance"));
        if (count_of(total, "in_flight") == 0 && text_of(balance, "balanced") == "true") continue;
        rests = false;
        waiting = body;
      }
      const auto taken = steady_clock::now() - begun;
      const double ms = std::chrono::duration<double, std::milli>(taken).count();
      if (rests) {
        report_.of(Check::kRests).looked_at++;
        report_.longest_rest_ms = std::max(report_.longest_rest_ms, ms);
        return {};
      }
      if (taken > kRestMax) {
        violated(Check::kRests, "it does not come to rest", waiting);
        return fail(Code::kTimeout, fmt::format("events were still in flight after {:.0f} s: {}",
                                                ms / 1000, waiting));
      }
      std::this_thread::sleep_for(kLook);
    }
  }

  Status compare_events() {
    std::unordered_map<Uuid, uint64_t> rows;
    for (const std::string& project : projects_) {
      for (const char digit : std::string_view("0123456789abcdef")) {
        PENSTOCK_TRY(const auto uuids, column(instance_, project,
                                              fmt::format("SELECT toString(uuid) FROM events WHERE "
                                                          "substring(toString(uuid), 36, 1) = '{}'",
                                                          digit)));
        for (const std::string& text : uuids) {
          const auto uuid = Uuid::parse(text);
          if (uuid) rows[*uuid]++;
        }
      }
    }
    rows_ = 0;
    report_.of(Check::kKept).looked_at = promises_.events.size();
    for (const auto& [uuid, count] : rows) {
      rows_ += count;
      if (count < 2) continue;
      report_.doubled += count - 1;
      violated(Check::kOnce, "an event is stored more than once",
               fmt::format("{} ({}x)", uuid.text(), count));
    }
    report_.of(Check::kOnce).looked_at = rows_;
    // The comparison itself is tried: an event that was never sent must be missed.
    const Uuid planted = Uuid::v5(Uuid{}, "never sent");
    PENSTOCK_TRY(const bool excused, has_reason(planted));
    report_.of(Check::kNoticed).looked_at++;
    if (excused || rows.contains(planted)) {
      violated(Check::kNoticed, "a missing event was not noticed", "planted");
    }
    for (const auto& [uuid, kind] : promises_.events) {
      if (rows.contains(uuid)) continue;
      PENSTOCK_TRY(const bool told, has_reason(uuid));
      if (told) continue;
      report_.lost++;
      violated(Check::kKept, "an acknowledged event is lost",
               fmt::format("{} ({})", uuid.text(), kind_name(kind)));
    }
    return {};
  }

  /// Dropped or quarantined with a reason, as its trace says.
  Result<bool> has_reason(const Uuid& uuid) {
    for (const std::string& project : projects_) {
      PENSTOCK_TRY(
          const std::string body,
          call_admin(instance_, "GET", "/api/projects/" + project + "/trace/" + uuid.text()));
      PENSTOCK_TRY(const auto fields, JsonFields::parse(body));
      PENSTOCK_TRY(const auto entries, event::split_array(fields.find("entries").value_or("[]")));
      for (const std::string_view text : entries) {
        PENSTOCK_TRY(const auto entry, JsonFields::parse(text));
        const std::string state = text_of(entry, "state");
        const bool ended = state == "dropped" || state == "quarantined";
        if (ended && !text_of(entry, "reason").empty()) return true;
      }
    }
    return false;
  }

  Status compare_recordings() {
    report_.of(Check::kRecordings).looked_at = 0;
    for (const auto& [session, marks] : promises_.sessions) {
      report_.of(Check::kRecordings).looked_at += marks.size();
      PENSTOCK_TRY(const std::string body,
                   call_admin(instance_, "GET",
                              "/api/projects/" + projects_[0] + "/session_recordings/" + session +
                                  "/snapshots"));
      std::map<int64_t, uint64_t> found;
      static constexpr std::string_view kMark = R"("mark":)";
      for (size_t at = body.find(kMark); at != std::string::npos; at = body.find(kMark, at + 1)) {
        int64_t mark = 0;
        std::from_chars(body.data() + at + kMark.size(), body.data() + body.size(), mark);
        found[mark]++;
      }
      for (const int64_t mark : marks) {
        const uint64_t count = found[mark];
        const std::string where = fmt::format("{} part {}", session, mark);
        if (count == 0) {
          report_.lost++;
          violated(Check::kRecordings, "an acknowledged part of a recording is lost", where);
        } else if (count > 1) {
          report_.doubled += count - 1;
          violated(Check::kRecordings, "a part of a recording is stored more than once", where);
        }
      }
    }
    return {};
  }

  /// Each distinct id belongs to one person, whatever was merged.
  Status check_persons() {
    PENSTOCK_TRY(const auto known,
                 column(instance_, projects_[0], "SELECT uniqExact(distinct_id) FROM events"));
    for (const std::string& n : known) {
      report_.of(Check::kPersons).looked_at = std::strtoull(n.c_str(), nullptr, 10);
    }
    PENSTOCK_TRY(const auto torn, column(instance_, projects_[0],
                                         "SELECT distinct_id FROM events GROUP BY distinct_id "
                                         "HAVING uniqExact(person_id) > 1 LIMIT 10"));
    for (const std::string& id : torn) {
      violated(Check::kPersons, "a distinct id has two persons", id);
    }
    return {};
  }

  Status check_books() {
    uint64_t stored = 0, recorded = 0;
    report_.stored = report_.deduplicated = report_.quarantined = report_.redriven = 0;
    for (const std::string& project : projects_) {
      PENSTOCK_TRY(const std::string body,
                   call_admin(instance_, "GET", "/api/projects/" + project + "/ledger?step=hour"));
      PENSTOCK_TRY(const auto fields, JsonFields::parse(body));
      PENSTOCK_TRY(const auto lines, event::split_array(fields.find("rows").value_or("[]")));
      for (const std::string_view text : lines) {
        PENSTOCK_TRY(const auto line, JsonFields::parse(text));
        const uint64_t here = count_of(line, "stored");
        (text_of(line, "lane") == "replay" ? recorded : stored) += here;
        report_.deduplicated += count_of(line, "deduplicated");
        report_.quarantined += count_of(line, "quarantined");
        report_.redriven += count_of(line, "redriven");
      }
    }
    report_.stored = stored + recorded;
    report_.of(Check::kBooks).looked_at = stored;
    if (stored != rows_) {
      violated(Check::kBooks, "the ledger and the store differ",
               fmt::format("{} stored by the ledger, {} rows", stored, rows_));
    }
    return {};
  }

  const Instance& instance_;
  const std::vector<std::string>& projects_;
  const Promises& promises_;
  CrashReport& report_;
  std::map<std::string, size_t> named_;
  uint64_t rows_ = 0;
};

}  // namespace

Status audit(const Instance& instance, const std::vector<std::string>& projects,
             const Promises& promises, CrashReport& report) {
  return Audit(instance, projects, promises, report).run();
}

Result<std::string> make_project(const Instance& instance, const std::string& key) {
  HttpCall call = admin_call(instance, "/api/projects");
  call.method = "POST";
  JsonWriter w;
  w.begin_object().field("name", "Made later").field("token", key).end_object();
  call.body = w.take();
  PENSTOCK_TRY(const std::string body, admin_body(http(call)));
  PENSTOCK_TRY(const auto fields, JsonFields::parse(body));
  return text_of(fields, "id");
}

}  // namespace penstock::cli::prove
