// ClientAddress: which address a request came from, when proxies stand in between.
//
// Proxies append the address they were called from to X-Forwarded-For, so only what trusted ones
// wrote can be believed: with a list of trusted ranges the headers count only when the peer is in
// it, and the chain is walked from its right end past trusted addresses; the first one that is not
// trusted is the client. Without a list everybody is believed, and the leftmost entry is taken:
// that is what PostHog does, and anybody can claim any address.
//
// One per shard; not thread safe. What `of` answers is valid until its next call, and no longer
// than the request.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/ip_range.h"
#include "wire/http.h"

namespace penstock::wire {

class ClientAddress {
 public:
  /// `trusted` empty: everybody is believed.
  explicit ClientAddress(std::vector<runtime::IpRange> trusted) : trusted_(std::move(trusted)) {}
  std::string_view of(const Request& request);

 private:
  std::string_view behind_proxies(const Request& request);

  std::vector<runtime::IpRange> trusted_;
  std::string text_;
};

}  // namespace penstock::wire
