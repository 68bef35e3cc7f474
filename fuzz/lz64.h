// lz-string's base64 variant, the packing half, for drivers: an LZ78 code over UTF-16 units, six
// bits a character.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/base64.h"

namespace penstock::fuzz {

class Lz64Writer {
 public:
  std::string pack(std::string_view text) {
    for (const char16_t unit : utf16(text)) take(unit);
    if (word_ != kNothing) put_word();
    bits(2, width_);
    do {
      bit(0);
    } while (count_ != 0);
    while (out_.size() % 4 != 0) out_ += '=';
    return out_;
  }

 private:
  /// What is no UTF-8 becomes U+FFFD, as decoders do.
  static std::u16string utf16(std::string_view text) {
    std::u16string out;
    for (size_t i = 0; i < text.size();) {
      const auto lead = static_cast<uint8_t>(text[i]);
      const size_t n = lead < 0x80       ? 1
                       : lead >> 5 == 6  ? 2
                       : lead >> 4 == 14 ? 3
                       : lead >> 3 == 30 ? 4
                                         : 0;
      if (n == 0 || i + n > text.size()) {
        out += u'\xfffd';
        i++;
        continue;
      }
      uint32_t point = n == 1 ? lead : lead & (0xffU >> (n + 1));
      for (size_t k = 1; k < n; k++) point = point << 6 | (static_cast<uint8_t>(text[i + k]) & 63U);
      if (point >= 0x10000) {
        out += static_cast<char16_t>(0xd800 + ((point - 0x10000) >> 10 & 0x3ff));
        out += static_cast<char16_t>(0xdc00 + (point & 0x3ff));
      } else {
        out += static_cast<char16_t>(point);
      }
      i += n;
    }
    return out;
  }
  /// A word is known by its code, and by its code without the last unit and that unit.
  void take(char16_t unit) {
    if (const auto [at, fresh] = codes_.try_emplace({kNothing, unit}, next_); fresh) {
      fresh_[next_++] = unit;
    }
    const auto longer = codes_.find({word_, unit});
    if (longer != codes_.end()) {
      word_ = longer->second;
      return;
    }
    put_word();
    codes_[{word_, unit}] = next_++;
    word_ = codes_[{kNothing, unit}];
  }
  void put_word() {
    if (const auto letter = fresh_.extract(word_)) {
      const bool wide = letter.mapped() > 255;
      bits(wide ? 1 : 0, width_);
      bits(letter.mapped(), wide ? 16 : 8);
      grow();
    } else {
      bits(word_, width_);
    }
    grow();
  }
  void grow() {
    if (--enlarge_in_ == 0) enlarge_in_ = size_t{1} << width_++;
  }
  void bits(uint32_t value, int count) {
    for (; count > 0; count--, value >>= 1) bit(value & 1);
  }
  void bit(uint32_t one) {
    value_ = value_ << 1 | one;
    if (++count_ < 6) return;
    out_ += kBase64Letters[value_];
    value_ = count_ = 0;
  }

  static constexpr uint32_t kNothing = 0;
  std::map<std::pair<uint32_t, char16_t>, uint32_t> codes_;
  std::map<uint32_t, char16_t> fresh_;  // letters that were not put out yet, by their codes
  std::string out_;
  uint32_t word_ = kNothing, next_ = 3, value_ = 0, count_ = 0;
  size_t enlarge_in_ = 2;
  int width_ = 2;
};

}  // namespace penstock::fuzz
