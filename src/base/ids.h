// Strong types for the numbers that travel together: a project, a partition, an offset, a uuid.
//
// Two bare integers in a row are a mistake waiting to happen; these do not convert into each other.
// All are plain values, safe on any thread.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace penstock {

/// PostHog's team_id. 0 means "not attributed to a project" (an unknown token).
struct ProjectId {
  int64_t value = 0;
  auto operator<=>(const ProjectId&) const = default;
};

/// Position of a record in one partition of one topic: 0, 1, 2, … without gaps.
struct Offset {
  int64_t value = 0;
  auto operator<=>(const Offset&) const = default;
};

struct Partition {
  int32_t value = 0;
  auto operator<=>(const Partition&) const = default;
};

/// 16 bytes in RFC 4122 order.
struct Uuid {
  std::array<uint8_t, 16> bytes{};

  // By hand: comparing the array costs a call of memcmp for every event in several places.
  bool operator==(const Uuid& other) const {
    return half(0) == other.half(0) && half(8) == other.half(8);
  }
  std::strong_ordering operator<=>(const Uuid& other) const {
    const auto upper = __builtin_bswap64(half(0)) <=> __builtin_bswap64(other.half(0));
    return upper != 0 ? upper : __builtin_bswap64(half(8)) <=> __builtin_bswap64(other.half(8));
  }
  bool is_nil() const { return (half(0) | half(8)) == 0; }

  /// Lower-case, hyphenated, 36 characters.
  std::string text() const;
  void append_to(std::string& out) const;

  /// Accepts what Rust's `Uuid` parser accepts: hyphenated, 32 hex digits, {braced}, urn:uuid:.
  static std::optional<Uuid> parse(std::string_view text);
  /// Time-ordered UUIDv7 of unix milliseconds and 10 random bytes (version and variant set here).
  static Uuid v7(int64_t unix_ms, const std::array<uint8_t, 10>& random);
  /// Name-based UUIDv5 (SHA-1).
  static Uuid v5(const Uuid& name_space, std::string_view name);

 private:
  uint64_t half(size_t at) const {
    uint64_t out = 0;
    std::memcpy(&out, bytes.data() + at, sizeof out);
    return out;
  }
};

}  // namespace penstock

template <>
struct std::hash<penstock::Uuid> {
  size_t operator()(const penstock::Uuid& u) const noexcept {
    uint64_t h = 1469598103934665603ULL;
    for (uint8_t b : u.bytes) h = (h ^ b) * 1099511628211ULL;
    return static_cast<size_t>(h);
  }
};
