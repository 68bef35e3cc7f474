#include "store/dialect/broken_parts.h"

namespace penstock::store::sql {
namespace {

/// A part's name is partition_first_last_level, and _mutation where there was one. Both ends of a
/// merge's range are ends of parts that it was made of. Between them numbers may be missing: an
/// insert that failed, or that repeated another one, has taken a number and left no part.
std::string counted(const std::string& what, std::string_view only) {
  return "(SELECT countIf(" + what +
         ") FROM (SELECT derived AND countIf(from_block <= first AND to_block >= first) > 0 AND "
         "countIf(from_block <= last AND to_block >= last) > 0 AS whole FROM (SELECT database, "
         "table, name, ifNull(partition_id, '') AS "
         "partition_id, "
         "ifNull(min_block_number, 0) AS first, ifNull(max_block_number, -1) AS last, "
         "ifNull(level, 0) AS depth, last >= first AND (depth > 0 OR match(name, "
         "concat(partition_id, '_', toString(first), '_', toString(last), '_', toString(depth), "
         "'_[0-9]+'))) AS derived FROM system.detached_parts WHERE reason LIKE 'broken%' AND " +
         std::string(only) +
         ") AS aside LEFT JOIN (SELECT database, table, partition_id, min_block_number AS "
         "from_block, "
         "max_block_number AS to_block FROM system.parts WHERE active) AS used USING (database, "
         "table, partition_id) GROUP BY database, table, name, first, last, derived))";
}

}  // namespace

std::string lost_parts(std::string_view only) { return counted("NOT whole", only); }
std::string unfinished_parts(std::string_view only) { return counted("whole", only); }

}  // namespace penstock::store::sql
