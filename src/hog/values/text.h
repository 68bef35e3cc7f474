// UTF-8 text seen as UTF-16, which is how JavaScript, and so Hog, counts and compares.
//
// Surrogates that stand alone are kept as their three-byte pattern. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::hog {

/// UTF-16 units of valid (or surrogate-holding) UTF-8.
size_t utf16_units(std::string_view text);
std::u16string to_utf16(std::string_view text);
/// Pairs become four bytes, surrogates alone three.
std::string from_utf16(std::u16string_view text);
/// The byte at which unit `unit` begins; at most the end. A unit inside a pair is rounded down.
size_t byte_of_unit(std::string_view text, size_t unit);
/// Below, at or above zero, in the order of UTF-16 units.
int compare_utf16(std::string_view left, std::string_view right);
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);
/// Appends a code point.
void append_utf8(std::string& out, uint32_t code);
/// JavaScript's white space off both ends.
std::string_view trim_js(std::string_view text);
/// Bytes from outside as text: what is not UTF-8 becomes U+FFFD, as in every browser.
std::string decoded_utf8(std::string_view bytes);
/// The same for our own strings, where a surrogate alone is one U+FFFD.
std::string repaired_utf8(std::string_view text);

}  // namespace penstock::hog
