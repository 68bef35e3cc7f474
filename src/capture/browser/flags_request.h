// What a request to /flags or /decide asks for: its query and its body, in every form that SDKs
// have sent them (contract/capture, section 8).
//
// Pure; the views of a FlagsQuery point into the request.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capture/browser/api_error.h"
#include "catalog/feature_flags.h"
#include "wire/http.h"

namespace penstock::capture {

/// The five bodies that answer: see flags_answer.h.
enum class FlagsShape : uint8_t { kValues, kDetails, kLegacy, kEnabledValues, kEnabledKeys };

struct FlagsQuery {
  FlagsShape shape = FlagsShape::kDetails;
  bool with_config = false;
  bool surveys_only = false;  // only_evaluate_survey_feature_flags
};

FlagsQuery read_flags_query(std::string_view query, bool decide);

struct FlagsBody {
  std::string token;
  std::string distinct_id, device_id;  // empty: not told, or told as an empty string
  bool disable_flags = false;
  std::optional<std::vector<std::string>> flag_keys;  // absent: all
  std::vector<std::string> contexts;                  // evaluation contexts; empty: any
  std::optional<catalog::FlagRuntime> runtime;
};

/// The body's JSON text. An unknown project is not this function's business; a missing distinct id
/// is, and comes after a missing token.
std::expected<FlagsBody, ApiError> read_flags_body(std::string_view text);

/// Where the caller runs: what it says of itself, or what its headers tell; nothing when they do
/// not.
std::optional<catalog::FlagRuntime> runtime_of(const wire::Request& request, const FlagsBody& body);

/// A copy of JSON text with NaN, Infinity and -Infinity outside strings made null, as the older
/// servers took them.
std::string non_finite_to_null(std::string_view text);

}  // namespace penstock::capture
