#include "definitions/detect/read_event.h"

namespace penstock::definitions {

std::string_view without_nul(std::string_view text, std::string& scratch) {
  if (!text.contains('\0')) return text;
  scratch.clear();
  for (const char c : text) {
    if (c == '\0')
      scratch += "\xef\xbf\xbd";
    else
      scratch += c;
  }
  return scratch;
}

}  // namespace penstock::definitions
