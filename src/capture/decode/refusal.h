// Refusal: why a request is not accepted, as the client and the trace see it.
#pragma once

#include <string>
#include <string_view>

namespace penstock::capture {

struct Refusal {
  int status = 400;
  std::string_view tag;  // static text: "invalid_json", "missing_token", …
  std::string message;   // one sentence for the developer who reads it
};

}  // namespace penstock::capture
