#include "base/json_writer.h"

#include <fmt/format.h>
#include <tmmintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace penstock {
namespace {

/// Length of the valid UTF-8 sequence at `i`, or 0.
size_t sequence_length(std::string_view s, size_t i) {
  const auto at = [&](size_t k) { return static_cast<unsigned char>(s[k]); };
  const unsigned char lead = at(i);
  size_t n = 0;
  uint32_t point = 0;
  if (lead < 0x80) return 1;
  if ((lead & 0xe0) == 0xc0) {
    n = 2;
    point = lead & 0x1fU;
  } else if ((lead & 0xf0) == 0xe0) {
    n = 3;
    point = lead & 0x0fU;
  } else if ((lead & 0xf8) == 0xf0) {
    n = 4;
    point = lead & 0x07U;
  } else {
    return 0;
  }
  if (i + n > s.size()) return 0;
  for (size_t k = 1; k < n; k++) {
    if ((at(i + k) & 0xc0) != 0x80) return 0;
    point = (point << 6) | (at(i + k) & 0x3fU);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  return point >= kSmallest[n] && point <= 0x10ffff && !surrogate ? n : 0;
}

/// Of 16 bytes, those that cannot be copied as they are.
unsigned odd_ones(__m128i block) {
  // Signed: what is beyond ASCII is below a space too.
  const __m128i odd = _mm_or_si128(_mm_cmpgt_epi8(_mm_set1_epi8(0x20), block),
                                   _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')),
                                                _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'))));
  return static_cast<unsigned>(_mm_movemask_epi8(odd));
}

/// One character that has to be written otherwise, or a sequence of UTF-8.
size_t escape_one(std::string_view text, size_t i, char*& to) {
  const auto put = [&to](std::string_view bytes) {
    std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
  };
  const auto c = static_cast<unsigned char>(text[i]);
  if (c >= 0x80) {
    const size_t n = sequence_length(text, i);
    put(n == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(i, n));
    return i + std::max<size_t>(n, 1);
  }
  switch (c) {
    case '"': put("\\\""); break;
    case '\\': put("\\\\"); break;
    case '\n': put("\\n"); break;
    case '\r': put("\\r"); break;
    case '\t': put("\\t"); break;
    default:
      if (c >= 0x20) {
        *to++ = static_cast<char>(c);
        break;
      }
      constexpr std::string_view kDigits = "0123456789abcdef";
      put("\\u00");
      *to++ = kDigits[c >> 4];
      *to++ = kDigits[c & 15];
  }
  return i + 1;
}

/// Of 16 bytes, what takes a backslash before it and nothing else.
unsigned quoted_ones(__m128i block) {
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(
      _mm_cmpeq_epi8(block, _mm_set1_epi8('"')), _mm_cmpeq_epi8(block, _mm_set1_epi8('\\')))));
}

constexpr size_t kHalf = 8;
using Spread = std::array<std::array<uint8_t, sizeof(__m128i)>, size_t{1} << kHalf>;

/// For each choice among eight bytes, where they go when each chosen one gets a gap before it.
constexpr Spread make_spread() {
  constexpr uint8_t kGap = 0x80;
  Spread out{};
  for (size_t chosen = 0; chosen < out.size(); chosen++) {
    out[chosen].fill(kGap);
    size_t to = 0;
    for (uint8_t i = 0; i < kHalf; i++) {
      if ((chosen >> i & 1) != 0) to++;
      out[chosen][to++] = i;
    }
  }
  return out;
}

/// Writes the low eight bytes with a backslash before those in `quoted`; up to 16 bytes, of which
/// it answers how many count.
size_t put_half(char* to, __m128i low, unsigned quoted) {
  alignas(__m128i) static constexpr Spread kSpread = make_spread();
  const __m128i places = _mm_load_si128(reinterpret_cast<const __m128i*>(kSpread[quoted].data()));
  // Signed: gaps are below zero, and what is shuffled into them is zero.
  const __m128i slashes =
      _mm_and_si128(_mm_cmpgt_epi8(_mm_setzero_si128(), places), _mm_set1_epi8('\\'));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm_or_si128(_mm_shuffle_epi8(low, places), slashes));
  return kHalf + static_cast<size_t>(std::popcount(quoted));
}

/// Copies from `i`, at most to `until` and a sequence's rest beyond; answers where to go on. Writes
/// up to 16 bytes behind what counts.
size_t escape_some(std::string_view text, size_t i, size_t until, char*& to) {
  constexpr size_t kBlock = sizeof(__m128i);
  if (i + kBlock > until) return escape_one(text, i, to);
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + i));
  const unsigned odd = odd_ones(block);
  const unsigned quoted = quoted_ones(block);
  if (odd == 0) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block);
    to += kBlock;
    return i + kBlock;
  }
  if (odd != quoted) {
    const auto plain = static_cast<size_t>(std::countr_zero(odd));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block);
    to += plain;
    return escape_one(text, i + plain, to);
  }
  // JSON in JSON has a quote in nearly every block.
  to += put_half(to, block, quoted & 0xff);
  to += put_half(to, _mm_srli_si128(block, kHalf), quoted >> kHalf);
  return i + kBlock;
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view text) {
  out += '"';
  // In pieces: there is always room for the worst that a piece can become.
  constexpr size_t kPiece = 512, kWorst = 6, kBlock = 16;
  for (size_t at = 0; at < text.size();) {
    const size_t until = std::min(text.size(), at + kPiece);
    const size_t before = out.size();
    const size_t room = before + (until - at) * kWorst + kBlock;
    if (room > out.capacity()) out.reserve(std::max(room, 2 * out.capacity()));
    out.resize_and_overwrite(room, [&](char* data, size_t) {
      char* to = data + before;
      while (at < until) at = escape_some(text, at, until, to);
      return static_cast<size_t>(to - data);
    });
  }
  out += '"';
}

void JsonWriter::separate() {
  if (comma_) out_ += ',';
  comma_ = true;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  comma_ = false;
  depth_++;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  comma_ = true;
  depth_--;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_escaped(out_, name);
  out_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  separate();
  append_json_escaped(out_, text);
  return *this;
}

JsonWriter& JsonWriter::number(int64_t value) { return raw(fmt::to_string(value)); }
JsonWriter& JsonWriter::number(uint64_t value) { return raw(fmt::to_string(value)); }
JsonWriter& JsonWriter::real(double value, int decimals) {
  return raw(fmt::format("{:.{}f}", value, decimals));
}
JsonWriter& JsonWriter::boolean(bool value) { return raw(value ? "true" : "false"); }
JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

std::string JsonWriter::take() {
  PENSTOCK_ASSERT(depth_ == 0);
  comma_ = false;
  return std::exchange(out_, {});
}

}  // namespace penstock
