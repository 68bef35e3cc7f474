// The answers of the capture endpoints, with their CORS headers.
//
// The 200 of an SDK without a browser is a static text; everything else is put together here.
#pragma once

#include <string>
#include <string_view>

#include "event/request_id.h"
#include "wire/http.h"

namespace penstock::capture {

/// What an answer needs of its request after the request has gone.
struct AnswerContext {
  std::string origin;  // empty: no CORS headers
  bool beacon = false;
  event::RequestId request{};  // number 0: the answer names none
};

/// Any response, with the CORS headers of its request.
void answer(wire::Responder& responder, const AnswerContext& context, wire::Response response);
void answer_ok(wire::Responder& responder, const AnswerContext& context);
void answer_text(wire::Responder& responder, const AnswerContext& context, int status,
                 std::string text);
void answer_json(wire::Responder& responder, const AnswerContext& context, int status,
                 std::string json, std::string_view content_type = "application/json");
/// 503 with Retry-After.
void answer_unavailable(wire::Responder& responder, const AnswerContext& context, std::string text);
/// Without CORS headers when the context has lost the request's origin.
void answer_preflight(wire::Responder& responder, const AnswerContext& context,
                      const wire::Request& request, std::string_view methods = "GET,POST,OPTIONS");
/// The header X-Request-Id; nothing without a number.
void add_request_id(wire::Response& response, const event::RequestId& request);
/// What lets a page of `origin` read the answer; nothing when it is empty.
void add_cors(wire::Response& response, std::string_view origin);

}  // namespace penstock::capture
