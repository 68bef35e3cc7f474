// SipHash against the vectors its authors publish, and what `openssl mac SIPHASH` answers.
#include "base/siphash.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock {
namespace {

std::string hex(const SipBytes& bytes) {
  std::string out;
  for (const uint8_t b : bytes) {
    out += "0123456789abcdef"[b >> 4];
    out += "0123456789abcdef"[b & 15];
  }
  return out;
}

TEST(SipHash, AnswersThePublishedVectors) {
  SipBytes key;
  std::string text;
  for (size_t i = 0; i < key.size(); i++) key[i] = static_cast<uint8_t>(i);
  for (int i = 0; i < 64; i++) text += static_cast<char>(i);
  const auto of = [&](size_t n) {
    return hex(siphash128(key, std::string_view(text).substr(0, n)));
  };
  EXPECT_EQ(of(0), "a3817f04ba25a8e66df67214c7550293");
  EXPECT_EQ(of(1), "da87c1d86b99af44347659119b22fc45");
  EXPECT_EQ(of(7), "a1f1ebbed8dbc153c0b84aa61ff08239");
  EXPECT_EQ(of(8), "3b62a9ba6258f5610f83e264f31497b4");
  EXPECT_EQ(of(9), "264499060ad9baabc47f8b02bb6d71ed");
  EXPECT_EQ(of(15), "5493e99933b0a8117e08ec0f97cfc3d9");
  EXPECT_EQ(of(16), "6ee2a4ca67b054bbfd3315bf85230577");
  EXPECT_EQ(of(63), "5150d1772f50834a503e069a973fbd7c");
}

}  // namespace
}  // namespace penstock
