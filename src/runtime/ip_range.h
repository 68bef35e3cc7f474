// IpAddress and IpRange: addresses as values, to compare and to look up in lists of ranges.
//
// An IPv4 address and its IPv6-mapped form (::ffff:1.2.3.4) are the same value. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::runtime {

class IpAddress {
 public:
  /// "10.0.0.1" or "2001:db8::1", without port, brackets or zone.
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(std::array<uint8_t, 4> bytes);
  static IpAddress v6(std::array<uint8_t, 16> bytes) { return IpAddress(bytes); }

  bool is_v4() const;
  /// IPv4 in dots, IPv6 in its shortest form.
  std::string text() const;
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  bool operator==(const IpAddress&) const = default;

 private:
  explicit IpAddress(std::array<uint8_t, 16> bytes) : bytes_(bytes) {}
  std::array<uint8_t, 16> bytes_;
};

class IpRange {
 public:
  /// "10.0.0.0/8", "2001:db8::/32" or one address; kInvalid says what is wrong, also when bits
  /// behind the prefix are set.
  static Result<IpRange> parse(std::string_view text);
  bool contains(const IpAddress& address) const;

 private:
  IpRange(IpAddress base, int bits) : base_(base), bits_(bits) {}
  IpAddress base_;
  int bits_;  // of 128
};

/// A comma-separated list of ranges, spaces allowed; empty: none.
Result<std::vector<IpRange>> parse_ip_ranges(std::string_view text);
bool contains(const std::vector<IpRange>& ranges, const IpAddress& address);

}  // namespace penstock::runtime
