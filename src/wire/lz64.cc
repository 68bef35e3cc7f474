// base64 and lz-string's base64 variant: the two text codings of old browser SDKs.
#include <array>
#include <utility>
#include <vector>

#include "wire/inflate.h"

namespace penstock::wire {
namespace {

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

}  // namespace

Status base64_decode(std::string_view in, std::string& out) {
  out.clear();
  if (in.size() % 4 != 0) return fail(Code::kInvalid, "the base64 text has a wrong length");
  out.reserve(in.size() / 4 * 3);
  for (size_t i = 0; i < in.size(); i += 4) {
    const bool last = i + 4 == in.size();
    const int padding = !last ? 0 : (in[i + 3] == '=' ? (in[i + 2] == '=' ? 2 : 1) : 0);
    uint32_t bits = 0;
    for (size_t k = 0; k < 4; k++) {
      const bool pad = k >= 4 - static_cast<size_t>(padding);
      const int v = pad ? 0 : base64_value(in[i + k]);
      if (v < 0) return fail(Code::kInvalid, "the text is not base64");
      bits = (bits << 6) | static_cast<uint32_t>(v);
    }
    out += static_cast<char>(bits >> 16);
    if (padding < 2) out += static_cast<char>(bits >> 8);
    if (padding < 1) out += static_cast<char>(bits);
  }
  return {};
}

namespace {

// lz-string's base64 variant: a bit stream, six bits a character, of an LZ78 code over UTF-16
// units.
class LzBits {
 public:
  explicit LzBits(std::string_view text) : text_(text) {}
  /// `count` bits, the first one lowest; false at the end of the text.
  bool read(int count, uint32_t& out) {
    out = 0;
    for (int i = 0; i < count; i++) {
      if (mask_ == 0 && !load()) return false;
      out |= static_cast<uint32_t>((value_ & mask_) != 0 ? 1 : 0) << i;
      mask_ >>= 1;
    }
    return true;
  }

 private:
  bool load() {
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    value_ = c == '=' ? 0 : base64_value(c);
    mask_ = 32;
    return value_ >= 0;
  }
  std::string_view text_;
  size_t at_ = 0;
  int value_ = 0, mask_ = 0;
};

class Utf16Sink {
 public:
  Utf16Sink(PaddedBuffer& out, size_t bytes_max) : out_(out), bytes_max_(bytes_max) {}
  bool append(const std::vector<uint16_t>& units, size_t from, size_t count) {
    for (size_t i = from; i < from + count; i++) {
      if (!unit(units[i])) return false;
    }
    return true;
  }
  bool finish() {
    const bool ok = high_ == 0 || point(0xfffd);
    out_.append(pending_);
    return ok;
  }

 private:
  bool unit(uint32_t u) {
    if (high_ != 0) {
      const uint32_t high = std::exchange(high_, 0U);
      if (u >= 0xdc00 && u <= 0xdfff) {
        return point(0x10000 + ((high - 0xd800) << 10) + (u - 0xdc00));
      }
      if (!point(0xfffd)) return false;
    }
    if (u >= 0xd800 && u <= 0xdbff) {
      high_ = u;
      return true;
    }
    return point(u >= 0xdc00 && u <= 0xdfff ? 0xfffd : u);
  }
  bool point(uint32_t c) {
    if (c < 0x80) {
      pending_ += static_cast<char>(c);
    } else {
      const int extra = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
      constexpr std::array<uint32_t, 4> kLead{0, 0xc0, 0xe0, 0xf0};
      pending_ += static_cast<char>(kLead[static_cast<size_t>(extra)] | (c >> (6 * extra)));
      for (int i = extra - 1; i >= 0; i--) {
        pending_ += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3f));
      }
    }
    if (pending_.size() >= 4096) {
      out_.append(pending_);
      pending_.clear();
    }
    return out_.size() + pending_.size() <= bytes_max_;
  }

  PaddedBuffer& out_;
  size_t bytes_max_;
  std::string pending_;
  uint32_t high_ = 0;
};

/// The dictionary: entries are slices of what was put out, so that it stays linear in the input.
struct LzDecoder {
  struct Slice {
    size_t from, count;
  };
  std::vector<uint16_t> text;
  std::vector<Slice> entries{{0, 0}, {0, 0}, {0, 0}};  // 0..2 are codes with a meaning of their own
};

}  // namespace

Status lz64_decode(std::string_view in, PaddedBuffer& out, size_t bytes_max) {
  const auto invalid = [] { return fail(Code::kInvalid, "the lz64 data is damaged or cut short"); };
  const auto too_large = [] {
    return fail(Code::kExhausted, "the decompressed body is too large");
  };
  out.clear();
  out.resize(0);
  LzBits bits(in);
  LzDecoder d;
  Utf16Sink sink(out, bytes_max);
  uint32_t code = 0, unit = 0;
  if (!bits.read(2, code)) return invalid();
  if (code == 2) return {};
  if (code > 2 || !bits.read(code == 0 ? 8 : 16, unit)) return invalid();
  d.text.push_back(static_cast<uint16_t>(unit));
  d.entries.push_back({0, 1});
  LzDecoder::Slice previous{0, 1};
  size_t enlarge_in = 4;
  int width = 3;
  for (;;) {
    if (!bits.read(width, code)) return invalid();
    bool fresh = false;
    if (code == 0 || code == 1) {
      if (!bits.read(code == 0 ? 8 : 16, unit)) return invalid();
      d.entries.push_back({d.text.size(), 1});  // where the unit is about to stand
      code = static_cast<uint32_t>(d.entries.size() - 1);
      fresh = true;
      if (--enlarge_in == 0) enlarge_in = size_t{1} << width++;
    } else if (code == 2) {
      break;
    }
    const size_t begin = d.text.size();
    LzDecoder::Slice current{begin, 1};
    if (!fresh) {
      if (code > d.entries.size()) return invalid();
      // The newest entry may be named before it is there: the previous one and its first unit.
      current = code < d.entries.size() ? d.entries[code] : previous;
    }
    const size_t count = current.count + (!fresh && code == d.entries.size() ? 1 : 0);
    if (begin + count > bytes_max || width > 28) return too_large();
    if (fresh) {
      d.text.push_back(static_cast<uint16_t>(unit));
    } else {
      for (size_t i = 0; i < current.count; i++) d.text.push_back(d.text[current.from + i]);
      if (count > current.count) d.text.push_back(d.text[previous.from]);
    }
    current = {begin, count};
    // previous + first unit of current: it stands in the text already, side by side.
    d.entries.push_back({previous.from, previous.count + 1});
    previous = current;
    if (--enlarge_in == 0) enlarge_in = size_t{1} << width++;
  }
  if (!sink.append(d.text, 0, d.text.size()) || !sink.finish()) return too_large();
  return {};
}

}  // namespace penstock::wire
