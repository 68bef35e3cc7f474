// multipart/form-data bodies, cut into their parts (RFC 7578 in the strict form clients send).
//
// The whole body is in memory; parts are slices of it. Anything that is not exactly boundary,
// headers, data and end is refused: an unknown transfer encoding, a header without a name, text
// before the first boundary or after the last. Pure; bounded by the constants below.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "capture/decode/refusal.h"

namespace penstock::capture::ai {

inline constexpr size_t kPartsMax = 64;
inline constexpr size_t kPartHeadBytesMax = 4096;
inline constexpr size_t kBoundaryBytesMax = 70;

struct Part {
  std::string name;                   // of the form's field, unescaped
  std::string_view content_type;      // as sent; empty: none
  std::string_view content_encoding;  // as sent; empty: none
  std::string_view data;
};

/// The boundary of a Content-Type; 400 when it is malformed, 415 when it names something else.
std::expected<std::string_view, Refusal> boundary_of(std::string_view content_type);

/// At least one part.
std::expected<std::vector<Part>, Refusal> split_parts(std::string_view body,
                                                      std::string_view boundary);

}  // namespace penstock::capture::ai
