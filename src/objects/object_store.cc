#include "objects/object_store.h"

#include <algorithm>

namespace penstock::objects {
namespace {

bool plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '=' || c == '-';
}

}  // namespace

bool key_is_valid(std::string_view key) {
  if (key.empty() || key.size() > kKeyBytesMax) return false;
  size_t components = 0;
  for (;;) {
    const size_t slash = key.find('/');
    const std::string_view part = key.substr(0, slash);
    if (part.empty() || part.front() == '.' || part.ends_with(".obj")) return false;
    if (part.size() > 200 || !std::ranges::all_of(part, plain)) return false;
    if (++components > kKeyComponentsMax) return false;
    if (slash == std::string_view::npos) return true;
    key.remove_prefix(slash + 1);
  }
}

}  // namespace penstock::objects
