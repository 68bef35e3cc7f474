// Filters of functions (events, actions, properties) as bytecode, as PostHog stores it.
//
// Pure functions, any thread. A filter matches when its program gives exactly true.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "hog/machine.h"
#include "hog/program.h"

namespace penstock::hog {

/// The same filters with the project's test account filters (a JSON list) in them, where they ask
/// for these (`filter_test_accounts`). What is no JSON object stays as it is.
std::string with_test_accounts(std::string_view filters, std::string_view test_account_filters);

/// Whether they let every event pass.
bool match_everything(std::string_view filters);

/// From the JSON object that PostHog's API stores as `filters` ({events, actions, properties, …}).
/// Actions hold their steps ({"steps": […]}); test account filters are in it already. kInvalid
/// names what cannot be compiled (cohorts, queries, unknown operators).
Result<std::shared_ptr<const Program>> compile_filters(std::string_view filters);

/// Whether the last run says that the filter matches.
inline bool matched(const Outcome& outcome) {
  return outcome.finished() && outcome.result.is_true();
}

}  // namespace penstock::hog
