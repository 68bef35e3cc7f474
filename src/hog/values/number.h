// Numbers as JavaScript reads and writes them. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace penstock::hog {

std::string number_text(double n);
void append_number(std::string& out, double n);
/// Number(text): NaN when it is none, 0 for white space.
double to_number(std::string_view text);
/// parseInt(text) and parseFloat(text); NaN when nothing could be read.
double parse_int(std::string_view text);
double parse_float(std::string_view text);
/// The number when the text is an array index as JavaScript writes it ("0", "17").
std::optional<uint32_t> array_index(std::string_view text);

}  // namespace penstock::hog
