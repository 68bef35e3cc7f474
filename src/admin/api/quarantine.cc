// Quarantine: search, inspect, edit, try out, drive again, discard.
//
// Whatever changes something is a command in the log (event/quarantine_change.h); ingest carries it
// out. A caller whose key is bound to a project sees what came with that project's token.
#include <fmt/format.h>

#include <algorithm>

#include "admin/api/quarantine_words.h"
#include "admin/api/service.h"
#include "event/timestamp.h"

namespace penstock::admin {
namespace {

constexpr size_t kPageMax = 500, kPageDefault = 100;
constexpr size_t kScannedMax = 20'000;    // of one page
constexpr size_t kCountedMax = 200'000;   // looked through to say how many a selection is
constexpr size_t kDiscardedMax = 10'000;  // by one request
constexpr size_t kJobsShownMax = 100;
constexpr int64_t kPerSecondMax = 1'000'000;

/// How many of a selection there are; of those that a job may still drive.
struct Tally {
  uint64_t entries = 0;
  bool whole = true;  // false: there may be more
};

Result<Tally> tally(const ledger::Ledger& ledger, const ledger::QuarantineFilter& filter,
                    const ledger::RedriveBegan* began) {
  Tally out;
  std::string after;
  for (size_t scanned = 0; scanned < kCountedMax; scanned += kPageMax) {
    PENSTOCK_TRY(const auto page,
                 ledger::find_quarantined(ledger, filter, after, kPageMax, kPageMax));
    for (const ledger::QuarantineEntry& e : page.entries) {
      out.entries += began == nullptr || began->had(e) ? 1 : 0;
    }
    if (page.next.empty()) return out;
    after = page.next;
  }
  out.whole = false;
  return out;
}

}  // namespace

bool Service::quarantine(Call& call, wire::Responder& r) {
  const std::string_view method = call.request.method;
  const auto& path = call.path;
  const bool get = method == "GET", post = method == "POST";
  if (path.size() == 4 && get) return list_quarantine(call, r), true;
  if (path.size() == 5 && path[4] == "redrives" && get) return list_redrives(call, r), true;
  if (path.size() == 5 && path[4] == "redrive" && post) return redrive(call, r), true;
  if (path.size() == 5 && path[4] == "discard" && post) return discard_quarantined(call, r), true;
  if (path.size() == 7 && path[4] == "redrives" && path[6] == "stop" && post) {
    return stop_redrive(call, r), true;
  }
  if (path.size() == 5 && get) return quarantine_entry(call, r), true;
  if (path.size() == 5 && method == "PUT") return edit_quarantined(call, r), true;
  if (path.size() == 6 && path[5] == "try" && post) return try_out(call, r), true;
  return false;
}

/// What the caller's words select, among what the caller may see.
Result<ledger::QuarantineFilter> Service::quarantine_select(const Call& call) const {
  ledger::QuarantineFilter out;
  if (call.request.method == "GET") {
    const std::string_view query = call.request.query;
    for (const auto& [name, to] :
         {std::pair{"token", &out.token}, std::pair{"reason", &out.reason},
          std::pair{"stage", &out.stage}, std::pair{"event", &out.event},
          std::pair{"distinct_id", &out.distinct_id}, std::pair{"text", &out.text}}) {
      wire::query_param(query, name, *to);
    }
    for (const auto& [name, to] : {std::pair{"from", &out.from_ms}, std::pair{"to", &out.to_ms}}) {
      std::string text;
      if (!wire::query_param(query, name, text) || text.empty()) continue;
      const auto time = event::parse_timestamp_ms(text);
      if (!time) return fail(Code::kInvalid, "from and to are times");
      *to = *time;
    }
  } else {
    PENSTOCK_TRY(const auto select,
                 event::JsonFields::parse(call.body.find("select").value_or("{}")));
    PENSTOCK_TRY(out, ledger::QuarantineFilter::parse(select));
  }
  if (call.principal.project.value != 0) {
    out.token = parts_.catalog.snapshot()->find(call.project)->token;
  }
  return out;
}

Result<ledger::QuarantineEntry> Service::quarantined_of(const Call& call,
                                                        std::string_view id) const {
  PENSTOCK_TRY(auto entry, parts_.ledger.quarantine_entry(id));
  const bool bound = call.principal.project.value != 0;
  const std::string& own = parts_.catalog.snapshot()->find(call.project)->token;
  if (!entry || (bound && entry->token != own)) {
    return fail(Code::kNotFound, "there is no such event in quarantine; it may have left");
  }
  return std::move(*entry);
}

void Service::list_quarantine(Call& call, wire::Responder& r) {
  auto filter = quarantine_select(call);
  if (!filter) return reply_error(r, filter.error());
  std::string after, limit;
  wire::query_param(call.request.query, "after", after);
  wire::query_param(call.request.query, "limit", limit);
  const auto wanted = config::parse_quantity(limit, "count");
  const size_t page =
      wanted && *wanted > 0 ? std::min(static_cast<size_t>(*wanted), kPageMax) : kPageDefault;
  in_pool(
      std::move(r),
      [&ledger = parts_.ledger, filter = std::move(*filter), after, page] {
        return ledger::find_quarantined(ledger, filter, after, page, kScannedMax);
      },
      [this](wire::Responder& to, Result<ledger::QuarantinePage> found) {
        if (!found) return reply_error(to, found.error());
        JsonWriter w;
        w.begin_object().key("entries").begin_array();
        for (const ledger::QuarantineEntry& e : found->entries) write_quarantined(w, e, false);
        w.end_array().key("next");
        found->next.empty() ? w.null() : w.string(found->next);
        const ledger::QuarantineUsage usage = parts_.ledger.quarantine_usage();
        w.key("usage").begin_object().field("entries", usage.entries);
        reply_json(to, w.field("bytes", usage.bytes).end_object().end_object().take());
      });
}

void Service::quarantine_entry(Call& call, wire::Responder& r) {
  const auto entry = quarantined_of(call, call.path[4]);
  if (!entry) return reply_error(r, entry.error());
  JsonWriter w;
  write_quarantined(w, *entry, true);
  reply_json(r, w.take());
}

void Service::edit_quarantined(Call& call, wire::Responder& r) {
  const auto entry = quarantined_of(call, call.path[4]);
  if (!entry) return reply_error(r, entry.error());
  const auto data = body_string(call.body, "data");
  if (!data) return reply_error(r, data.error());
  const std::string text = data->value_or("");
  if (!text.empty() && !event::JsonFields::parse(text)) {
    return reply_error(r, {Code::kInvalid, "an event is a JSON object"});
  }
  JsonWriter w;
  w.begin_object().field("id", entry->id).field("data", text).end_object();
  append_commands(call, r, event::kQuarantineEdit, {w.take()});
}

void Service::try_out(Call& call, wire::Responder& r) {
  auto entry = quarantined_of(call, call.path[4]);
  if (!entry) return reply_error(r, entry.error());
  if (!sources_.try_out) {
    return reply_error(r, {Code::kUnavailable, "ingest does not run in this process"});
  }
  const auto data = body_string(call.body, "data");
  if (!data) return reply_error(r, data.error());
  if (*data) entry->edited = **data;
  const auto snapshot = parts_.catalog.snapshot();
  const catalog::Project* project = snapshot->find_token(ledger::redriven_token(*entry));
  auto record = ledger::redriven_record(*entry, project == nullptr ? ProjectId{} : project->id);
  if (!record) return reply_error(r, record.error());
  auto to = std::make_shared<wire::Responder>(std::move(r));
  const std::string kept = *record;
  sources_.try_out(entry->source, std::move(*record),
                   [to, entry = std::move(*entry), kept,
                    alive = alive_](const Result<std::vector<std::string>>& records) {
                     if (!*alive) return;
                     if (!records) return reply_error(*to, records.error());
                     JsonWriter w;
                     write_trial(w, entry, kept, *records);
                     reply_json(*to, w.take());
                   });
}

/// Named one by one, so that what comes meanwhile is not meant.
void Service::discard_quarantined(Call& call, wire::Responder& r) {
  auto filter = quarantine_select(call);
  if (!filter) return reply_error(r, filter.error());
  const auto found =
      ledger::find_quarantined(parts_.ledger, *filter, "", kDiscardedMax, kScannedMax);
  if (!found) return reply_error(r, found.error());
  if (found->entries.empty()) return reply_error(r, {Code::kNotFound, "nothing is selected"});
  std::vector<std::string> bodies;
  for (size_t at = 0; at < found->entries.size();) {
    JsonWriter w;
    w.begin_object().key("select").begin_object().key("ids").begin_array();
    for (size_t n = 0; n < ledger::QuarantineFilter::kIdsMax && at < found->entries.size(); n++) {
      w.string(found->entries[at++].id);
    }
    bodies.push_back(w.end_array().end_object().end_object().take());
  }
  append_commands(
      call, r, event::kQuarantineDiscard, bodies,
      fmt::format(",\"total\":{},\"more\":{}", found->entries.size(), !found->next.empty()));
}

void Service::redrive(Call& call, wire::Responder& r) {
  auto filter = quarantine_select(call);
  const auto rate = body_integer(call.body, "per_second");
  if (!filter || !rate) return reply_error(r, filter ? rate.error() : filter.error());
  if (*rate && (**rate < 1 || **rate > kPerSecondMax)) {
    return reply_error(r, {Code::kInvalid, "per_second is a number from 1 to 1000000"});
  }
  struct Asked {
    ledger::QuarantineFilter filter;
    Result<Tally> tally = Tally{};
  };
  in_pool(
      std::move(r),
      [&ledger = parts_.ledger, filter = std::move(*filter)]() -> Asked {
        Asked out{filter};
        out.tally = tally(ledger, filter, nullptr);
        return out;
      },
      [this, rate = *rate, principal = call.principal, project = call.project](wire::Responder& to,
                                                                               const Asked& asked) {
        if (!asked.tally) return reply_error(to, asked.tally.error());
        if (asked.tally->entries == 0) {
          return reply_error(to, {Code::kNotFound, "nothing is selected"});
        }
        JsonWriter w;
        w.begin_object().key("select");
        asked.filter.write(w);
        if (rate) w.field("per_second", *rate);
        w.field("total", asked.tally->entries).end_object();
        wire::Request nobody;
        Call later{nobody, {}, {}, principal, false, project};
        append_commands(later, to, event::kQuarantineRedrive, {w.take()},
                        fmt::format(",\"total\":{}", asked.tally->entries));
      });
}

void Service::list_redrives(Call& call, wire::Responder& r) {
  struct Shown {
    std::vector<std::pair<ledger::RedriveJob, Tally>> jobs;
    Status status;
  };
  in_pool(
      std::move(r),
      [&ledger = parts_.ledger]() -> Shown {
        Shown out;
        auto jobs = ledger.redrive_jobs(kJobsShownMax);
        if (!jobs) return {{}, std::unexpected(jobs.error())};
        for (ledger::RedriveJob& job : *jobs) {
          Tally left;
          const auto filter = select_of(job);
          if (job.ended_ms == 0 && filter) {
            const ledger::RedriveBegan began(job);
            left = tally(ledger, *filter, &began).value_or(Tally{});
          }
          out.jobs.emplace_back(std::move(job), left);
        }
        return out;
      },
      [this, project = call.project, all = call.principal.project.value == 0](wire::Responder& to,
                                                                              const Shown& shown) {
        if (!shown.status) return reply_error(to, shown.status.error());
        const auto running =
            sources_.redrives ? sources_.redrives() : std::vector<RedriveProgress>();
        JsonWriter w;
        w.begin_object().key("redrives").begin_array();
        for (const auto& [job, left] : shown.jobs) {
          if (!all && job.project != project) continue;
          const auto it = std::ranges::find(running, job.id, &RedriveProgress::job);
          write_job(w, job, left.entries, it == running.end() ? nullptr : &*it);
        }
        reply_json(to, w.end_array().end_object().take());
      });
}

void Service::stop_redrive(Call& call, wire::Responder& r) {
  const auto id = Uuid::parse(call.path[5]);
  const auto jobs = parts_.ledger.redrive_jobs(SIZE_MAX);
  if (!jobs) return reply_error(r, jobs.error());
  const bool all = call.principal.project.value == 0;
  const auto job = std::ranges::find_if(*jobs, [&](const ledger::RedriveJob& j) {
    return id && j.id == *id && (all || j.project == call.project);
  });
  if (job == jobs->end()) return reply_error(r, {Code::kNotFound, "there is no such re-drive"});
  if (job->ended_ms != 0) return reply_error(r, {Code::kConflict, "this re-drive has ended"});
  JsonWriter w;
  w.begin_object().field("job", job->id.text()).field("state", "stopped").end_object();
  append_commands(call, r, event::kQuarantineRedriveEnd, {w.take()});
}

}  // namespace penstock::admin
