// JSON text on its way into jsonb and back.
//
// jsonb refuses what JSON allows: the character NUL, halves of surrogate pairs, numbers beyond its
// `numeric`. Pure functions of valid JSON text.
#pragma once

#include <string>
#include <string_view>

namespace penstock::persons {

/// Text that jsonb takes: NUL and lone surrogates become U+FFFD; a number that is very long or has
/// a long exponent becomes the double JavaScript would read, or null when that is infinite.
std::string to_jsonb_text(std::string_view json);
/// The same for a plain string, such as a distinct id.
std::string to_postgres_text(std::string_view text);
/// jsonb's output without the spaces it puts behind colons and commas.
std::string compact_json(std::string_view text);

}  // namespace penstock::persons
