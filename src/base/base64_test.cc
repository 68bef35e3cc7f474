// Goal: bytes come back, and text is read as Node's Buffer reads it.
#include "base/base64.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

TEST(Base64, IsWrittenAsTheStandardSays) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("\xfb\xff\xfe"), "+//+");
}

TEST(Base64, BytesOfEveryLengthComeBack) {
  std::string bytes;
  for (int n = 0; n < 300; n++) {
    ASSERT_EQ(unbase64(base64(bytes)), bytes) << n;
    bytes += static_cast<char>(n * 37);
  }
}

TEST(Base64, IsReadLeniently) {
  EXPECT_EQ(unbase64("Zm9"), "fo") << "without padding";
  EXPECT_EQ(unbase64("Zm\n9 v!"), "foo") << "what is no digit is left out";
  EXPECT_EQ(unbase64("-__-"), "\xfb\xff\xfe") << "the other alphabet";
  EXPECT_EQ(unbase64("Zg==Zg=="), "f") << "padding ends it";
  EXPECT_EQ(unbase64("Z"), "");
}

TEST(Base64, IsReadToTheLetter) {
  std::string bytes;
  for (int n = 0; n < 100; n++) {
    ASSERT_EQ(exact_unbase64(base64(bytes)), bytes) << n;
    bytes += static_cast<char>(n * 37);
  }
  EXPECT_EQ(exact_unbase64("Zm8"), "fo") << "without padding";
  EXPECT_EQ(exact_unbase64("Zm\r\n9v\n"), "foo") << "on several lines";
  EXPECT_EQ(exact_unbase64("-__-"), "\xfb\xff\xfe");
  for (const char* wrong :
       {"Z", "Zg=", "Zg===", "Zg==Zg==", "Z g=", "Zm9v!", "Zh==", "Zm9", "===="}) {
    EXPECT_FALSE(exact_unbase64(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace penstock
