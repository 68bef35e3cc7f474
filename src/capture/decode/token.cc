#include "capture/decode/token.h"

#include <algorithm>

namespace penstock::capture {

std::optional<Refusal> check_token(std::string_view& token, size_t bytes_max) {
  constexpr std::string_view kSpace = " \t\n\r";
  token.remove_prefix(std::min(token.find_first_not_of(kSpace), token.size()));
  token = token.substr(0, token.find_last_not_of(kSpace) + 1);
  if (token.empty()) {
    return Refusal{401, "missing_token", "there is no project key: send api_key (phc_…)"};
  }
  const bool ascii = std::all_of(token.begin(), token.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x80 && c != '\0';
  });
  if (!ascii || token.size() > bytes_max) {
    return Refusal{401, "invalid_token", "the project key is malformed"};
  }
  if (token.starts_with("phx_")) {
    return Refusal{401, "personal_token",
                   "this is a personal key (phx_…); send the project's key (phc_…)"};
  }
  return std::nullopt;
}

}  // namespace penstock::capture
