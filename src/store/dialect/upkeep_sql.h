// Statements of the store's upkeep: which rows carry an older person, which rows an erased person
// has, and how the engine is told to change them. What a mutation reads is named with its
// database: it runs without one of its own. Pure functions.
//
// On a cluster every shard changes its own rows by what lies on each of its nodes: erased ids in a
// table that is whole everywhere, frozen overrides in a dictionary made of such a table. Both are
// there on every replica before a mutation that reads them begins (`settle`), and a node that was
// away holds the job up: it is repeated, never half told as done.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "store/dialect/statement.h"
#include "store/event_store.h"

namespace penstock::store::sql {

/// Where the tables are.
struct Place {
  std::string database;
  std::string cluster{};           // empty: one server, or the embedded engine
  std::string user{}, password{};  // as whom a node of the cluster reads its own tables
};

std::string quoted(std::string_view text);

/// Statements without rows.
std::vector<Statement> in_one_go(const std::vector<std::string>& statements);

/// After a start, before anything is asked: what a killed engine left half done is given up, and
/// the overrides that queries look at are read from their table.
std::vector<std::string> at_start();
/// Overrides as queries see them, made anew beside the old ones and exchanged with them.
std::vector<std::string> renew_overrides();

/// Of some ids (`where`: team_id, distinct_id and so on) what queries look at is made what the
/// table of overrides says now; and how many are not. Of two such statements at once the older one
/// may win: whoever is not alone looks afterwards.
std::string refresh(std::string_view where);
std::string not_refreshed(std::string_view database, std::string_view where);
/// Of those that came while all of it was made anew.
std::string refresh_recent();

// Squash.
std::vector<std::string> freeze(const Place& at);
std::string frozen_count();
/// Before the first partition: what is frozen can be looked up on every node.
std::vector<std::string> ready_frozen(const Place& at);
std::string event_partitions(const Place& at);
std::string stale_count(const Place& at, std::string_view partition);
/// One line: free bytes of the disk, and how many of them rewriting the partition takes at most.
std::string room_for(const Place& at, std::string_view partition);
std::string rewrite(const Place& at, std::string_view partition);
std::string applied_count(const Place& at);
std::string delete_applied(const Place& at);
std::vector<std::string> thaw(const Place& at);

// Erasing.
struct EraseTarget {
  std::string_view name;  // as the report calls it
  std::string table;      // whose rows are changed
  std::string counted;    // where all of them are seen; on one server the same
  bool sharded = false;
  std::string where;
};
/// In this order: a later table's rows are what an earlier one's are found by.
std::vector<EraseTarget> erase_targets(const Place& at, const EraseRequest& request);
/// The ids to erase, put down for the statements that follow.
std::vector<Statement> put_down_ids(const Place& at, const std::vector<std::string>& ids);
/// Completes what was put down: ids that were merged into the person, ids that were split from it,
/// the sessions. Then every node has them.
std::vector<std::string> complete_ids(const Place& at, const EraseRequest& request);
std::string count_of(const EraseTarget& target);
std::string note_count(const EraseRequest& request, const EraseTarget& target, uint64_t rows);
std::string noted_count(const EraseRequest& request, const EraseTarget& target);
std::string delete_of(const Place& at, const EraseTarget& target);
std::string forget_ids();

/// One line: how many mutations of the table are not through, and the last one's failure.
std::string unfinished(const Place& at, std::string_view table);
/// When none is: waits until every replica has what the one asked has. Nothing on one server.
std::vector<std::string> settle(const Place& at, std::string_view table);
std::string give_up(const Place& at, std::string_view table);
/// Before a helper table (penstock_squash, penstock_erasing) gets other rows: mutations that a job
/// of before has left would go on with these.
std::string give_up_those_of(const Place& at, std::string_view helper);

}  // namespace penstock::store::sql
