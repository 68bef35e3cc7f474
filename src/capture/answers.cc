#include "capture/answers.h"

namespace penstock::capture {
namespace {

constexpr std::string_view kOkHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
constexpr std::string_view kOkTail = "Content-Length: 15\r\n\r\n{\"status\":\"Ok\"}";
constexpr std::string_view kExposed = "Retry-After, X-Request-Id";
constexpr size_t kOkBytes = 192;  // with a request id, without CORS headers
constexpr std::string_view kRetryAfterSeconds = "1";

}  // namespace

void add_cors(wire::Response& response, std::string_view origin) {
  if (origin.empty()) return;
  auto& h = response.headers;
  h.emplace_back("access-control-allow-origin", origin);
  h.emplace_back("access-control-allow-credentials", "true");
  h.emplace_back("access-control-expose-headers", kExposed);
  h.emplace_back("vary", "origin");
}

void add_request_id(wire::Response& response, const event::RequestId& request) {
  if (request.number == 0) return;
  response.headers.emplace_back("X-Request-Id", request.uuid().text());
}

void answer(wire::Responder& responder, const AnswerContext& context, wire::Response response) {
  add_request_id(response, context.request);
  add_cors(response, context.origin);
  responder.send(std::move(response));
}

void answer_ok(wire::Responder& responder, const AnswerContext& context) {
  if (context.beacon) {
    wire::Response response;
    response.status = 204;
    add_request_id(response, context.request);
    add_cors(response, context.origin);
    return responder.send(std::move(response));
  }
  std::string text;
  text.reserve(kOkBytes + (context.origin.empty() ? 0 : kOkBytes + context.origin.size()));
  text += kOkHead;
  if (context.request.number != 0) {
    text += "X-Request-Id: ";
    context.request.uuid().append_to(text);
    text += "\r\n";
  }
  if (!context.origin.empty()) {
    text += "access-control-allow-origin: ";
    text += context.origin;
    text += "\r\naccess-control-allow-credentials: true\r\naccess-control-expose-headers: ";
    text += kExposed;
    text += "\r\nvary: origin\r\n";
  }
  text += kOkTail;
  responder.send_raw(text);
}

void answer_text(wire::Responder& responder, const AnswerContext& context, int status,
                 std::string text) {
  answer_json(responder, context, status, std::move(text) + "\n", "text/plain; charset=utf-8");
}

void answer_json(wire::Responder& responder, const AnswerContext& context, int status,
                 std::string json, std::string_view content_type) {
  wire::Response response;
  response.status = status;
  response.content_type = content_type;
  response.body = std::move(json);
  answer(responder, context, std::move(response));
}

void answer_unavailable(wire::Responder& responder, const AnswerContext& context,
                        std::string text) {
  wire::Response response;
  response.status = 503;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text) + "\n";
  response.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  add_request_id(response, context.request);
  add_cors(response, context.origin);
  responder.send(std::move(response));
}

void answer_preflight(wire::Responder& responder, const AnswerContext& context,
                      const wire::Request& request, std::string_view methods) {
  wire::Response response;
  response.content_type = "";
  if (context.origin.empty() && !request.find("origin").empty()) {
    return responder.send(std::move(response));
  }
  add_cors(response, context.origin);
  response.headers.emplace_back("access-control-allow-methods", methods);
  const std::string_view wanted = request.find("access-control-request-headers");
  if (!wanted.empty()) response.headers.emplace_back("access-control-allow-headers", wanted);
  response.headers.emplace_back("access-control-max-age", "3600");
  responder.send(std::move(response));
}

}  // namespace penstock::capture
