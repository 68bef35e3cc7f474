// A distinct id from any JSON value, as the contract's section 2 wants it.
#pragma once

#include <string>
#include <string_view>

namespace penstock::capture {

/// Strings as they are, other values as compact JSON with sorted keys; NUL becomes U+FFFD; cut to
/// `chars_max` characters. `raw` is one valid JSON value of bounded depth.
std::string normal_distinct_id(std::string_view raw, size_t chars_max);

}  // namespace penstock::capture
