// The site an event is from, as cookieless hashes see it: the registrable domain with its port.
//
// ICANN's part of the public suffix list only, as PostHog's; addresses stay as they are, IPv6 in
// brackets, `localhost` is 127.0.0.1. Names outside ASCII are expected in punycode, as browsers
// write them. Pure function.
#pragma once

#include <string>
#include <string_view>

namespace penstock::ingest {

std::string root_domain(std::string_view host);

}  // namespace penstock::ingest
