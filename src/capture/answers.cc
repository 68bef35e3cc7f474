#include "capture/answers.h"

namespace penstock::capture {
namespace {

constexpr std::string_view kOk =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"
    "{\"status\":\"Ok\"}";
constexpr std::string_view kRetryAfterSeconds = "1";

}  // namespace

void add_cors(wire::Response& response, std::string_view origin) {
  if (origin.empty()) return;
  auto& h = response.headers;
  h.emplace_back("access-control-allow-origin", origin);
  h.emplace_back("access-control-allow-credentials", "true");
  h.emplace_back("access-control-expose-headers", "Retry-After");
  h.emplace_back("vary", "origin");
}

void answer(wire::Responder& responder, const AnswerContext& context, wire::Response response) {
  add_cors(response, context.origin);
  responder.send(std::move(response));
}

void answer_ok(wire::Responder& responder, const AnswerContext& context) {
  if (context.beacon) {
    wire::Response response;
    response.status = 204;
    add_cors(response, context.origin);
    return responder.send(std::move(response));
  }
  if (context.origin.empty()) return responder.send_raw(kOk);
  std::string text =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\naccess-control-allow-origin: ";
  text += context.origin;
  text +=
      "\r\naccess-control-allow-credentials: true\r\naccess-control-expose-headers: Retry-After"
      "\r\nvary: origin\r\nContent-Length: 15\r\n\r\n{\"status\":\"Ok\"}";
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
