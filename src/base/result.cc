#include "base/result.h"

namespace penstock {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kInvalid: return "invalid";
    case Code::kDenied: return "denied";
    case Code::kNotFound: return "not_found";
    case Code::kConflict: return "conflict";
    case Code::kBusy: return "busy";
    case Code::kTimeout: return "timeout";
    case Code::kMaybe: return "maybe";
    case Code::kUnavailable: return "unavailable";
    case Code::kCorrupt: return "corrupt";
    case Code::kExhausted: return "exhausted";
    case Code::kCancelled: return "cancelled";
    case Code::kBug: return "bug";
  }
  return "bug";
}

std::unexpected<Error> fail(const Error& cause, std::string_view context) {
  std::string text(context);
  text += ": ";
  text += cause.message;
  return std::unexpected<Error>(Error{cause.code, std::move(text)});
}

}  // namespace penstock
