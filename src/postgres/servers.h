// The servers that one connection string names, each as a connection string of its own.
//
// libpq goes to the next of `host1,host2` when one refuses. One that stands still it leaves to its
// caller's deadline, at which all of them would be given up: so each gets its own attempt, and its
// own share of the time (connection.h).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace penstock::postgres {

/// Names and values of libpq's parameters.
using Parameters = std::vector<std::pair<std::string, std::string>>;

/// In the string's order, at least one. kInvalid: it is no connection string; libpq's words say
/// why.
Result<std::vector<Parameters>> servers_of(const std::string& url);

}  // namespace penstock::postgres
