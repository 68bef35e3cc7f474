// What a person did: events, groups and recordings over all its distinct ids.
//
// Events are found by distinct id and not by the person id on their row: the ids are current, the
// row may be of before a merge or a split.
#include <fmt/format.h>

#include "admin/api/person_query.h"
#include "admin/api/service.h"
#include "persons/person_store.h"

namespace penstock::admin {
namespace {

// With more ids than that, the engine looks them up in its own table of them.
constexpr size_t kIdsInSqlMax = 500;
constexpr size_t kIdBytesInSqlMax = 64U << 10;
constexpr size_t kEventsPerPageMax = 500;
constexpr size_t kNamesMax = 25, kGroupsMax = 200;
constexpr int64_t kDayUs = 86'400'000'000;
constexpr int64_t kWindowsUs[] = {30 * kDayUs, 0};  // 0: everything

std::string condition_of(const Uuid& id, const std::vector<std::string>& ids) {
  size_t bytes = 0;
  for (const std::string& one : ids) bytes += one.size();
  if (ids.size() > kIdsInSqlMax || bytes > kIdBytesInSqlMax) {
    return fmt::format(
        "distinct_id IN (SELECT distinct_id FROM person_distinct_id2 FINAL "
        "WHERE person_id = toUUID('{}') AND is_deleted = 0)",
        id.text());
  }
  std::string list;
  for (const std::string& one : ids) {
    if (!list.empty()) list += ", ";
    list += sql_text(one);
  }
  return ids.empty() ? "distinct_id IN ('') AND 0" : fmt::format("distinct_id IN ({})", list);
}

std::string iso_micros(int64_t us) { return iso_time(us / 1000); }

}  // namespace

struct EventPage {
  std::string of, event;
  size_t limit = 0;
  std::optional<PageCursor> after;  // microseconds
  std::shared_ptr<wire::Responder> to;

  std::string sql(int64_t from_us) const {
    std::string where = of;
    if (from_us > 0) where += fmt::format(" AND timestamp > fromUnixTimestamp64Micro({})", from_us);
    if (!event.empty()) where += " AND event = " + sql_text(event);
    if (after) {
      where += fmt::format(
          " AND timestamp <= fromUnixTimestamp64Micro({0}) AND "
          "(toUnixTimestamp64Micro(timestamp), uuid) < ({0}, toUUID('{1}'))",
          after->at, after->id.text());
    }
    return fmt::format(
        "SELECT toString(uuid), event, toUnixTimestamp64Micro(timestamp) AS at, distinct_id, "
        "substring(JSONExtractString(properties, '$current_url'), 1, 500), "
        "substring(JSONExtractString(properties, '$session_id'), 1, 200), toString(person_mode) "
        "FROM events WHERE {} ORDER BY timestamp DESC, uuid DESC LIMIT {}",
        where, limit);
  }
};

void Service::of_person(ProjectId project, const Uuid& id, wire::Responder& r,
                        std::move_only_function<void(R&, Of)> then) {
  in_pool(
      std::move(r),
      [&store = parts_.persons, project, id]() -> Result<Of> {
        PENSTOCK_TRY(const auto person, store.get(project, id));
        if (!person) return fail(Code::kNotFound, "there is no person with this id");
        PENSTOCK_TRY(const auto ids, store.distinct_ids(project, id, kIdsInSqlMax + 1));
        return condition_of(id, ids);
      },
      [then = std::move(then)](wire::Responder& to, Result<Of> of) mutable {
        if (!of) return reply_error(to, of.error());
        then(to, std::move(*of));
      });
}

/// Adds events from further and further back until the page is full.
void Service::person_events(ProjectId project, std::shared_ptr<EventPage> page, size_t window) {
  const int64_t width = kWindowsUs[window];
  const int64_t from = page->after ? page->after->at : parts_.runtime.clock().wall_us();
  ask_store(project, page->sql(width == 0 ? 0 : from - width),
            [this, project, page, window, width](Result<store::QueryResult> got) {
              const auto rows = got ? rows_of(*got) : std::unexpected(got.error());
              if (!rows) return reply_error(*page->to, rows.error());
              if (rows->size() < page->limit && width != 0) {
                return person_events(project, page, window + 1);
              }
              JsonWriter w;
              w.begin_object().key("results").begin_array();
              std::string next;
              for (const Cells& cells : *rows) {
                if (cells.size() != 7) continue;
                const int64_t at = cell_number(cells[2]);
                w.begin_object().key("uuid").raw(cells[0]).key("event").raw(cells[1]);
                w.field("timestamp", iso_micros(at)).key("distinct_id").raw(cells[3]);
                w.key("url").raw(cells[4]).key("session_id").raw(cells[5]);
                w.key("person_mode").raw(cells[6]).end_object();
                next = fmt::format("{}:{}", at, unquoted(cells[0]));
              }
              w.end_array().key("next");
              if (rows->size() == page->limit)
                w.string(next);
              else
                w.null();
              reply_json(*page->to, w.end_object().take());
            });
}

void Service::person_activity(ProjectId project, wire::Responder& r, const Of& of) {
  ask(project,
      fmt::format("SELECT event, n, last, sum(n) OVER (), min(first) OVER (), max(last) OVER (), "
                  "count() OVER () FROM (SELECT event, count() AS n, "
                  "toUnixTimestamp64Micro(min(timestamp)) AS first, "
                  "toUnixTimestamp64Micro(max(timestamp)) AS last FROM events WHERE {} "
                  "GROUP BY event) ORDER BY n DESC, event LIMIT {}",
                  of, kNamesMax),
      std::move(r), [](wire::Responder& to, const store::QueryResult& result) {
        const auto rows = rows_of(result);
        if (!rows) return reply_error(to, rows.error());
        JsonWriter w;
        w.begin_object();
        const bool any = !rows->empty() && rows->front().size() == 7;
        const auto total = [&](size_t i) { return any ? cell_number(rows->front()[i]) : 0; };
        w.field("event_count", total(3)).field("event_names", total(6));
        w.key("first_event_at");
        if (any)
          w.string(iso_micros(total(4)));
        else
          w.null();
        w.key("last_event_at");
        if (any)
          w.string(iso_micros(total(5)));
        else
          w.null();
        w.key("events").begin_array();
        for (const Cells& cells : *rows) {
          w.begin_object().key("event").raw(cells[0]).field("count", cell_number(cells[1]));
          w.field("last_event_at", iso_micros(cell_number(cells[2]))).end_object();
        }
        reply_json(to, w.end_array().end_object().take());
      });
}

void Service::person_groups(ProjectId project, wire::Responder& r, const Of& of) {
  ask(project,
      fmt::format("SELECT g.1 AS type, g.2 AS key, count(), "
                  "toUnixTimestamp64Micro(max(timestamp)) AS last FROM events ARRAY JOIN "
                  "JSONExtractKeysAndValuesRaw(properties, '$groups') AS g WHERE {} AND "
                  "JSONHas(properties, '$groups') GROUP BY type, key ORDER BY last DESC, type, key "
                  "LIMIT {}",
                  of, kGroupsMax),
      std::move(r), [](wire::Responder& to, const store::QueryResult& result) {
        const auto rows = rows_of(result);
        if (!rows) return reply_error(to, rows.error());
        JsonWriter w;
        w.begin_object().key("results").begin_array();
        for (const Cells& cells : *rows) {
          if (cells.size() != 4) continue;
          const std::string key = event::decode_string(cells[1]);
          const bool text = !key.empty() && key.front() == '"';
          w.begin_object().key("type").raw(cells[0]);
          w.field("key", text ? event::decode_string(key) : key);
          w.field("event_count", cell_number(cells[2]));
          w.field("last_event_at", iso_micros(cell_number(cells[3]))).end_object();
        }
        reply_json(to, w.end_array().end_object().take());
      });
}

bool Service::of_person(Call& call, wire::Responder& r, const Uuid& id, std::string_view what) {
  const ProjectId project = call.project;
  if (what == "recordings") {
    return of_person(project, id, r,
                     [this, project, query = std::string(call.request.query)](R& to, const Of& of) {
                       list_recordings(project, query, to, "b." + of);
                     }),
           true;
  }
  if (what == "activity") {
    return of_person(project, id, r,
                     [this, project](R& to, const Of& of) { person_activity(project, to, of); }),
           true;
  }
  if (what == "groups") {
    return of_person(project, id, r,
                     [this, project](R& to, const Of& of) { person_groups(project, to, of); }),
           true;
  }
  if (what != "events") return false;
  auto page = std::make_shared<EventPage>();
  const auto limit = query_number(call.request.query, "limit", 1, kEventsPerPageMax, 100);
  if (!limit) return reply_error(r, limit.error()), true;
  page->limit = *limit;
  std::string after;
  wire::query_param(call.request.query, "event", page->event);
  if (wire::query_param(call.request.query, "after", after) && !after.empty()) {
    page->after = PageCursor::parse(after);
    if (!page->after) {
      return reply_error(r, {Code::kInvalid, "'after' is what 'next' of a page said"}), true;
    }
  }
  of_person(project, id, r, [this, project, page](R& to, Of of) {
    page->of = std::move(of);
    page->to = std::make_shared<R>(std::move(to));
    person_events(project, page, 0);
  });
  return true;
}

}  // namespace penstock::admin
