#include "event/json_index.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

namespace penstock::event {
namespace {

/// What a reader makes of a text: every key and value it passes; nullopt: it is not JSON.
template <class In>
std::optional<std::string> read_all(In in, size_t depth) {
  std::string out;
  std::string_view raw;
  if (!in.accept('{')) {
    const bool whole = in.value(raw, depth) && in.at_end();
    return whole ? std::optional(std::string(raw)) : std::nullopt;
  }
  const char* begin = in.last_end();
  if (!in.accept('}')) {
    do {
      std::string_view key;
      bool escaped = false;
      if (!in.string(key, escaped) || !in.accept(':')) return std::nullopt;
      const std::string begins(in.next_begin(), in.peek() == '\0' ? 0 : 1);
      if (!in.value(raw, depth)) return std::nullopt;
      out += std::string(key) + (escaped ? "!" : "") + '=' + begins + std::string(raw) + '\n';
    } while (in.accept(','));
    if (!in.accept('}')) return std::nullopt;
  }
  out += std::to_string(in.last_end() - begin);
  return in.at_end() ? std::optional(out) : std::nullopt;
}

/// `text` as both readers have it. The index may leave a text to the scanner, but only a bad one.
void expect_same(JsonIndex& index, const std::string& text, size_t depth = kJsonDepthMax) {
  const auto walked = index.read(text) ? read_all(JsonWalker(index), depth) : std::nullopt;
  const bool utf8 =
      simdjson::validate_utf8(text.data(), text.size());  // a scanner takes it for granted
  EXPECT_EQ(walked, utf8 ? read_all(JsonScanner(text), depth) : std::nullopt) << text;
}

const std::vector<std::string> kTexts{
    R"({"a":1,"b":[true,false,null],"c":{"d":"e"},"f":-1.5e+10})",
    R"( { "a" : "x" , "b" : [ ] , "c" : { } , "d" : "" , "e" : 0 } )",
    R"({"\u0061\n":"\"\\\/\b\f\n\r\tä\ud83d\ude00","k":"\\"})",
    R"("only a string")",
    "[1,[2,[3,[4,[5]]]],{\"x\":{\"y\":{\"z\":[{}]}}}]",
    "{}",
    "[]",
    "\t12345678901234567890123456789\n",
    R"({"long":")" + std::string(300, 'x') + R"(\\","after":"\""})",
};

TEST(JsonIndex, a_walker_reads_what_a_scanner_reads) {
  JsonIndex index;
  for (const std::string& text : kTexts) {
    EXPECT_TRUE(index.read(text)) << text;
    for (const size_t depth : {size_t{0}, size_t{1}, size_t{2}, kJsonDepthMax}) {
      expect_same(index, text, depth);
    }
  }
}

TEST(JsonIndex, what_is_not_json_is_not_json_for_both) {
  JsonIndex index;
  for (const char* text :
       {"",           " ",         "{",           "}",          "{\"a\"}",  "{\"a\":}",
        "{\"a\":1,}", "{a:1}",     "[1,]",        "[1 2]",      "1\"a\"",   "\"a\"1",
        "\"a\"\"b\"", "true\"x\"", "tru",         "truee",      "nul\\l",   "01",
        "1.",         "1e",        "-",           "+1",         ".5",       "\"\\x\"",
        "\"\\u12",    "\"\\u12g4", "\\\"a\"",     "[\"a\\\"]",  "\"a\nb\"", "{\"a\":1}}",
        "[}",         "{]",        "[[1]",        "{\"a\":[1}", "{,}",      "[,]",
        "{\"a\" 1}",  "{1:2}",     "\x01",        "[1]x",       "NaN",      "{\"a\":'b'}",
        "\"open",     "\"\\\"",    "{\"a\":1 2}", "[1]\\",      "1\\n"}) {
    expect_same(index, text);
  }
  expect_same(index, std::string("{\"a\":\0}", 7));
  expect_same(index, std::string("\0", 1));
  expect_same(index, std::string("[1]\0", 4));
}

TEST(JsonIndex, changed_texts_read_the_same) {
  JsonIndex index;
  std::mt19937_64 dice(20'261'125);
  constexpr std::string_view kBytes = "{}[]:,\"\\ \n\tu0123456789abcdefntrue-+.eE/x\x01";
  for (int round = 0; round < 200'000; round++) {
    std::string text = kTexts[dice() % kTexts.size()];
    for (size_t changes = 1 + dice() % 3; changes > 0; changes--) {
      const size_t at = dice() % text.size();
      switch (dice() % 4) {
        case 0: text[at] = kBytes[dice() % kBytes.size()]; break;
        case 1: text.insert(at, 1, kBytes[dice() % kBytes.size()]); break;
        case 2: text.erase(at, 1); break;
        default: text.insert(at, text.substr(dice() % text.size(), dice() % 20)); break;
      }
      if (text.empty()) text = "[";
    }
    expect_same(index, text, dice() % 2 == 0 ? kJsonDepthMax : dice() % 6);
    if (HasFailure()) return;
  }
}

TEST(JsonIndex, leaves_what_is_too_long_to_the_scanner) {
  JsonIndex index;
  const std::string fits = '"' + std::string(JsonIndex::kBytesMax - 2, 'x') + '"';
  EXPECT_TRUE(index.read(fits));
  expect_same(index, fits);
  EXPECT_FALSE(index.read(fits + ' '));
  EXPECT_TRUE(index.read("[1]"));
}

}  // namespace
}  // namespace penstock::event
