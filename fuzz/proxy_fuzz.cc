// The PROXY header, addresses and ranges: any bytes give an outcome, and the outcome does not
// depend on what follows or on how much of it has come.
#include "fuzz/fuzz.h"
#include "runtime/ip_range.h"
#include "wire/client_address.h"
#include "wire/http1/proxy_header.h"

namespace {

using penstock::fuzz::hold;
using penstock::runtime::IpAddress;
using Outcome = penstock::wire::ProxyHeader::Outcome;

void header(std::string_view in) {
  const auto whole = penstock::wire::parse_proxy_header(in);
  if (whole.outcome == Outcome::kDone) {
    hold(whole.size <= in.size() && whole.size <= penstock::wire::kProxyHeaderBytesMax,
         "the header is inside of the bytes");
    hold(whole.source_ip.empty() || IpAddress::parse(whole.source_ip), "the source is an address");
    const auto exact = penstock::wire::parse_proxy_header(in.substr(0, whole.size));
    hold(exact.outcome == Outcome::kDone && exact.source_ip == whole.source_ip,
         "what follows does not matter");
  }
  for (size_t n = 0; n < std::min<size_t>(in.size(), 300); n++) {
    const auto part = penstock::wire::parse_proxy_header(in.substr(0, n));
    if (whole.outcome == Outcome::kDone && n < whole.size) {
      hold(part.outcome == Outcome::kMore, "a prefix asks for more");
    }
    if (part.outcome == Outcome::kMalformed) {
      hold(whole.outcome == Outcome::kMalformed, "what is malformed stays malformed");
    }
  }
}

void client_address(std::string_view in) {
  static penstock::wire::ClientAddress trusting({});
  static penstock::wire::ClientAddress careful(
      *penstock::runtime::parse_ip_ranges("10.0.0.0/8,2001:db8::/32,127.0.0.1"));
  penstock::wire::Request request;
  request.peer_ip = "10.0.0.1";
  const size_t half = in.size() / 2;
  request.headers = {{"X-Forwarded-For", in.substr(0, half)}, {"Forwarded", in.substr(half)}};
  (void)trusting.of(request);
  hold(IpAddress::parse(careful.of(request)).has_value(), "a trusted chain gives an address");
  request.headers = {{"Forwarded", in}};
  hold(IpAddress::parse(careful.of(request)).has_value(), "so does the other header");
  request.peer_ip = "9.9.9.9";
  hold(careful.of(request) == "9.9.9.9", "a stranger's headers are nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto in = penstock::fuzz::text_of(data, size);
  header(in);
  client_address(in);
  if (const auto range = penstock::runtime::IpRange::parse(in)) {
    const auto base = IpAddress::parse(in.substr(0, in.find('/')));
    hold(base && range->contains(*base), "a range contains its base");
  }
  return 0;
}
