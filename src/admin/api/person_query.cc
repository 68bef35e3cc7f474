#include "admin/api/person_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "wire/http.h"

namespace penstock::admin {
namespace {

using Operator = PersonFilter::Operator;

constexpr size_t kFiltersMax = 10;
constexpr size_t kFilterBytesMax = 4096;
constexpr size_t kSearchBytesMax = 1000;
constexpr size_t kListMax = 500;

struct OperatorName {
  std::string_view name;
  Operator op;
};
constexpr OperatorName kOperators[] = {
    {"exact", Operator::kExact},        {"is_not", Operator::kIsNot},
    {"icontains", Operator::kContains}, {"not_icontains", Operator::kNotContains},
    {"is_set", Operator::kIsSet},       {"is_not_set", Operator::kIsNotSet},
};

bool needs_value(Operator op) { return op != Operator::kIsSet && op != Operator::kIsNotSet; }

/// A value of the filter as the text it is compared as: strings without quotes, others as JSON.
std::string plain(std::string_view raw) {
  return event::json_type(raw) == event::JsonType::kString ? event::decode_string(raw)
                                                           : std::string(raw);
}

Result<PersonFilter> read_filter(std::string_view raw) {
  PENSTOCK_TRY(const auto fields, event::JsonFields::parse(raw));
  PersonFilter filter;
  const auto key = fields.find("key");
  if (!key || event::json_type(*key) != event::JsonType::kString) {
    return fail(Code::kInvalid, "a filter has a 'key', the name of a property");
  }
  filter.key = event::decode_string(*key);
  const std::string op = plain(fields.find("operator").value_or("\"exact\""));
  const auto* known =
      std::find_if(std::begin(kOperators), std::end(kOperators),
                   [&](const OperatorName& candidate) { return candidate.name == op; });
  if (known == std::end(kOperators)) {
    return fail(Code::kInvalid, fmt::format("'{}' is no operator: exact, is_not, icontains, "
                                            "not_icontains, is_set or is_not_set",
                                            op.substr(0, 100)));
  }
  filter.op = known->op;
  const auto value = fields.find("value");
  if (!value && needs_value(filter.op)) {
    return fail(Code::kInvalid, fmt::format("the operator '{}' needs a 'value'", op));
  }
  if (value) filter.value = plain(*value);
  if (filter.key.empty() || filter.key.size() + filter.value.size() > kFilterBytesMax) {
    return fail(Code::kInvalid, fmt::format("a filter's key and value have together 1 to {} bytes",
                                            kFilterBytesMax));
  }
  return filter;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool satisfies(const std::optional<std::string_view>& raw, const PersonFilter& f) {
  const std::string text = raw ? plain(*raw) : "";
  switch (f.op) {
    case Operator::kExact: return raw && text == f.value;
    case Operator::kIsNot: return !raw || text != f.value;
    case Operator::kContains: return raw && lower(text).contains(lower(f.value));
    case Operator::kNotContains: return !raw || !lower(text).contains(lower(f.value));
    case Operator::kIsSet: return raw.has_value();
    case Operator::kIsNotSet: return !raw.has_value();
  }
  return false;
}

/// A property's value as text: a string as it is, all else as JSON; "" when it is not there.
std::string text_of(const std::string& key) {
  return fmt::format(
      "if(JSONType(properties, {0}) = 'String', JSONExtractString(properties, {0}), "
      "JSONExtractRaw(properties, {0}))",
      key);
}

std::string condition(const PersonFilter& f) {
  const std::string key = sql_text(f.key);
  const std::string has = fmt::format("JSONHas(properties, {})", key);
  const std::string value = sql_text(f.value);
  switch (f.op) {
    case Operator::kExact: return fmt::format("({} AND {} = {})", has, text_of(key), value);
    case Operator::kIsNot: return fmt::format("NOT ({} AND {} = {})", has, text_of(key), value);
    case Operator::kContains:
      return fmt::format("({} AND positionCaseInsensitiveUTF8({}, {}) > 0)", has, text_of(key),
                         value);
    case Operator::kNotContains:
      return fmt::format("NOT ({} AND positionCaseInsensitiveUTF8({}, {}) > 0)", has, text_of(key),
                         value);
    case Operator::kIsSet: return has;
    case Operator::kIsNotSet: return "NOT " + has;
  }
  return "1";
}

/// Conditions on the latest row of each person.
std::string conditions(const PersonsAsked& asked) {
  std::string out = "is_deleted = 0";
  for (const PersonFilter& f : asked.filters) out += " AND " + condition(f);
  if (!asked.search.empty()) {
    const std::string text = sql_text(asked.search);
    out += fmt::format(
        " AND (positionCaseInsensitiveUTF8(JSONExtractString(properties, 'email'), {0}) > 0 OR "
        "positionCaseInsensitiveUTF8(JSONExtractString(properties, 'name'), {0}) > 0",
        text);
    for (const Uuid& id : asked.found) out += fmt::format(" OR id = toUUID('{}')", id.text());
    out += ')';
  }
  return out;
}

bool narrowed(const PersonsAsked& asked) { return !asked.filters.empty() || !asked.search.empty(); }

}  // namespace

std::string PageCursor::text() const { return fmt::format("{}:{}", at, id.text()); }

std::optional<PageCursor> PageCursor::parse(std::string_view text) {
  PageCursor out;
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + colon, out.at);
  const auto id = Uuid::parse(text.substr(colon + 1));
  if (error != std::errc() || end != text.data() + colon || !id) return std::nullopt;
  out.id = *id;
  return out;
}

Result<uint64_t> query_number(std::string_view query, std::string_view name, uint64_t least,
                              uint64_t most, uint64_t otherwise) {
  std::string text;
  if (!wire::query_param(query, name, text) || text.empty()) return otherwise;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    return fail(Code::kInvalid, fmt::format("'{}' is a number from {} to {}", name, least, most));
  }
  return value;
}

Result<PersonsAsked> read_persons_query(std::string_view query) {
  PersonsAsked asked;
  PENSTOCK_TRY(asked.limit, query_number(query, "limit", 1, kListMax, 100));
  wire::query_param(query, "search", asked.search);
  wire::query_param(query, "distinct_id", asked.distinct_id);
  if (asked.search.size() > kSearchBytesMax || asked.distinct_id.size() > kSearchBytesMax) {
    return fail(Code::kInvalid, fmt::format("a search has at most {} bytes", kSearchBytesMax));
  }
  std::string text;
  if (wire::query_param(query, "order", text) && !text.empty()) {
    if (text != "seen" && text != "created") {
      return fail(Code::kInvalid, "'order' is seen or created");
    }
    asked.by_seen = text == "seen";
  }
  if (wire::query_param(query, "properties", text) && !text.empty()) {
    PENSTOCK_TRY(const auto filters, event::split_array(text));
    if (filters.size() > kFiltersMax) {
      return fail(Code::kInvalid, fmt::format("at most {} filters", kFiltersMax));
    }
    for (const std::string_view raw : filters) {
      PENSTOCK_TRY(auto filter, read_filter(raw));
      asked.filters.push_back(std::move(filter));
    }
  }
  if (wire::query_param(query, "after", text) && !text.empty()) {
    asked.after = PageCursor::parse(text);
    if (!asked.after) return fail(Code::kInvalid, "'after' is what 'next' of a page said");
  }
  return asked;
}

bool satisfies(const event::JsonFields& properties, const std::vector<PersonFilter>& filters) {
  return std::all_of(filters.begin(), filters.end(),
                     [&](const PersonFilter& f) { return satisfies(properties.find(f.key), f); });
}

std::string created_sql(const PersonsAsked& asked) {
  std::string where = conditions(asked);
  if (asked.after) {
    where += fmt::format(" AND (toUnixTimestamp64Milli(created_at), id) < ({}, toUUID('{}'))",
                         asked.after->at, asked.after->id.text());
  }
  return fmt::format(
      "SELECT toString(id), '', toUnixTimestamp64Milli(created_at) FROM person FINAL WHERE {} "
      "ORDER BY created_at DESC, id DESC LIMIT {}",
      where, asked.limit);
}

std::string seen_sql(const PersonsAsked& asked, int64_t after_ms) {
  std::string where = fmt::format(
      "timestamp > fromUnixTimestamp64Milli({}) AND person_mode != 'propertyless'", after_ms);
  if (narrowed(asked)) {
    where +=
        fmt::format(" AND person_id IN (SELECT id FROM person FINAL WHERE {})", conditions(asked));
  }
  std::string having;
  if (asked.after) {
    having = fmt::format("HAVING (at, person_id) < ({}, toUUID('{}'))", asked.after->at,
                         asked.after->id.text());
  }
  return fmt::format(
      "SELECT toString(person_id), argMax(distinct_id, timestamp), "
      "toUnixTimestamp64Milli(toDateTime64(max(timestamp), 3, 'UTC')) AS at FROM events WHERE {} "
      "GROUP BY person_id {} ORDER BY at DESC, person_id DESC LIMIT {}",
      where, having, asked.limit);
}

}  // namespace penstock::admin
