// What a list of persons was asked for, read from the query string, and the SQL that answers it.
//
// Pure functions. Text of the asker is only ever put into SQL as a string.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/api/sql.h"
#include "base/ids.h"
#include "base/result.h"
#include "event/json_fields.h"

namespace penstock::admin {

/// One condition on a person's property, by PostHog's names of operators.
struct PersonFilter {
  enum class Operator : uint8_t { kExact, kIsNot, kContains, kNotContains, kIsSet, kIsNotSet };
  std::string key;
  Operator op = Operator::kExact;
  std::string value;
};

/// Where the next page of a list that goes back in time begins.
struct PageCursor {
  int64_t at = 0;  // in the list's own unit
  Uuid id;
  std::string text() const;
  static std::optional<PageCursor> parse(std::string_view text);
};

struct PersonsAsked {
  std::string search;       // in ids, or part of an email or name
  std::string distinct_id;  // the person that has exactly this id, and nobody else
  std::vector<PersonFilter> filters;
  bool by_seen = true;  // latest event first; else latest created first
  size_t limit = 0;
  std::optional<PageCursor> after;
  /// Found by their ids already: they are asked for too, for when they were seen.
  std::vector<Uuid> found;
};

Result<PersonsAsked> read_persons_query(std::string_view query);

/// Whether a person's properties satisfy every filter; letters beyond ASCII match as they are.
bool satisfies(const event::JsonFields& properties, const std::vector<PersonFilter>& filters);

/// Rows: person id, a distinct id ("" when not known), milliseconds of what the order is by.
std::string created_sql(const PersonsAsked& asked);
/// The same from events that happened after `after_ms`.
std::string seen_sql(const PersonsAsked& asked, int64_t after_ms);

/// The query's number `name` of [least, most], or `otherwise` where it is absent.
Result<uint64_t> query_number(std::string_view query, std::string_view name, uint64_t least,
                              uint64_t most, uint64_t otherwise);

}  // namespace penstock::admin
