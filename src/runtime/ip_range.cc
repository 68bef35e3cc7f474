#include "runtime/ip_range.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace penstock::runtime {
namespace {

constexpr int kV4Offset = 12;  // bytes in front of an IPv4 address in its mapped form
constexpr int kBits = 128;

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

IpAddress IpAddress::v4(std::array<uint8_t, 4> bytes) {
  std::array<uint8_t, 16> mapped{};
  mapped[10] = mapped[11] = 0xff;
  std::copy(bytes.begin(), bytes.end(), mapped.begin() + kV4Offset);
  return IpAddress(mapped);
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.size() >= copy.size()) return std::nullopt;
  std::ranges::copy(text, copy.begin());
  if (std::strlen(copy.data()) != text.size()) return std::nullopt;  // a zero byte in the text
  std::array<uint8_t, 4> four{};
  if (inet_pton(AF_INET, copy.data(), four.data()) == 1) return v4(four);
  std::array<uint8_t, 16> six{};
  if (inet_pton(AF_INET6, copy.data(), six.data()) == 1) return IpAddress(six);
  return std::nullopt;
}

bool IpAddress::is_v4() const {
  const auto zeros = std::find_if(bytes_.begin(), bytes_.end(), [](uint8_t b) { return b != 0; });
  return zeros - bytes_.begin() == 10 && bytes_[10] == 0xff && bytes_[11] == 0xff;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (is_v4()) {
    inet_ntop(AF_INET, bytes_.data() + kV4Offset, out.data(), out.size());
  } else {
    inet_ntop(AF_INET6, bytes_.data(), out.data(), out.size());
  }
  return out.data();
}

Result<IpRange> IpRange::parse(std::string_view text) {
  const std::string quoted = "'" + std::string(text) + "'";
  const size_t slash = text.find('/');
  const auto base = IpAddress::parse(text.substr(0, slash));
  if (!base) return fail(Code::kInvalid, quoted + " is not an IP address or range");
  const bool four = base->is_v4() && text.find(':') == std::string_view::npos;
  const int most = four ? 32 : kBits;
  int bits = most;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() ||
        bits < 0 || bits > most) {
      return fail(Code::kInvalid,
                  quoted + " has no valid prefix length (0 to " + std::to_string(most) + ")");
    }
  }
  bits += kBits - most;
  for (int i = bits; i < kBits; i++) {
    if ((base->bytes()[static_cast<size_t>(i / 8)] & (0x80 >> (i % 8))) != 0) {
      return fail(Code::kInvalid, quoted + " has bits set behind its prefix");
    }
  }
  return IpRange(*base, bits);
}

bool IpRange::contains(const IpAddress& address) const {
  const auto whole = static_cast<size_t>(bits_ / 8);
  if (std::memcmp(address.bytes().data(), base_.bytes().data(), whole) != 0) return false;
  const int rest = bits_ % 8;
  if (rest == 0) return true;
  return ((address.bytes()[whole] ^ base_.bytes()[whole]) >> (8 - rest)) == 0;
}

Result<std::vector<IpRange>> parse_ip_ranges(std::string_view text) {
  std::vector<IpRange> out;
  while (!trimmed(text).empty()) {
    const size_t comma = text.find(',');
    PENSTOCK_TRY(IpRange range, IpRange::parse(trimmed(text.substr(0, comma))));
    out.push_back(range);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return out;
}

bool contains(const std::vector<IpRange>& ranges, const IpAddress& address) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const IpRange& r) { return r.contains(address); });
}

}  // namespace penstock::runtime
