// json_equal: whether two JSON values mean the same, however they are written.
//
// As JavaScript compares what it parsed: members in any order, numbers as doubles, strings by what
// their escapes stand for; of a member that comes twice the last counts. Both texts must be valid
// JSON values. Pure function; the work is bounded by kJsonEqualBytesMax.
#pragma once

#include <cstddef>
#include <string_view>

namespace penstock::event {

/// Values of which one is longer than this are equal only byte by byte: each level of nesting is
/// read once more, and a deep value of megabytes must not hold the loop.
inline constexpr size_t kJsonEqualBytesMax = 64U << 10;

bool json_equal(std::string_view a, std::string_view b);

}  // namespace penstock::event
