#include "capture/v1/answer.h"

#include <array>

#include "base/json_writer.h"
#include "event/timestamp.h"

namespace penstock::capture::v1 {
namespace {

constexpr std::string_view kRetryAfterSeconds = "1";
constexpr std::string_view kErrorUri = "https://posthog.com/docs/api";
constexpr std::array<std::string_view, 3> kVerdicts{"ok", "warning", "drop"};

void add_echo(wire::Response& response, const RequestEcho& echo) {
  response.headers.emplace_back("Date", event::format_http_date(echo.now_ms));
  if (!echo.request_id.empty()) {
    response.headers.emplace_back("PostHog-Request-Id", echo.request_id);
  }
  add_request_id(response, echo.request);
  add_cors(response, echo.origin);
}

bool may_come_again(int status) { return status == 408 || status == 429 || status >= 500; }

}  // namespace

RequestEcho echo_of(const wire::Request& request, std::string_view origin, uint32_t number) {
  const std::string_view id = request.find("posthog-request-id");
  return {std::string(origin),
          Uuid::parse(id) ? std::string(id) : std::string(),
          request.received_us / 1000,
          {request.received_us / 1000, number}};
}

void Results::send(wire::Responder& responder, uint8_t failed_lanes) {
  constexpr size_t kBytesPerEvent = 64;
  wire::Response response;
  std::string& body = response.body;
  body.reserve(16 + events_.size() * kBytesPerEvent);
  body = "{\"results\":{";
  bool again = false;
  for (const EventResult& e : events_) {
    if (body.back() != '{') body += ',';
    body += '"';
    e.uuid.append_to(body);
    if ((failed_lanes >> static_cast<unsigned>(e.lane) & 1U) != 0) {
      // A drop too: nothing is finished that the books do not know.
      body += "\":{\"result\":\"retry\",\"details\":\"not_persisted\"}";
      again = true;
      continue;
    }
    body += "\":{\"result\":\"";
    body += kVerdicts[static_cast<size_t>(e.verdict)];
    if (!e.details.empty()) {
      body += "\",\"details\":\"";
      body += e.details;
    }
    body += "\"}";
  }
  body += "}}";
  if (again) response.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  add_echo(response, echo_);
  responder.send(std::move(response));
}

void answer_error(wire::Responder& responder, const RequestEcho& echo, const Refusal& refusal) {
  wire::Response response;
  response.status = refusal.status;
  JsonWriter w;
  w.begin_object()
      .field("error", refusal.tag)
      .field("error_description", refusal.message)
      .field("error_uri", kErrorUri)
      .end_object();
  response.body = w.take();
  response.headers.emplace_back("Accept", "application/json");
  response.headers.emplace_back("Accept-Encoding", "gzip, deflate, br, zstd");
  if (refusal.status == 401) {
    response.headers.emplace_back("WWW-Authenticate", refusal.tag == "missing_api_token"
                                                          ? "Bearer"
                                                          : "Bearer error=\"invalid_token\"");
  }
  if (refusal.status == 405) response.headers.emplace_back("Allow", kMethods);
  if (may_come_again(refusal.status)) {
    response.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  }
  add_echo(response, echo);
  responder.send(std::move(response));
}

}  // namespace penstock::capture::v1
