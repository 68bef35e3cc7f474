// Parts that ClickHouse could not read and has set aside, and which of them are a loss.
//
// What is inserted is synced before it counts; what a merge or a mutation writes is not, and its
// sources stay on disk meanwhile. So after a power loss such a part may be torn, and the engine
// sets it aside and goes on with the sources: the first and the last block it was made of lie in
// parts that are in use, and nothing is missing (a source that was torn as well is one of its own).
// Any other part that was set aside is rows that queries lack.
#pragma once

#include <string>
#include <string_view>

namespace penstock::store::sql {

/// Scalar subqueries over the parts set aside. `only` is a condition on their database, or "1".
std::string lost_parts(std::string_view only);
/// Those whose blocks are all in parts that are in use.
std::string unfinished_parts(std::string_view only);

}  // namespace penstock::store::sql
