#include "ingest/steps/cookieless_host.h"

#include <libpsl.h>

#include "ingest/steps/text.h"
#include "runtime/ip_range.h"

namespace penstock::ingest {
namespace {

/// One label more than the longest public suffix; all of it when it is one itself.
std::string_view registrable(const std::string& name) {
  const psl_ctx_t* psl = psl_builtin();
  if (psl == nullptr) return name;
  size_t before = std::string::npos;  // where the label left of `at` begins
  for (size_t at = 0; at < name.size();) {
    if (psl_is_public_suffix2(psl, name.c_str() + at, PSL_TYPE_ICANN) != 0) {
      return before == std::string::npos ? std::string_view(name)
                                         : std::string_view(name).substr(before);
    }
    before = at;
    const size_t dot = name.find('.', at);
    if (dot == std::string::npos) break;
    at = dot + 1;
  }
  return name;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::string root_domain(std::string_view host) {
  if (const auto ip = runtime::IpAddress::parse(host)) {
    return ip->is_v4() && host.find(':') == std::string_view::npos ? std::string(host)
                                                                   : "[" + ip->text() + "]";
  }
  std::string_view rest = host, default_port = "80";
  if (const size_t scheme = rest.find("://"); scheme != std::string_view::npos) {
    if (lower_ascii(rest.substr(0, scheme)) == "https") default_port = "443";
    rest.remove_prefix(scheme + 3);
  }
  rest = rest.substr(0, rest.find_first_of("/?#\\"));
  if (const size_t user = rest.rfind('@'); user != std::string_view::npos) {
    rest.remove_prefix(user + 1);
  }
  std::string_view port;
  if (const size_t colon = rest.rfind(':');
      colon != std::string_view::npos && is_digits(rest.substr(colon + 1))) {
    port = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  }
  std::string name = lower_ascii(rest);
  if (name.empty()) return std::string(host);
  if (!name.starts_with('[') && !runtime::IpAddress::parse(name)) {
    name = std::string(registrable(name));
  }
  if (name == "localhost") name = "127.0.0.1";
  if (!port.empty() && port != default_port) name.append(":").append(port);
  return name;
}

}  // namespace penstock::ingest
