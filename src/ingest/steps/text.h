// Small text helpers of the steps: counting and cutting characters, trimming, splitting arrays.
//
// All inputs are valid UTF-8 or validated JSON. Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::ingest {

/// The first `chars` code points.
std::string_view cut_characters(std::string_view text, size_t chars);
bool longer_than(std::string_view text, size_t chars);
std::string lower_ascii(std::string_view text);
/// Without white space (as JavaScript's trim sees it, ASCII part) at both ends.
std::string_view trimmed(std::string_view text);
/// Elements of a validated JSON array, as raw values; empty when it is not an array.
std::vector<std::string_view> split_array(std::string_view raw);

}  // namespace penstock::ingest
