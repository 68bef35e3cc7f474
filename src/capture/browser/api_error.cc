#include "capture/browser/api_error.h"

#include "base/json_writer.h"

namespace penstock::capture {
namespace {

std::string_view type_of(int status) {
  if (status == 401 || status == 403) return "authentication_error";
  if (status == 402) return "quota_limited";
  return status < 500 ? "validation_error" : "server_error";
}

}  // namespace

wire::Response error_response(const ApiError& error) {
  wire::Response response;
  response.status = error.status;
  JsonWriter w;
  w.begin_object().field("type", type_of(error.status)).field("code", error.code);
  w.field("detail", error.detail).key("attr").null().end_object();
  response.body = w.take();
  if (error.status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

void answer_error(wire::Responder& responder, const AnswerContext& context, const ApiError& error) {
  answer(responder, context, error_response(error));
}

ApiError missing_token() {
  return {401, "missing_token", "there is no project key: send api_key or token"};
}

ApiError unknown_token() { return {401, "invalid_token", "this project key is not known here"}; }

}  // namespace penstock::capture
