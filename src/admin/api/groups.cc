// Groups: a project's types of groups, their lists, and one group's profile.
//
// Types and profiles come from the person store, so they are current; lists and members from SQL,
// which may be some seconds behind. Paths and names are PostHog's (/groups_types, /groups,
// /groups/find).
#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "admin/api/service.h"
#include "admin/api/sql.h"
#include "persons/person_store.h"

namespace penstock::admin {
namespace {

constexpr size_t kListMax = 1000, kListDefault = 100;
constexpr size_t kSearchBytesMax = 400;

Result<uint64_t> number_of(std::string_view query, std::string_view name, uint64_t least,
                           uint64_t most, std::optional<uint64_t> otherwise) {
  std::string text;
  if (!wire::query_param(query, name, text) && otherwise) return *otherwise;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    return fail(Code::kInvalid, fmt::format("'{}' is a number from {} to {}", name, least, most));
  }
  return value;
}

Result<uint8_t> type_of(std::string_view query) {
  PENSTOCK_TRY(const uint64_t index,
               number_of(query, "group_type_index", 0, event::kGroupTypesMax - 1, std::nullopt));
  return static_cast<uint8_t>(index);
}

Result<std::string> list_sql(std::string_view query) {
  PENSTOCK_TRY(const uint8_t type, type_of(query));
  PENSTOCK_TRY(const uint64_t limit, number_of(query, "limit", 1, kListMax, kListDefault));
  std::string search, where;
  wire::query_param(query, "search", search);
  if (search.size() > kSearchBytesMax) {
    return fail(Code::kInvalid, fmt::format("'search' is longer than {} bytes", kSearchBytesMax));
  }
  if (!search.empty()) {
    where = fmt::format(
        " AND (positionCaseInsensitiveUTF8(g.group_key, {0}) > 0 OR "
        "positionCaseInsensitiveUTF8(JSONExtractString(g.group_properties, 'name'), {0}) > 0)",
        sql_text(search));
  }
  return fmt::format(
      "SELECT g.group_key, argMax(g.group_properties, g.version), "
      "concat(replaceOne(toString(toDateTime64(argMax(g.created_at, g.version), 3, 'UTC')), "
      "' ', 'T'), 'Z'), max(g.version) FROM groups AS g WHERE g.group_type_index = {}{} "
      "GROUP BY g.group_key ORDER BY max(g._timestamp) DESC, g.group_key LIMIT {}",
      type, where, limit);
}

void write_group(JsonWriter& w, uint8_t type, std::string_view key, std::string_view properties,
                 std::string_view created_at, std::string_view version) {
  w.begin_object().field("group_type_index", type).field("group_key", key);
  w.key("group_properties").raw(properties.empty() ? "{}" : properties);
  w.field("created_at", created_at).key("version").raw(version).end_object();
}

Result<std::string> list_answer(uint8_t type, const store::QueryResult& result) {
  PENSTOCK_TRY(const auto rows, rows_of(result));
  JsonWriter w;
  w.begin_object().key("results").begin_array();
  for (const Cells& cells : rows) {
    if (cells.size() != 4) continue;
    const std::string properties = event::decode_string(cells[1]);
    const bool readable = event::validate_json(properties).has_value();
    write_group(w, type, event::decode_string(cells[0]), readable ? properties : "{}",
                event::decode_string(cells[2]), unquoted(cells[3]));
  }
  return w.end_array().end_object().take();
}

}  // namespace

bool Service::groups(Call& call, wire::Responder& r) {
  if (call.path[3] == "groups_types" && call.path.size() == 4) return group_types(call, r), true;
  if (call.path[3] != "groups") return false;
  if (call.path.size() == 4) return list_groups(call, r), true;
  if (call.path.size() == 5 && call.path[4] == "find") return find_group(call, r), true;
  return false;
}

void Service::group_types(Call& call, wire::Responder& r) {
  in_pool(
      std::move(r),
      [&store = parts_.persons, project = call.project] { return store.group_types(project); },
      [](R& to, Result<std::vector<persons::GroupType>> types) {
        if (!types) return reply_error(to, types.error());
        JsonWriter w;
        w.begin_object().key("results").begin_array();
        for (const persons::GroupType& t : *types) {
          w.begin_object().field("group_type_index", t.index).field("group_type", t.name);
          w.field("created_at", iso_time(t.created_at_ms)).end_object();
        }
        reply_json(to, w.end_array().end_object().take());
      });
}

void Service::list_groups(Call& call, wire::Responder& r) {
  auto sql = list_sql(call.request.query);
  if (!sql) return reply_error(r, sql.error());
  const uint8_t type = *type_of(call.request.query);
  ask(call.project, std::move(*sql), std::move(r),
      [type](wire::Responder& responder, const store::QueryResult& result) {
        auto answer = list_answer(type, result);
        if (!answer) return reply_error(responder, answer.error());
        reply_json(responder, std::move(*answer));
      });
}

void Service::find_group(Call& call, wire::Responder& r) {
  const auto type = type_of(call.request.query);
  if (!type) return reply_error(r, type.error());
  std::string key;
  wire::query_param(call.request.query, "group_key", key);
  in_pool(
      std::move(r),
      [&store = parts_.persons, wanted = persons::GroupKey{call.project, *type, std::move(key)}] {
        return store.fetch_groups({wanted});
      },
      [](R& to, Result<std::vector<std::optional<persons::Group>>> found) {
        if (!found) return reply_error(to, found.error());
        if (!found->front()) return reply_error(to, {Code::kNotFound, "there is no such group"});
        const persons::Group& group = *found->front();
        JsonWriter w;
        write_group(w, group.type_index, group.key, group.properties, iso_time(group.created_at_ms),
                    std::to_string(group.version));
        reply_json(to, w.take());
      });
}

}  // namespace penstock::admin
