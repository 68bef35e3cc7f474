// Keys of what is kept for an app's configuration: a prefix, and its id as 8 bytes, highest first.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::cli {

inline std::string app_key(std::string_view prefix, int64_t config) {
  std::string out(prefix);
  for (int shift = 56; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(config) >> shift));
  }
  return out;
}

inline int64_t config_of(std::string_view prefix, std::string_view key) {
  uint64_t out = 0;
  for (const char c : key.substr(prefix.size())) out = out << 8 | static_cast<unsigned char>(c);
  return static_cast<int64_t>(out);
}

}  // namespace penstock::cli
