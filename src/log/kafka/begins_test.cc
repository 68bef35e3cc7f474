// Where topics begin, as text: there and back, and nothing else is taken for it.
#include "log/kafka/begins.h"

#include <gtest/gtest.h>

namespace penstock::log::kafka {
namespace {

TEST(Begins, come_back_from_their_text) {
  Begins begins;
  begins["lane"].base = {0, 9'000'000'000'000, 7};
  begins["processed"].base = {3};
  const auto back = decode_begins(encode_begins(begins));
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 2U);
  EXPECT_EQ(back->at("lane").base, begins["lane"].base);
  EXPECT_EQ(back->at("processed").base, std::vector<int64_t>{3});
  const auto none = decode_begins(encode_begins({}));
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST(Begins, other_texts_are_refused) {
  const std::string head = encode_begins({});
  for (const char* text : {"", "lane 1\n", "penstock begins 2\n"}) {
    EXPECT_FALSE(decode_begins(text)) << text;
  }
  for (const char* line :
       {"lane\n", "lane 1x\n", "lane -1\n", " 1\n", "lane  1\n", "lane 99999999999999999999\n"}) {
    EXPECT_FALSE(decode_begins(head + line)) << line;
  }
}

}  // namespace
}  // namespace penstock::log::kafka
