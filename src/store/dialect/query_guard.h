// What a query may be, before the engine sees it: one statement that reads, and for a project no
// look at the engine's own tables.
//
// The engine itself enforces readonly, the row filters and the limits; what it leaves open is
// closed here: functions that read the machine's files, table functions that read a table past its
// filter, output clauses, statements after the first. The scanner is stricter than the engine's, so
// that both see the same names: what they might read differently is refused. Pure functions.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/event_store.h"

namespace penstock::store {

inline constexpr size_t kQueryBytesMax = 256U << 10;

using NameSet = std::set<std::string, std::less<>>;

/// What a server of any version has, in lower case.
struct ServerNames {
  NameSet databases;        // those that hold what is no project's
  NameSet table_functions;  // all of them
};

/// kInvalid or kDenied with a sentence for the asker.
Status check_query(std::string_view sql, bool operator_query, const ServerNames& server = {});
/// What a query runs under: its limits, its row filters, and that it only reads.
struct QuerySetting {
  std::string name, value;
  bool text = false;  // quoted in SQL
};
/// `also_filtered`: tables beside those of `project_tables`.
std::vector<QuerySetting> query_settings(const Query& query,
                                         const std::vector<std::string>& also_filtered = {});
/// The engine's name of it.
std::string_view format_name(QueryFormat format);
/// SET statement that puts limits and row filters on the connection; they cannot be changed after.
std::string query_setup(const Query& query);

/// Table functions a query may use; a server's others are refused, and those that are denied here
/// also by an engine that was not asked. For the test that compares both with the engine's own
/// list.
const std::vector<std::string_view>& allowed_table_functions();
const std::vector<std::string_view>& denied_table_functions();

}  // namespace penstock::store
