// Errors of the endpoints that browsers and SDKs ask: PostHog's JSON form.
//
//   {"type":"authentication_error","code":"invalid_token","detail":"…","attr":null}
// SDKs act on the status alone; the code and the sentence are for people.
#pragma once

#include <string>
#include <string_view>

#include "capture/answers.h"

namespace penstock::capture {

struct ApiError {
  int status = 400;
  std::string_view code;  // static text: "missing_distinct_id", …
  std::string detail;     // one sentence
};

void answer_error(wire::Responder& responder, const AnswerContext& context, const ApiError& error);
/// The same as a response, for answers that are put together elsewhere.
wire::Response error_response(const ApiError& error);

ApiError missing_token();
ApiError unknown_token();

}  // namespace penstock::capture
