// Messages: their bytes as Kafka's second format lays a record out. Method: bytes by hand.
#include "log/kafka/messages.h"

#include <gtest/gtest.h>

namespace penstock::log::kafka {
namespace {

using std::string_literals::operator""s;

TEST(Messages, lie_as_records_from_their_key_on) {
  MessageText m;
  m.keyed = true;
  m.key = "key";
  m.value = "value";
  m.notes = "1";
  m.headers = {{"a", "x"}, {"null", std::nullopt}, {"empty", ""}, {"n", m.notes}};
  Messages out;
  append_message(m, out);
  // Lengths are zigzag: twice what they are, and one is null.
  EXPECT_EQ(out.text,
            "\x06key\x0avalue\x08\x02"
            "a\x02x\x08null\x01\x0a"
            "empty\0\x02n\x02"
            "1"s);
  EXPECT_EQ(out.ends, std::vector<uint32_t>{static_cast<uint32_t>(out.text.size())});
}

TEST(Messages, without_key_and_headers_and_long_ones_behind_each_other) {
  MessageText m;
  m.key = "not looked at";
  Messages out;
  append_message(m, out);
  EXPECT_EQ(out.text, "\x01\0\0"s);
  m.keyed = true;
  m.key.clear();
  m.value = std::string(100, 'v');
  append_message(m, out);
  EXPECT_EQ(out.text, "\x01\0\0"s + "\0\xc8\x01"s + m.value + "\0"s);
  EXPECT_EQ(out.ends, (std::vector<uint32_t>{3, 107}));
}

class EvenCodec : public MessageCodec {
 public:
  bool is_open(std::string_view /*topic*/) const override { return true; }
  Status write(std::string_view topic, std::string_view record, MessageText& out) const override {
    if (record.size() % 2 != 0) return fail(Code::kInvalid, "odd");
    out.value = record;
    if (!record.empty()) return {};
    out.keyed = true;
    out.key = topic;
    out.headers.emplace_back("h", std::nullopt);
    return {};
  }
  void read(const MessageView& /*message*/, std::string& /*out*/) const override {}
};

TEST(Messages, of_a_batch_take_nothing_from_each_other) {
  const EvenCodec codec;
  Messages out;
  const std::vector<std::string_view> records{"", "ab", ""};
  ASSERT_TRUE(write_messages(codec, "t", records, 1, out));
  EXPECT_EQ(out.text, "\x02t\0\x02\x02h\x01"s + "\x01\x04"s + "ab\0"s + "\x02t\0\x02\x02h\x01"s);
  EXPECT_EQ(out.ends, (std::vector<uint32_t>{7, 12, 19}));
  const std::vector<std::string_view> bad{"ab", "c"};
  EXPECT_FALSE(write_messages(codec, "t", bad, 1, out));
}

}  // namespace
}  // namespace penstock::log::kafka
