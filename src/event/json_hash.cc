#include "event/json_hash.h"

#include <bit>
#include <charconv>

#include "base/hash.h"
#include "event/json_fields.h"
#include "event/json_scan.h"

namespace penstock::event {
namespace {

// What kind of value it is takes part: "1" is not 1, and [] is not {}.
constexpr uint64_t kStringSeed = 0x51, kNumberSeed = 0x4e, kWordSeed = 0x57, kObjectSeed = 0x4f,
                   kArraySeed = 0x41;

uint64_t hash_u64(uint64_t value, uint64_t seed) {
  return hash64({reinterpret_cast<const char*>(&value), sizeof value}, seed);
}

uint64_t hash_number(std::string_view raw) {
  constexpr size_t kExactDigits = 15;
  double value = 0;
  uint64_t whole = 0;
  bool digits = raw.size() <= kExactDigits;
  for (size_t i = 0; digits && i < raw.size(); i++) {
    digits = raw[i] >= '0' && raw[i] <= '9';
    whole = whole * 10 + static_cast<uint64_t>(raw[i] - '0');
  }
  if (digits) {
    value = static_cast<double>(whole);
  } else {
    const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
    if (error != std::errc() || end != raw.data() + raw.size()) return hash64(raw, kNumberSeed);
  }
  return hash_u64(std::bit_cast<uint64_t>(value + 0.0), kNumberSeed);  // -0 is 0
}

uint64_t hash_string(std::string_view raw, bool escaped) {
  if (escaped) return hash64(decode_string(raw), kStringSeed);
  return hash64(raw.substr(1, raw.size() - 2), kStringSeed);
}

uint64_t hash_member(std::string_view key, uint64_t value) { return hash64(key, value); }

uint64_t hash_value(JsonScanner& in) {
  std::string_view raw;
  bool escaped = false;
  switch (in.peek()) {
    case '"': in.string(raw, escaped); return hash_string(raw, escaped);
    case '{': {
      uint64_t sum = kObjectSeed;
      in.accept('{');
      if (in.accept('}')) return hash_u64(sum, kObjectSeed);
      do {
        std::string_view key;
        bool key_escaped = false;
        if (!in.string(key, key_escaped) || !in.accept(':')) break;
        const uint64_t value = hash_value(in);
        sum += key_escaped ? hash_member(decode_string(key), value)
                           : hash_member(key.substr(1, key.size() - 2), value);
      } while (in.accept(','));
      in.accept('}');
      return hash_u64(sum, kObjectSeed);
    }
    case '[': {
      uint64_t sum = kArraySeed;
      in.accept('[');
      if (in.accept(']')) return hash_u64(sum, kArraySeed);
      do sum = hash_u64(hash_value(in), sum);
      while (in.accept(','));
      in.accept(']');
      return hash_u64(sum, kArraySeed);
    }
    case 't':
    case 'f':
    case 'n': in.value(raw); return hash64(raw, kWordSeed);
    default: in.value(raw); return hash_number(raw);
  }
}

}  // namespace

uint64_t json_hash(std::string_view raw) {
  if (raw.empty()) return 0;
  if (raw.front() == '"') {
    const bool escaped = raw.find('\\') != std::string_view::npos;
    return hash_string(raw, escaped);
  }
  if (raw.front() != '{' && raw.front() != '[') {
    const bool number = json_type(raw) == JsonType::kNumber;
    return number ? hash_number(raw) : hash64(raw, kWordSeed);
  }
  JsonScanner in(raw);
  return hash_value(in);
}

uint64_t json_member_hash(std::string_view key, std::string_view raw) {
  return hash_member(key, json_hash(raw));
}

}  // namespace penstock::event
