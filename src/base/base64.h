// Base64 (RFC 4648), written with the standard alphabet and padding, and read as leniently as
// clients of JavaScript expect, or to the letter. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace penstock {

std::string base64(std::string_view bytes);
/// As Node's Buffer reads it: both alphabets, with or without padding; what is neither is left out,
/// '=' ends it.
std::string unbase64(std::string_view text);
/// Either alphabet, with its whole padding or none, on one line or several; nullopt: it is not
/// that.
std::optional<std::string> exact_unbase64(std::string_view text);

}  // namespace penstock
