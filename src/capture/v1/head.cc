#include "capture/v1/head.h"

#include <array>
#include <charconv>
#include <string>

#include "base/ids.h"
#include "capture/decode/token.h"
#include "event/timestamp.h"

namespace penstock::capture::v1 {
namespace {

constexpr size_t kSdkInfoBytesMax = 200;

/// The required headers beside Authorization, as they are written in an answer.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kRequired{{
    {"content-type", "Content-Type"},
    {"posthog-sdk-info", "PostHog-Sdk-Info"},
    {"posthog-attempt", "PostHog-Attempt"},
    {"posthog-request-id", "PostHog-Request-Id"},
    {"posthog-request-timestamp", "PostHog-Request-Timestamp"},
    {"user-agent", "User-Agent"},
}};
enum Required : uint8_t { kContentType, kSdkInfo, kAttempt, kRequestId, kTimestamp };

std::unexpected<Refusal> refuse(int status, std::string_view tag, std::string message) {
  return std::unexpected(Refusal{status, tag, std::move(message)});
}

std::unexpected<Refusal> bad_value(const char* what) {
  return refuse(400, "invalid_header_value", what);
}

bool is_attempt(std::string_view text) {
  uint32_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc() && end == text.data() + text.size() && n >= 1;
}

/// "posthog-python/7.0.0", split at the last slash; what does not look like it tells nothing.
void read_sdk_info(std::string_view info, Head& head) {
  const size_t slash = info.rfind('/');
  if (info.size() > kSdkInfoBytesMax || slash == std::string_view::npos || slash == 0 ||
      slash + 1 == info.size()) {
    return;
  }
  head.lib = info.substr(0, slash);
  head.lib_version = info.substr(slash + 1);
}

}  // namespace

std::expected<std::string_view, Refusal> read_bearer(const wire::Request& request,
                                                     size_t token_bytes_max) {
  const std::string_view value = request.find("authorization");
  if (value.empty()) {
    return refuse(401, "missing_api_token",
                  "the project key is missing: send Authorization: Bearer phc_…");
  }
  const size_t space = value.find(' ');
  if (!wire::same_ignoring_case(value.substr(0, space), "bearer")) {
    return bad_value("Authorization must have the scheme Bearer");
  }
  std::string_view token = space == std::string_view::npos ? "" : value.substr(space);
  if (auto problem = check_token(token, token_bytes_max)) {
    return refuse(401, "invalid_api_token", std::move(problem->message));
  }
  return token;
}

std::expected<Head, Refusal> read_head(const wire::Request& request, size_t token_bytes_max) {
  Head head;
  const auto token = read_bearer(request, token_bytes_max);
  if (!token) return std::unexpected(token.error());
  head.token = *token;
  std::array<std::string_view, kRequired.size()> values;
  std::string missing;
  for (size_t i = 0; i < kRequired.size(); i++) {
    values[i] = request.find(kRequired[i].first);
    if (!values[i].empty()) continue;
    missing += missing.empty() ? "required headers are missing: " : ", ";
    missing += kRequired[i].second;
  }
  if (!missing.empty()) return refuse(400, "missing_required_headers", std::move(missing));

  std::string_view type = values[kContentType].substr(0, values[kContentType].find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  if (!wire::same_ignoring_case(type, "application/json")) {
    return refuse(415, "unsupported_content_type", "Content-Type must be application/json");
  }
  if (const std::string_view named = request.find("content-encoding"); !named.empty()) {
    head.encoding = wire::encoding_named(named);
    if (!head.encoding) {
      return refuse(415, "unsupported_encoding",
                    "Content-Encoding must be gzip, deflate, br or zstd");
    }
  }
  if (!is_attempt(values[kAttempt])) {
    return bad_value("PostHog-Attempt must be an integer of at least 1");
  }
  if (!Uuid::parse(values[kRequestId])) return bad_value("PostHog-Request-Id must be a UUID");
  const auto client_ms = event::parse_rfc3339_ms(values[kTimestamp]);
  if (!client_ms)
    return bad_value("PostHog-Request-Timestamp must be a time as RFC 3339 writes it");
  head.client_ms = *client_ms;
  read_sdk_info(values[kSdkInfo], head);
  return head;
}

}  // namespace penstock::capture::v1
