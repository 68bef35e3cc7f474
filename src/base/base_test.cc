// Goal: the small shared pieces mean the same today, tomorrow and on other systems. Known vectors
// where they exist, round trips and malformed input elsewhere.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/codec.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/json_writer.h"
#include "base/metrics.h"
#include "base/probe.h"
#include "base/result.h"

namespace penstock {
namespace {

TEST(Uuid, parses_what_rust_parses_and_prints_lower_case) {
  const auto u = Uuid::parse("0190A3B1-7C2D-7E3F-8A4B-5C6D7E8F9012");
  ASSERT_TRUE(u);
  EXPECT_EQ(u->text(), "0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012");
  EXPECT_EQ(Uuid::parse("0190a3b17c2d7e3f8a4b5c6d7e8f9012"), u);
  EXPECT_EQ(Uuid::parse("{0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012}"), u);
  EXPECT_EQ(Uuid::parse("urn:uuid:0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012"), u);
  for (const char* bad :
       {"", "x", "0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f901", "0190a3b17c2d7e3f8a4b5c6d7e8f901g",
        "0190a3b1_7c2d_7e3f_8a4b_5c6d7e8f9012"}) {
    EXPECT_FALSE(Uuid::parse(bad)) << bad;
  }
}

TEST(Uuid, refuses_every_other_character_anywhere) {
  const std::string good = "0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012";
  for (size_t at = 0; at < good.size(); at++) {
    for (int c = 0; c < 256; c++) {
      std::string text = good;
      text[at] = static_cast<char>(c);
      const bool fits = good[at] == '-' ? c == '-' : std::isxdigit(c) != 0;
      EXPECT_EQ(Uuid::parse(text).has_value(), fits) << text;
    }
  }
}

TEST(Uuid, v5_of_the_dns_namespace_matches_the_published_vector) {
  const auto dns = Uuid::parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  EXPECT_EQ(Uuid::v5(*dns, "python.org").text(), "886313e1-3b8a-5372-9b90-0c9aee199e5d");
}

TEST(Uuid, v7_carries_the_time) {
  const Uuid u =
      Uuid::v7(0x0190a3b17c2d, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  EXPECT_EQ(u.text(), "0190a3b1-7c2d-7fff-bfff-ffffffffffff");
}

TEST(Hash, known_vectors) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c("6789", crc32c("12345")), 0xe3069283U);
  // Kafka's own test vectors for its murmur2.
  EXPECT_EQ(static_cast<int32_t>(murmur2("21")), -973932308);
  EXPECT_EQ(static_cast<int32_t>(murmur2("foobar")), -790332482);
  EXPECT_EQ(static_cast<int32_t>(murmur2("a-little-bit-long-string")), -985981536);
  // It is kept on disk, so it must never change: texts of every length up to 64.
  std::string text;
  uint64_t all = 0;
  for (int i = 0; i <= 64; i++) {
    all = all * 31 + hash64(text, 7);
    text += static_cast<char>('a' + i % 26);
  }
  EXPECT_EQ(all, 0x114d335553dc69c1U);
  EXPECT_NE(hash64("a"), hash64("b"));
  EXPECT_NE(hash64("a"), hash64(std::string_view("a\0", 2)));
}

TEST(Codec, round_trip_and_short_input) {
  std::string out;
  ByteWriter w(out);
  w.u8(7);
  w.varint(300);
  w.zigzag(-5);
  w.bytes("hello");
  w.i64(-1);
  ByteReader r(out);
  EXPECT_EQ(r.u8(), 7);
  EXPECT_EQ(r.varint(), 300U);
  EXPECT_EQ(r.zigzag(), -5);
  EXPECT_EQ(r.bytes(), "hello");
  EXPECT_EQ(r.i64(), -1);
  EXPECT_TRUE(r.ok() && r.at_end());
  for (size_t n = 0; n < out.size(); n++) {
    ByteReader cut(std::string_view(out).substr(0, n));
    cut.u8();
    cut.varint();
    cut.zigzag();
    cut.bytes();
    cut.i64();
    EXPECT_FALSE(cut.ok()) << n;
  }
  ByteReader endless(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11));
  endless.varint();
  EXPECT_FALSE(endless.ok());
}

/// What escaping means, a character at a time.
std::string escaped(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    }
  }
  return out + '"';
}

TEST(JsonWriter, escapes_the_same_whatever_lies_around_and_wherever_a_piece_ends) {
  for (const std::string_view odd : {"\"", "\\", "\n", "\x01", "\x1f", "\x7f", "\xc3\xa9",
                                     "\xf0\x9f\x98\x80", "\\\"\n\x02\xe2\x82\xac"}) {
    for (size_t before = 0; before < 40; before++) {
      for (const size_t after : {0, 1, 15, 16, 17, 33}) {
        const std::string text =
            std::string(before, 'a') + std::string(odd) + std::string(after, 'b');
        std::string out = "x";
        append_json_escaped(out, text);
        EXPECT_EQ(out, "x" + escaped(text));
      }
    }
    for (size_t before = 500; before < 516; before++) {
      std::string text;
      for (int i = 0; i < 3; i++) text += std::string(before, 'a') + std::string(odd);
      std::string out;
      append_json_escaped(out, text);
      EXPECT_EQ(out, escaped(text)) << before;
    }
  }
  // Several in one block of sixteen, next to each other and apart, up to a text's last bytes.
  for (const std::string_view row :
       {R"({"a":"b","c":"\\d"},)", R"("""\\\\""""")", "\"\xc3\xa9\"\n\"x\""}) {
    for (size_t size = 0; size < 1100; size += 3) {
      std::string text(size % 17, 'a'), out;
      while (text.size() < size) text += row;
      append_json_escaped(out, text);
      EXPECT_EQ(out, escaped(text)) << size;
    }
  }
  // Every choice among sixteen.
  for (unsigned chosen = 0; chosen < 1U << 16; chosen++) {
    std::string text = "abcdefghijklmnop", wanted = "\"", out;
    for (size_t i = 0; i < text.size(); i++) {
      if ((chosen >> i & 1) != 0) {
        text[i] = chosen % 3 == 0 ? '\\' : '"';
        wanted += '\\';
      }
      wanted += text[i];
    }
    append_json_escaped(out, text);
    ASSERT_EQ(out, wanted + '"');
  }
  std::string controls(2000, '\x03'), out;
  append_json_escaped(out, controls);
  EXPECT_EQ(out, escaped(controls));
  out.clear();
  append_json_escaped(out, std::string("0123456789abcde\xff\xc3") + "z\xe2\x82");
  EXPECT_EQ(out, "\"0123456789abcde\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(JsonWriter, escapes_and_separates) {
  JsonWriter w;
  w.begin_object().field("a", "x\"\\\n\x01").key("b").begin_array().number(1).null().end_array();
  w.field("c", true).key("d").string("ok \xc3\xa9 bad \xff\xed\xa0\x80").end_object();
  EXPECT_EQ(w.take(),
            "{\"a\":\"x\\\"\\\\\\n\\u0001\",\"b\":[1,null],\"c\":true,"
            "\"d\":\"ok \xc3\xa9 bad \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}");
}

TEST(Metrics, histogram_quantiles_and_page) {
  static LatencyHistogram h{"penstock_base_test_seconds", "For this test."};
  for (int i = 0; i < 99; i++) h.record_us(100);
  h.record_us(5000);
  EXPECT_EQ(h.quantile_us(0.5), 128);
  EXPECT_EQ(h.quantile_us(0.999), 8192);
  EXPECT_NE(render_metrics().find("penstock_base_test_seconds_count 100"), std::string::npos);
}

Result<int> twice(Result<int> in) {
  PENSTOCK_TRY(const int v, std::move(in));
  return v * 2;
}

TEST(Result, try_passes_errors_on) {
  EXPECT_EQ(*twice(2), 4);
  EXPECT_EQ(twice(fail(Code::kBusy, "later")).error().code, Code::kBusy);
  EXPECT_EQ(fail(Error{Code::kBusy, "later"}, "append").error().message, "append: later");
}

TEST(Probe, IsKnownBeforeItIsReachedAndCounts) {
  const auto count = [] {
    for (const ProbeCount& p : probe_counts()) {
      if (p.name == "base.test") return p.count;
    }
    ADD_FAILURE() << "it is not registered";
    return uint64_t{0};
  };
  for (uint64_t i = 0; i < 3; i++) {
    EXPECT_EQ(count(), i);
    probe<"base.test">();
  }
}

}  // namespace
}  // namespace penstock
