// The headers of a Capture V1 request (contract section 7): what must be there, and what they say.
//
// Pure. The views point into the request and live as long as it does.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "capture/decode/refusal.h"
#include "wire/http.h"
#include "wire/inflate.h"

namespace penstock::capture::v1 {

struct Head {
  std::string_view token;
  std::optional<wire::Encoding> encoding;  // of the body; none: as it is
  int64_t client_ms = 0;                   // the client's clock when it sent this attempt
  std::string_view lib, lib_version;       // both empty: not to be told
};

/// The refusal carries the error tag that the answer names.
std::expected<Head, Refusal> read_head(const wire::Request& request, size_t token_bytes_max);

/// The token of an Authorization header of the scheme Bearer, checked for its shape.
std::expected<std::string_view, Refusal> read_bearer(const wire::Request& request,
                                                     size_t token_bytes_max);

}  // namespace penstock::capture::v1
