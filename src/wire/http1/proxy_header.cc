#include "wire/http1/proxy_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "runtime/ip_range.h"

namespace penstock::wire {
namespace {

using runtime::IpAddress;

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view kFirstWord = "PROXY ";
constexpr size_t kTextBytesMax = 107;
constexpr size_t kFixedBytes = 16;  // signature, version and command, family, length

const ProxyHeader kMalformed{ProxyHeader::Outcome::kMalformed, 0, {}};
const ProxyHeader kMore{ProxyHeader::Outcome::kMore, 0, {}};

bool is_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

/// "PROXY TCP4 1.2.3.4 5.6.7.8 1111 80\r\n" or "PROXY UNKNOWN…\r\n".
ProxyHeader parse_text(std::string_view bytes) {
  const std::string_view window = bytes.substr(0, kTextBytesMax);
  const size_t end = window.find('\n');
  if (end == std::string_view::npos) return window.size() < kTextBytesMax ? kMore : kMalformed;
  if (end == 0 || window[end - 1] != '\r') return kMalformed;
  ProxyHeader out{ProxyHeader::Outcome::kDone, end + 1, {}};
  std::string_view rest = window.substr(kFirstWord.size(), end - 1 - kFirstWord.size());
  if (rest == "UNKNOWN" || rest.starts_with("UNKNOWN ")) return out;
  std::array<std::string_view, 5> words;  // family, source, destination, two ports
  for (size_t i = 0; i < words.size(); i++) {
    const size_t space = rest.find(' ');
    if ((space == std::string_view::npos) != (i + 1 == words.size())) return kMalformed;
    words[i] = rest.substr(0, space);
    if (i + 1 < words.size()) rest.remove_prefix(space + 1);
  }
  const auto source = IpAddress::parse(words[1]), destination = IpAddress::parse(words[2]);
  const bool four = words[0] == "TCP4";
  if (!source || !destination || (!four && words[0] != "TCP6")) return kMalformed;
  for (const std::string_view address : {words[1], words[2]}) {
    if (four != (address.find(':') == std::string_view::npos)) return kMalformed;
  }
  if (!is_port(words[3]) || !is_port(words[4])) return kMalformed;
  out.source_ip = source->text();
  return out;
}

ProxyHeader parse_binary(std::string_view bytes) {
  if (bytes.size() < kFixedBytes) return kMore;
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const int version = at(12) >> 4, command = at(12) & 0xf, family = at(13) >> 4,
            transport = at(13) & 0xf;
  const size_t length = static_cast<size_t>(at(14)) << 8 | at(15);
  if (version != 2 || command > 1 || family > 3 || transport > 2) return kMalformed;
  if (kFixedBytes + length > kProxyHeaderBytesMax) return kMalformed;
  if (bytes.size() < kFixedBytes + length) return kMore;
  ProxyHeader out{ProxyHeader::Outcome::kDone, kFixedBytes + length, {}};
  // LOCAL: a health check of the proxy's own. Without TCP over IP there is no address either.
  if (command == 0 || transport != 1 || family == 0 || family == 3) return out;
  const auto address = bytes.substr(kFixedBytes);
  if (family == 1) {
    if (length < 12) return kMalformed;
    std::array<uint8_t, 4> four{};
    std::copy_n(address.begin(), four.size(), four.begin());
    out.source_ip = IpAddress::v4(four).text();
  } else {
    if (length < 36) return kMalformed;
    std::array<uint8_t, 16> six{};
    std::copy_n(address.begin(), six.size(), six.begin());
    out.source_ip = IpAddress::v6(six).text();
  }
  return out;
}

bool begins(std::string_view bytes, std::string_view with) {
  const size_t n = std::min(bytes.size(), with.size());
  return bytes.substr(0, n) == with.substr(0, n);
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view bytes) {
  if (begins(bytes, kFirstWord))
    return bytes.size() < kFirstWord.size() ? kMore : parse_text(bytes);
  if (begins(bytes, kSignature)) {
    return bytes.size() < kSignature.size() ? kMore : parse_binary(bytes);
  }
  return kMalformed;
}

}  // namespace penstock::wire
