// Statements of the store's upkeep: which rows carry an older person, which rows an erased person
// has, and how the engine is told to change them. What a mutation reads is named with its
// `database`: it runs without one of its own. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "store/dialect/statement.h"
#include "store/event_store.h"

namespace penstock::store::sql {

std::string quoted(std::string_view text);

/// Statements without rows.
std::vector<Statement> in_one_go(const std::vector<std::string>& statements);

/// After a start, before anything is asked: what a killed engine left half done is given up, and
/// the overrides that queries look at are read from their table.
std::vector<std::string> at_start();
/// Overrides as queries see them, made anew beside the old ones and exchanged with them.
std::vector<std::string> renew_overrides();

// Squash.
std::vector<std::string> freeze();
std::string frozen_count();
std::string event_partitions();
std::string stale_count(std::string_view database, std::string_view partition);
/// One line: free bytes of the disk, and how many of them rewriting the partition takes at most.
std::string room_for(std::string_view partition);
std::string rewrite(std::string_view database, std::string_view partition);
std::string applied_count(std::string_view database);
std::string delete_applied(std::string_view database);
std::string thaw();

// Erasing.
struct EraseTarget {
  std::string_view name;   // as the report calls it
  std::string_view table;  // where the rows are
  std::string where;
};
/// In this order: a later table's rows are what an earlier one's are found by.
std::vector<EraseTarget> erase_targets(std::string_view database, const EraseRequest& request);
/// The ids to erase, put down for the statements that follow.
std::vector<Statement> put_down_ids(const std::vector<std::string>& ids);
/// Completes what was put down: ids that were merged into the person, ids that were split from it,
/// the sessions.
std::vector<std::string> complete_ids(std::string_view database, const EraseRequest& request);
std::string count_of(const EraseTarget& target);
std::string note_count(const EraseRequest& request, const EraseTarget& target, uint64_t rows);
std::string noted_count(const EraseRequest& request, const EraseTarget& target);
std::string delete_of(const EraseTarget& target);
std::string forget_ids();

/// One line: how many mutations of the table are not through, and the last one's failure.
std::string unfinished(std::string_view table);
std::string give_up(std::string_view table);

}  // namespace penstock::store::sql
