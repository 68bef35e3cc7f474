#include "wire/client_address.h"

#include <optional>

namespace penstock::wire {
namespace {

std::string_view trimmed(std::string_view text, std::string_view what) {
  while (!text.empty() && what.contains(text.front())) text.remove_prefix(1);
  while (!text.empty() && what.contains(text.back())) text.remove_suffix(1);
  return text;
}

/// The `for` of one element of a Forwarded header; empty when it has none.
std::string_view forwarded_for(std::string_view element) {
  while (!element.empty()) {
    const size_t semicolon = element.find(';');
    const std::string_view pair = trimmed(element.substr(0, semicolon), " \t");
    if (pair.size() > 4 && same_ignoring_case(pair.substr(0, 4), "for=")) {
      return trimmed(pair.substr(4), "\"");
    }
    if (semicolon == std::string_view::npos) break;
    element.remove_prefix(semicolon + 1);
  }
  return {};
}

/// The leftmost claim, as it stands there.
std::string_view claimed(const Request& r) {
  std::string_view first = r.find("x-forwarded-for");
  if (first.empty()) first = r.find("x-real-ip");
  if (first.empty()) {
    const std::string_view standard = r.find("forwarded");
    return forwarded_for(standard.substr(0, standard.find(',')));
  }
  return trimmed(first.substr(0, first.find(',')), " ");
}

/// An entry without brackets and port: 1.2.3.4, 1.2.3.4:80, ::1, [::1], [::1]:80.
std::optional<runtime::IpAddress> address_in(std::string_view entry) {
  entry = trimmed(entry, " \t");
  if (entry.starts_with('[')) {
    const size_t close = entry.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    entry = entry.substr(1, close - 1);
  } else if (const size_t colon = entry.find(':');
             colon != std::string_view::npos && colon == entry.rfind(':')) {
    entry = entry.substr(0, colon);
  }
  return runtime::IpAddress::parse(entry);
}

}  // namespace

std::string_view ClientAddress::of(const Request& request) {
  if (trusted_.empty()) {
    const std::string_view first = claimed(request);
    return first.empty() ? request.peer_ip : first;
  }
  const auto peer = runtime::IpAddress::parse(request.peer_ip);
  if (!peer || !runtime::contains(trusted_, *peer)) return request.peer_ip;
  return behind_proxies(request);
}

std::string_view ClientAddress::behind_proxies(const Request& request) {
  // All lines of a header are one list, in their order.
  const auto joined = [&](std::string_view lower_name) {
    text_.clear();
    for (const Header& h : request.headers) {
      if (!same_ignoring_case(h.name, lower_name)) continue;
      if (!text_.empty()) text_ += ',';
      text_ += h.value;
    }
    return !text_.empty();
  };
  const bool plain = joined("x-forwarded-for");
  if (!plain) {
    if (const auto real = address_in(request.find("x-real-ip"))) return text_ = real->text();
    if (!joined("forwarded")) return request.peer_ip;
  }
  std::optional<runtime::IpAddress> known;  // the leftmost address a trusted proxy vouched for
  std::string_view list = text_;
  for (;;) {
    const size_t comma = list.rfind(',');
    const std::string_view entry = comma == std::string_view::npos ? list : list.substr(comma + 1);
    const auto address = address_in(plain ? entry : forwarded_for(entry));
    if (!address) break;  // "unknown", or nonsense: nobody vouches for what stands left of it
    known = address;
    if (!runtime::contains(trusted_, *address) || comma == std::string_view::npos) break;
    list = list.substr(0, comma);
  }
  if (!known) return request.peer_ip;
  return text_ = known->text();
}

}  // namespace penstock::wire
