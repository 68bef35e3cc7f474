#include "capture/browser/etag.h"

#include <fmt/format.h>

#include "base/hash.h"

namespace penstock::capture {
namespace {

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

/// The tag's text without W/ and quotes.
std::string_view opaque(std::string_view tag) {
  if (tag.starts_with("W/") || tag.starts_with("w/")) tag.remove_prefix(2);
  if (tag.size() >= 2 && tag.starts_with('"') && tag.ends_with('"')) {
    tag = tag.substr(1, tag.size() - 2);
  }
  return tag;
}

/// Calls `visit` with every trimmed entry of a comma-separated header until it answers true.
template <typename Visit>
bool any_entry(std::string_view header, Visit visit) {
  while (!header.empty()) {
    const size_t comma = header.find(',');
    if (visit(trim(header.substr(0, comma)))) return true;
    if (comma == std::string_view::npos) break;
    header.remove_prefix(comma + 1);
  }
  return false;
}

}  // namespace

std::string weak_etag(std::string_view text) { return fmt::format("W/\"{:016x}\"", hash64(text)); }

bool etag_matches(std::string_view if_none_match, std::string_view tag) {
  return any_entry(if_none_match, [tag](std::string_view one) {
    return one == "*" || (!one.empty() && opaque(one) == opaque(tag));
  });
}

bool accepts_gzip(std::string_view accept_encoding) {
  return any_entry(accept_encoding, [](std::string_view one) {
    const size_t semicolon = one.find(';');
    if (trim(one.substr(0, semicolon)) != "gzip") return false;
    const std::string_view q =
        semicolon == std::string_view::npos ? "" : trim(one.substr(semicolon + 1));
    return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000";
  });
}

}  // namespace penstock::capture
