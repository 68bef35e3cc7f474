#include "main/http_client.h"

#include <curl/curl.h>

#include <memory>

#include "event/json_fields.h"

namespace penstock::cli {
namespace {

struct Sink {
  const HttpCall& call;
  HttpReply& reply;
};

size_t on_write(char* data, size_t size, size_t count, void* user) {
  auto* sink = static_cast<Sink*>(user);
  const std::string_view piece(data, size * count);
  if (sink->call.on_data) return sink->call.on_data(piece) ? piece.size() : 0;
  sink->reply.body += piece;
  return piece.size();
}

Code code_of(int status) {
  switch (status) {
    case 400: return Code::kInvalid;
    case 401:
    case 403: return Code::kDenied;
    case 404: return Code::kNotFound;
    case 408: return Code::kTimeout;
    case 409: return Code::kConflict;
    case 413: return Code::kExhausted;
    default: return Code::kUnavailable;
  }
}

}  // namespace

Result<HttpReply> http(const HttpCall& call) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                 curl_easy_cleanup);
  if (global != CURLE_OK || !curl) return fail(Code::kUnavailable, "the HTTP client did not start");
  HttpReply reply;
  Sink sink{call, reply};
  curl_slist* list = curl_slist_append(nullptr, "Content-Type: application/json");
  list = curl_slist_append(list, "Expect:");
  list = curl_slist_append(list, "User-Agent: penstock/" PENSTOCK_VERSION);
  if (!call.bearer.empty()) {
    list = curl_slist_append(list, ("Authorization: Bearer " + call.bearer).c_str());
  }
  if (!call.last_event_id.empty()) {
    list = curl_slist_append(list, ("Last-Event-ID: " + call.last_event_id).c_str());
  }
  for (const std::string& header : call.headers) list = curl_slist_append(list, header.c_str());
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(list,
                                                                            curl_slist_free_all);
  curl_easy_setopt(curl.get(), CURLOPT_URL, call.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, call.method.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, on_write);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &sink);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(call.timeout_ms));
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT_MS, 5000L);
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_NOPROXY, "*");
  if (!call.ca_file.empty()) {
    // The certificate is for the instance's public name; here it is reached by its address.
    curl_easy_setopt(curl.get(), CURLOPT_CAINFO, call.ca_file.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (call.proxy_header) curl_easy_setopt(curl.get(), CURLOPT_HAPROXYPROTOCOL, 1L);
  if (call.method != "GET" && call.method != "DELETE") {
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, call.body.data());
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(call.body.size()));
  }
  const CURLcode code = curl_easy_perform(curl.get());
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  const bool stopped = call.on_data && code == CURLE_WRITE_ERROR;
  if (code != CURLE_OK && !stopped) {
    return fail(code == CURLE_OPERATION_TIMEDOUT ? Code::kTimeout : Code::kUnavailable,
                std::string(curl_easy_strerror(code)) + " (" + call.url + ")");
  }
  return reply;
}

Result<std::string> admin_body(Result<HttpReply> reply) {
  if (!reply) return std::unexpected<Error>(reply.error());
  if (reply->status >= 200 && reply->status < 300) return std::move(reply->body);
  std::string message = "HTTP " + std::to_string(reply->status);
  if (const auto fields = event::JsonFields::parse(reply->body)) {
    if (const auto error = fields->find("error"); error && error->starts_with('{')) {
      if (const auto inner = event::JsonFields::parse(*error)) {
        if (const auto text = inner->find("message"); text && text->starts_with('"')) {
          message = event::decode_string(*text);
        }
      }
    }
  }
  return fail(code_of(reply->status), std::move(message));
}

}  // namespace penstock::cli
