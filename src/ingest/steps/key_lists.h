// The property keys PostHog treats specially (contract sections 2b and 5).
//
// Fixed tables; lookups are hashed once at start. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace penstock::ingest {

/// A key that is lifted from an event to its person.
struct LiftedKey {
  std::string_view key;
  std::string initial;  // "$initial_" + key without "$"
};
/// Null unless events carry this key to the person.
const LiftedKey* find_lifted(std::string_view key);
/// A change of only such person properties is not worth a person write.
bool is_suppressed_key(std::string_view key);
/// A property that a person keeps when it has grown too large (ERRATA B6).
bool is_kept_when_trimmed(std::string_view key);

}  // namespace penstock::ingest
