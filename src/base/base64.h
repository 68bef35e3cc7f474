// Base64 (RFC 4648), written with the standard alphabet and padding, and read as leniently as
// clients of JavaScript expect. What comes from a client and has to be right is read elsewhere
// (wire/inflate.h). Any thread; never fails.
#pragma once

#include <string>
#include <string_view>

namespace penstock {

std::string base64(std::string_view bytes);
/// As Node's Buffer reads it: both alphabets, with or without padding; what is neither is left out,
/// '=' ends it.
std::string unbase64(std::string_view text);

}  // namespace penstock
