// ProxyHeader: the PROXY protocol's first bytes of a connection, versions 1 and 2.
//
// A proxy in front says with them whose connection it passes on. Pure; the connection reads the
// bytes, keeps the deadline and closes what is malformed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::wire {

constexpr size_t kProxyHeaderBytesMax = 4096;  // version 2 with its extensions; version 1: 107

struct ProxyHeader {
  enum class Outcome : uint8_t { kMore, kDone, kMalformed } outcome = Outcome::kMore;
  size_t size = 0;        // kDone: bytes of the header
  std::string source_ip;  // kDone; empty: the proxy speaks for itself or does not know
};

/// Reads a header from the first bytes of a connection. kMore: so far they can become one.
ProxyHeader parse_proxy_header(std::string_view bytes);

}  // namespace penstock::wire
