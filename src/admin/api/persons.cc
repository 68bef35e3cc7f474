// Persons: the list, one person, and its distinct ids.
//
// Who a person is, is read from the PersonStore, which is exact and current; who matches an email,
// a property or an order is asked of the store's tables, and then shown as the PersonStore has it.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <unordered_map>

#include "admin/api/person_query.h"
#include "admin/api/service.h"
#include "persons/person_store.h"

namespace penstock::admin {
namespace {

constexpr size_t kPrefixHitsMax = 50;
constexpr size_t kIdsInList = 3, kIdsInProfile = 10, kIdsPerPageMax = 1000;
constexpr size_t kIdsCountedMax = 250'000, kIdsCountedAtOnce = 10'000;
constexpr size_t kShownBytesMax = 200;
// Persons seen last: so far back is looked at first, and further only where that is not enough.
constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kWindowsMs[] = {kDayMs, 0};  // 0: everything

/// A person that may belong into the list, and why.
struct Hit {
  Uuid id;
  std::string distinct_id;  // leads to the person when its id is of before a merge
  int64_t at_ms = 0;
  std::string_view found_by;
};

/// A row of the list, ready to be written.
struct Row {
  persons::Person person;
  std::vector<std::string> ids;
  std::optional<int64_t> seen_ms;
  std::string_view found_by;
};

std::string_view cut(std::string_view text) {
  if (text.size() <= kShownBytesMax) return text;
  size_t size = kShownBytesMax;
  while (size > 0 && (static_cast<uint8_t>(text[size]) & 0xc0) == 0x80) size--;
  return text.substr(0, size);
}

/// The first of these properties that is a text, or null.
void write_shown(JsonWriter& w, const event::JsonFields& properties, std::string_view name,
                 std::initializer_list<std::string_view> keys) {
  w.key(name);
  for (const std::string_view key : keys) {
    const auto raw = properties.find(key);
    if (!raw || event::json_type(*raw) != event::JsonType::kString || raw->size() <= 2) continue;
    w.string(cut(event::decode_string(*raw)));
    return;
  }
  w.null();
}

void write_time(JsonWriter& w, std::string_view name, std::optional<int64_t> ms) {
  w.key(name);
  if (ms)
    w.string(iso_time(*ms));
  else
    w.null();
}

void write_row(JsonWriter& w, const Row& row) {
  w.begin_object().field("id", row.person.id.text());
  auto properties = event::JsonFields::parse(row.person.properties);
  if (!properties) properties = event::JsonFields{};
  write_shown(w, *properties, "email", {"email", "$email", "Email"});
  write_shown(w, *properties, "name", {"name", "$name", "username", "Name"});
  write_shown(w, *properties, "country", {"$geoip_country_name"});
  write_shown(w, *properties, "browser", {"$browser", "$initial_browser"});
  write_shown(w, *properties, "os", {"$os", "$initial_os"});
  w.field("property_count", static_cast<uint64_t>(properties->fields().size()));
  w.field("is_identified", row.person.is_identified);
  write_time(w, "created_at", row.person.created_at_ms);
  write_time(w, "last_seen_at", row.seen_ms ? row.seen_ms : row.person.last_seen_at_ms);
  w.key("distinct_ids").begin_array();
  for (const std::string& id : row.ids) w.string(id);
  w.end_array().field("found_by", row.found_by).end_object();
}

/// The person of a hit as it is now; nullopt: gone.
Result<std::optional<persons::Person>> person_of(const persons::PersonStore& store,
                                                 ProjectId project, const Hit& hit) {
  PENSTOCK_TRY(auto person, store.get(project, hit.id));
  if (person || hit.distinct_id.empty()) return person;
  PENSTOCK_TRY(const auto found, store.find_ids(project, hit.distinct_id, 1));
  if (found.empty() || found.front().distinct_id != hit.distinct_id) return std::nullopt;
  return store.get(project, found.front().person_id);
}

/// Who has this text as an id, or begins with it.
Result<std::vector<Hit>> hits_by_id(const persons::PersonStore& store, ProjectId project,
                                    const std::string& text, bool exact_only) {
  std::vector<Hit> out;
  const auto id = Uuid::parse(text);
  if (id && !exact_only) out.push_back({*id, "", 0, "uuid"});
  PENSTOCK_TRY(const auto found, store.find_ids(project, text, exact_only ? 1 : kPrefixHitsMax));
  for (const persons::FoundId& f : found) {
    const bool exact = f.distinct_id == text;
    if (exact_only && !exact) continue;
    out.push_back({f.person_id, f.distinct_id, 0, exact ? "distinct_id" : "distinct_id_prefix"});
  }
  return out;
}

}  // namespace

struct PersonList {
  ProjectId project;
  PersonsAsked asked;
  std::shared_ptr<wire::Responder> to;
  std::vector<Hit> hits;
  std::optional<PageCursor> next;
  std::string incomplete;  // why the store's part is missing
};

namespace {

Result<std::vector<Row>> rows_of_list(const persons::PersonStore& store, const PersonList& list) {
  std::vector<Row> out;
  std::unordered_map<Uuid, size_t> places;
  for (const Hit& hit : list.hits) {
    PENSTOCK_TRY(auto person, person_of(store, list.project, hit));
    if (!person) continue;
    const bool seen_known = list.asked.by_seen && hit.at_ms != 0;
    if (const auto place = places.find(person->id); place != places.end()) {
      // Found by an id first, and now by what tells when it was seen.
      if (seen_known && !out[place->second].seen_ms) out[place->second].seen_ms = hit.at_ms;
      continue;
    }
    const bool by_id = hit.found_by != "properties" && hit.found_by != "order";
    if (by_id && !list.asked.filters.empty()) {
      const auto properties = event::JsonFields::parse(person->properties);
      if (!properties || !satisfies(*properties, list.asked.filters)) continue;
    }
    Row row{std::move(*person), {}, std::nullopt, hit.found_by};
    PENSTOCK_TRY(row.ids, store.distinct_ids(list.project, row.person.id, kIdsInList));
    const bool named = !hit.distinct_id.empty() && by_id;
    if (named && std::find(row.ids.begin(), row.ids.end(), hit.distinct_id) == row.ids.end()) {
      row.ids.insert(row.ids.begin(), hit.distinct_id);
    }
    if (seen_known) row.seen_ms = hit.at_ms;
    places.emplace(row.person.id, out.size());
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace

void Service::list_persons(Call& call, wire::Responder& r) {
  auto asked = read_persons_query(call.request.query);
  if (!asked) return reply_error(r, asked.error());
  auto list = std::make_shared<PersonList>();
  list->project = call.project;
  list->asked = std::move(*asked);
  const bool exact_only = !list->asked.distinct_id.empty();
  const std::string text = exact_only ? list->asked.distinct_id : list->asked.search;
  if (text.empty() || list->asked.after) {
    list->to = std::make_shared<wire::Responder>(std::move(r));
    return persons_in_order(list, 0);
  }
  in_pool(
      std::move(r),
      [&store = parts_.persons, project = call.project, text, exact_only] {
        return hits_by_id(store, project, text, exact_only);
      },
      [this, list, exact_only](wire::Responder& to, Result<std::vector<Hit>> hits) {
        if (!hits) return reply_error(to, hits.error());
        list->hits = std::move(*hits);
        for (const Hit& hit : list->hits) list->asked.found.push_back(hit.id);
        list->to = std::make_shared<wire::Responder>(std::move(to));
        if (exact_only) return answer_persons(list);
        persons_in_order(list, 0);
      });
}

/// Adds what the store knows, in the order that was asked for, and answers.
void Service::persons_in_order(std::shared_ptr<PersonList> list, size_t window) {
  const PersonsAsked& asked = list->asked;
  const int64_t from = asked.after ? asked.after->at : parts_.runtime.clock().wall_ms();
  const bool last = !asked.by_seen || kWindowsMs[window] == 0;
  std::string sql =
      asked.by_seen ? seen_sql(asked, last ? 0 : from - kWindowsMs[window]) : created_sql(asked);
  ask_store(list->project, std::move(sql),
            [this, list, window, last](Result<store::QueryResult> got) {
              auto rows = got ? rows_of(*got) : std::unexpected(got.error());
              if (!rows) {
                if (list->hits.empty()) return reply_error(*list->to, rows.error());
                list->incomplete = rows.error().message;
                return answer_persons(list);
              }
              if (rows->size() < list->asked.limit && !last) {
                return persons_in_order(list, window + 1);
              }
              const bool narrowed = !list->asked.search.empty() || !list->asked.filters.empty();
              for (const Cells& cells : *rows) {
                const auto id = Uuid::parse(cells.size() == 3 ? unquoted(cells[0]) : "");
                if (!id) continue;
                const int64_t at = cell_number(cells[2]);
                list->hits.push_back(
                    {*id, event::decode_string(cells[1]), at, narrowed ? "properties" : "order"});
                if (rows->size() >= list->asked.limit) list->next = PageCursor{at, *id};
              }
              answer_persons(list);
            });
}

void Service::answer_persons(const std::shared_ptr<PersonList>& list) {
  struct Answer {
    std::vector<Row> rows;
    uint64_t count = 0;
  };
  const uint64_t deciding = sources_.ingest ? sources_.ingest().lag_records : 0;
  const uint64_t storing = sources_.load ? sources_.load().lag_records : 0;
  in_pool(
      std::move(*list->to),
      [&store = parts_.persons, list]() -> Result<Answer> {
        Answer out;
        PENSTOCK_TRY(out.rows, rows_of_list(store, *list));
        PENSTOCK_TRY(out.count, store.count(list->project));
        return out;
      },
      [list, deciding, storing](wire::Responder& to, Result<Answer> answer) {
        if (!answer) return reply_error(to, answer.error());
        JsonWriter w;
        w.begin_object().field("count", answer->count).key("results").begin_array();
        for (const Row& row : answer->rows) write_row(w, row);
        w.end_array().key("next");
        if (list->next)
          w.string(list->next->text());
        else
          w.null();
        w.key("fresh").begin_object();
        w.field("undecided_events", deciding).field("unstored_records", storing).end_object();
        w.key("incomplete");
        if (list->incomplete.empty())
          w.null();
        else
          w.string(list->incomplete);
        reply_json(to, w.end_object().take());
      });
}

void Service::person(Call& call, wire::Responder& r, const Uuid& id) {
  struct Profile {
    persons::Person person;
    std::vector<persons::Mapping> ids;
    size_t id_count = 0;
  };
  in_pool(
      std::move(r),
      [&store = parts_.persons, project = call.project, id]() -> Result<Profile> {
        PENSTOCK_TRY(auto person, store.get(project, id));
        if (!person) return fail(Code::kNotFound, "there is no person with this id");
        Profile out{std::move(*person), {}, 0};
        PENSTOCK_TRY(auto page, store.mappings(project, id, kIdsCountedAtOnce));
        out.ids.assign(page.begin(),
                       page.begin() + static_cast<ptrdiff_t>(std::min(page.size(), kIdsInProfile)));
        out.id_count = page.size();
        while (page.size() == kIdsCountedAtOnce && out.id_count < kIdsCountedMax) {
          const std::string last = page.back().distinct_id;
          PENSTOCK_TRY(page, store.mappings(project, id, kIdsCountedAtOnce, last));
          out.id_count += page.size();
        }
        return out;
      },
      [](wire::Responder& to, Result<Profile> profile) {
        if (!profile) return reply_error(to, profile.error());
        const persons::Person& p = profile->person;
        JsonWriter w;
        w.begin_object().field("id", p.id.text()).key("properties").raw(p.properties);
        w.field("is_identified", p.is_identified).field("version", p.version);
        write_time(w, "created_at", p.created_at_ms);
        write_time(w, "last_seen_at", p.last_seen_at_ms);
        w.key("distinct_ids").begin_array();
        for (const persons::Mapping& m : profile->ids) w.string(m.distinct_id);
        w.end_array().field("distinct_id_count", static_cast<uint64_t>(profile->id_count));
        w.field("distinct_id_count_exact", profile->id_count < kIdsCountedMax).end_object();
        reply_json(to, w.take());
      });
}

void Service::person_ids(Call& call, wire::Responder& r, const Uuid& id) {
  const auto limit = query_number(call.request.query, "limit", 1, kIdsPerPageMax, 100);
  if (!limit) return reply_error(r, limit.error());
  std::string after;
  wire::query_param(call.request.query, "after", after);
  in_pool(
      std::move(r),
      [&store = parts_.persons, project = call.project, id, after, n = *limit] {
        return store.mappings(project, id, n + 1, after);
      },
      [n = *limit](wire::Responder& to, Result<std::vector<persons::Mapping>> ids) {
        if (!ids) return reply_error(to, ids.error());
        const bool more = ids->size() > n;
        if (more) ids->pop_back();
        JsonWriter w;
        w.begin_object().key("results").begin_array();
        for (const persons::Mapping& m : *ids) {
          w.begin_object().field("distinct_id", m.distinct_id).field("version", m.version);
          w.end_object();
        }
        w.end_array().key("next");
        if (more)
          w.string(ids->back().distinct_id);
        else
          w.null();
        reply_json(to, w.end_object().take());
      });
}

bool Service::persons(Call& call, wire::Responder& r) {
  if (call.path.size() == 4) return list_persons(call, r), true;
  const auto id = Uuid::parse(call.path[4]);
  if (!id) {
    reply_error(r, {Code::kInvalid,
                    "a person's id is a uuid; a distinct id is asked for with "
                    "persons?distinct_id="});
    return true;
  }
  if (call.path.size() == 5) return person(call, r, *id), true;
  if (call.path.size() != 6) return false;
  if (call.path[5] == "distinct_ids") return person_ids(call, r, *id), true;
  return of_person(call, r, *id, call.path[5]);
}

}  // namespace penstock::admin
