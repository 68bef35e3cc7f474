// HttpClient: what the command line uses to talk to a running instance.
//
// A thin owner of a libcurl handle; blocking; one thread. kUnavailable when the other side cannot
// be reached. The key is sent as a bearer token and never printed.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::cli {

struct HttpReply {
  int status = 0;
  std::string body;
};

struct HttpCall {
  std::string method = "GET";
  std::string url;
  std::string body;
  std::string bearer;                // empty: none
  std::string last_event_id;         // for streams
  std::vector<std::string> headers;  // further ones: "name: value"
  int64_t timeout_ms = 65'000;       // 0: none
  std::string ca_file;        // for https: whom to trust instead of the machine's authorities
  bool proxy_header = false;  // begin as a proxy does: the other side insists on it
  /// When set, body pieces go here instead of HttpReply::body; false stops.
  std::function<bool(std::string_view)> on_data;
};

Result<HttpReply> http(const HttpCall& call);

/// The reply's body, or its error message as an Error (for the admin API's replies).
Result<std::string> admin_body(Result<HttpReply> reply);

}  // namespace penstock::cli
