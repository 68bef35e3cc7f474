#include "ingest/steps/web_url.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "ingest/steps/text.h"

namespace penstock::ingest {
namespace {

constexpr std::string_view kEncodedInPath = " \"#<>?^`{}";
constexpr std::string_view kEncodedInQuery = " \"#<>'";
constexpr std::string_view kEncodedInFragment = " \"<>`";
constexpr std::string_view kNotInHost = " #/<>?@[\\]^|%";

struct Special {
  std::string_view scheme, port;
};
constexpr std::array<Special, 5> kSpecial{
    {{"http", "80"}, {"https", "443"}, {"ws", "80"}, {"wss", "443"}, {"ftp", "21"}}};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_encoded(std::string& out, std::string_view text, std::string_view also) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u > 0x20 && u < 0x7f && !also.contains(c)) {
      out += c;
    } else {
      out += '%';
      out += kHex[u >> 4];
      out += kHex[u & 15];
    }
  }
}

/// Without what the standard takes off before it looks.
std::string stripped(std::string_view url) {
  const auto at_edge = [](char c) { return static_cast<unsigned char>(c) <= 0x20; };
  while (!url.empty() && at_edge(url.front())) url.remove_prefix(1);
  while (!url.empty() && at_edge(url.back())) url.remove_suffix(1);
  std::string out;
  for (const char c : url) {
    if (c != '\t' && c != '\n' && c != '\r') out += c;
  }
  return out;
}

std::optional<std::string_view> scheme_of(std::string_view url) {
  const size_t colon = url.find(':');
  if (colon == std::string_view::npos || colon == 0 || !is_letter(url.front())) return std::nullopt;
  const std::string_view scheme = url.substr(0, colon);
  const bool good = std::ranges::all_of(scheme, [](char c) {
    return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
  return good ? std::optional(scheme) : std::nullopt;
}

/// user@host:port, the host in lower case and without the scheme's own port.
std::optional<std::string> authority(std::string_view text, const Special& special) {
  std::string out;
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
    out = text.substr(0, at + 1);
    text.remove_prefix(at + 1);
  }
  std::string_view host = text, port;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(0, close + 1);
    if (close + 1 < text.size() && text[close + 1] != ':') return std::nullopt;
    port = close + 1 < text.size() ? text.substr(close + 2) : "";
  } else {
    if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
      host = text.substr(0, colon);
      port = text.substr(colon + 1);
    }
    if (host.find_first_of(kNotInHost) != std::string_view::npos) return std::nullopt;
  }
  if (host.empty()) return std::nullopt;
  out += lower_ascii(host);
  if (port.empty()) return out;
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number > 65'535) {
    return std::nullopt;
  }
  if (std::to_string(number) != special.port) out += ":" + std::to_string(number);
  return out;
}

/// How many dots a segment consists of, 0 when it holds anything else; "%2e" is a dot.
size_t dots(std::string_view segment) {
  size_t n = 0;
  while (!segment.empty()) {
    if (segment.front() == '.') {
      segment.remove_prefix(1);
    } else if (lower_ascii(segment.substr(0, 3)) == "%2e") {
      segment.remove_prefix(3);
    } else {
      return 0;
    }
    n++;
  }
  return n;
}

std::string normal_path(std::string_view path, bool special) {
  std::vector<std::string_view> segments;
  const std::string_view slashes = special ? "/\\" : "/";
  if (!path.empty() && slashes.contains(path.front())) path.remove_prefix(1);
  for (bool more = true; more;) {
    const size_t slash = path.find_first_of(slashes);
    more = slash != std::string_view::npos;
    const std::string_view segment = path.substr(0, slash);
    const size_t n = dots(segment);
    if (n == 2 && !segments.empty()) segments.pop_back();
    if (n != 1 && n != 2) {
      segments.push_back(segment);
    } else if (!more) {
      segments.push_back("");  // "/a/.." ends in a slash
    }
    if (more) path.remove_prefix(slash + 1);
  }
  std::string out;
  for (const std::string_view segment : segments) {
    out += '/';
    append_encoded(out, segment, kEncodedInPath);
  }
  return out;
}

}  // namespace

std::optional<std::string> with_path(std::string_view url, std::string_view path) {
  const std::string clean = stripped(url), clean_path = stripped(path);
  const auto scheme = scheme_of(clean);
  if (!scheme) return std::nullopt;
  std::string out = lower_ascii(*scheme);
  std::string_view rest = std::string_view(clean).substr(scheme->size() + 1);
  const auto* special = std::ranges::find(kSpecial, std::string_view(out), &Special::scheme);
  const bool is_special = special != kSpecial.end();
  out += ':';
  const std::string_view slashes = is_special ? "/\\" : "/";
  if (is_special) {
    // However many there are: "https:/host" and "https:////host" are the same address.
    rest.remove_prefix(std::min(rest.find_first_not_of(slashes), rest.size()));
  } else if (rest.starts_with("//")) {
    rest.remove_prefix(2);
  } else {
    if (!rest.starts_with('/')) return out + std::string(rest);
    rest = {};  // no host, and the whole rest is the path that goes
  }
  const size_t host_end = rest.find_first_of(is_special ? "/\\?#" : "/?#");
  const std::string_view host = rest.substr(0, host_end);
  rest = host_end == std::string_view::npos ? std::string_view() : rest.substr(host_end);
  if (is_special) {
    const auto normal = authority(host, *special);
    if (!normal) return std::nullopt;
    out += "//" + *normal;
  } else {
    out += "//" + std::string(host);
  }
  out += normal_path(clean_path, is_special);
  std::string_view fragment;
  if (const size_t hash = rest.find('#'); hash != std::string_view::npos) {
    fragment = rest.substr(hash);
    rest = rest.substr(0, hash);
  }
  if (const size_t mark = rest.find('?'); mark != std::string_view::npos) {
    out += '?';
    append_encoded(out, rest.substr(mark + 1), kEncodedInQuery);
  }
  if (!fragment.empty()) {
    out += '#';
    append_encoded(out, fragment.substr(1), kEncodedInFragment);
  }
  return out;
}

}  // namespace penstock::ingest
