// One statement for ClickHouse, whichever way it gets there, and where its answer goes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace penstock::store {

struct Statement {
  std::string sql;   // an INSERT with rows has no FORMAT: the rows say it
  std::string rows;  // in RowBinary; empty: none
};

/// Beside the inserts, or one after the other with them.
enum class Turn : uint8_t { kBeside, kAmongInserts };

/// The last statement's answer, tab separated.
using TextDone = std::move_only_function<void(Result<std::string>)>;
/// Runs all, in order, with every right; ends at the first that fails.
using SendStatements = std::function<void(Turn, std::vector<Statement>, TextDone)>;

}  // namespace penstock::store
