// JsonFields against a list of members that knows nothing of tables, runs or borrowed text: after
// any edits both hold the same members and write the same text.
#include "event/json_fields.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace penstock::event {
namespace {

using Members = std::vector<std::pair<std::string, std::string>>;

std::string written(const Members& members) {
  std::string out = "{";
  for (const auto& [key, value] : members) {
    if (out.size() > 1) out += ',';
    append_json_string(out, key);
    out += ':' + replace_lone_surrogates(value);
  }
  return out + '}';
}

void put(Members& members, const std::string& key, const std::string& value) {
  for (auto& [k, v] : members) {
    if (k == key) {
      v = value;
      return;
    }
  }
  members.emplace_back(key, value);
}

class Maker {
 public:
  explicit Maker(uint64_t seed) : random_(seed) {}

  size_t below(size_t n) { return random_() % n; }
  /// From a few, so that they repeat; many have the same size and the same ends.
  std::string key() {
    static const std::vector<std::string> kOdd{"",
                                               "\"",
                                               "a\\b",
                                               "\x7f",
                                               "\xc3\xa4",
                                               "line\nbreak",
                                               "$initial_referring_domain",
                                               "$initial_xxxxxxxxx_domain"};
    if (below(12) == 0) return kOdd[below(kOdd.size())];
    return "key" + std::to_string(below(keys_));
  }
  std::string value() {
    static const std::vector<std::string> kValues{"1",
                                                  "{}",
                                                  "12",
                                                  "null",
                                                  "\"text\"",
                                                  R"("\u0041\"")",
                                                  R"("\ud800")",
                                                  R"("\uD83D\uDE00")",
                                                  R"(["\udc00",{"a":1}])",
                                                  R"({"a":{"b":"c"}})"};
    return kValues[below(kValues.size())];
  }
  /// An object's text, at times with white space and with a key twice.
  std::string object(Members& members, size_t count) {
    const bool spaced = below(4) == 0;
    std::string out = "{";
    for (size_t i = 0; i < count; i++) {
      const std::string k = key(), v = value();
      if (i > 0) out += spaced && below(2) == 0 ? " ,\n" : ",";
      append_json_string(out, k);
      out += (spaced && below(2) == 0 ? " : " : ":") + v;
      put(members, k, v);
    }
    return out + (spaced ? " }" : "}");
  }
  void set_keys(size_t keys) { keys_ = keys; }

 private:
  std::mt19937_64 random_;
  size_t keys_ = 50;
};

void expect_same(const JsonFields& fields, const Members& members, Maker& make) {
  ASSERT_EQ(fields.fields().size(), members.size());
  for (size_t i = 0; i < members.size(); i++) {
    ASSERT_EQ(fields.fields()[i].key, members[i].first);
    ASSERT_EQ(fields.find(members[i].first), members[i].second);
  }
  for (int i = 0; i < 5; i++) {
    const std::string key = make.key();
    const auto same = [&](const auto& m) { return m.first == key; };
    ASSERT_EQ(fields.contains(key), std::ranges::any_of(members, same)) << key;
  }
  ASSERT_EQ(fields.text(), written(members));
}

TEST(JsonFields, any_edits_leave_what_a_plain_list_would_hold) {
  for (uint64_t seed = 1; seed <= 2000; seed++) {
    Maker make(seed);
    make.set_keys(seed % 5 == 0 ? 400 : 50);  // also beyond what the small table holds
    Members members;
    const std::string text = make.object(members, make.below(seed % 5 == 0 ? 200 : 40));
    auto fields = JsonFields::parse(text);
    ASSERT_TRUE(fields) << text;
    std::deque<std::string> borrowed;  // never moves what it holds
    const size_t edits = make.below(200);
    for (size_t i = 0; i < edits; i++) {
      const std::string key = make.key(), value = make.value();
      switch (make.below(4)) {
        case 0: {
          const bool there = std::erase_if(members, [&](auto& m) { return m.first == key; }) > 0;
          ASSERT_EQ(fields->erase(key), there);
          break;
        }
        case 1: {
          const std::string& kept_key = borrowed.emplace_back(key);
          fields->set_borrowed(kept_key, borrowed.emplace_back(value));
          put(members, key, value);
          break;
        }
        default: fields->set(key, value); put(members, key, value);
      }
    }
    expect_same(*fields, members, make);
    const JsonFields moved = std::move(*fields);
    expect_same(moved, members, make);
  }
}

TEST(JsonFields, an_overlaid_object_is_what_setting_each_member_makes) {
  for (uint64_t seed = 1; seed <= 2000; seed++) {
    Maker make(seed);
    Members members, over;
    const std::string text = make.object(members, make.below(40));
    const std::string over_text = make.object(over, make.below(20));
    const auto fields = JsonFields::parse(text), above = JsonFields::parse(over_text);
    ASSERT_TRUE(fields && above);
    for (const auto& [key, value] : over) put(members, key, value);
    std::string out = "before";
    fields->append_overlaid(*above, out);
    ASSERT_EQ(out, "before" + written(members)) << text << over_text;
  }
}

TEST(JsonFields, an_inner_object_is_split_as_if_it_were_parsed_alone) {
  for (uint64_t seed = 1; seed <= 1000; seed++) {
    Maker make(seed);
    Members inside, ignored;
    const std::string inner_text = make.object(inside, make.below(30));
    const std::string text = make.below(4) == 0 ? R"({"properties":)" + make.object(ignored, 3) +
                                                      R"(, "properties":)" + inner_text + "}"
                                                : R"({"event":"a", "properties" :)" + inner_text +
                                                      R"(,"after":{"properties":{"x":1}}})";
    JsonFields inner;
    const auto outer = JsonFields::parse_with(text, "properties", inner);
    ASSERT_TRUE(outer) << text;
    ASSERT_EQ(outer->find("properties"), inner_text);
    expect_same(inner, inside, make);
  }
}

TEST(JsonFields, an_inner_value_that_is_no_object_is_left_alone) {
  JsonFields inner;
  for (const char* text : {R"({"p":null})", R"({"p":[1]})", R"({"q":{"p":{"a":1}}})", "{}",
                           R"({"p":{"a":1},"p":7})"}) {
    ASSERT_TRUE(JsonFields::parse_with(text, "p", inner)) << text;
    EXPECT_TRUE(inner.empty()) << text;
  }
  for (const char* bad : {R"({"p":{"a"}})", R"({"p":{"a":1})", R"({"p":{"a":1}}x)", R"({"p":{,}})",
                          R"({"p":{"a":1,}})", "[1]", "", "{\"p\":{\"a\":\"\xff\"}}"}) {
    EXPECT_FALSE(JsonFields::parse_with(bad, "p", inner)) << bad;
  }
}

/// The depth that is allowed does not depend on how the text is read.
TEST(JsonFields, an_inner_object_may_be_as_deep_as_without_being_split) {
  for (size_t depth = kJsonDepthMax - 3; depth <= kJsonDepthMax + 2; depth++) {
    const std::string text =
        R"({"p":{"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}}";
    JsonFields inner;
    EXPECT_EQ(JsonFields::parse_with(text, "p", inner).has_value(),
              JsonFields::parse(text).has_value())
        << depth;
  }
}

}  // namespace
}  // namespace penstock::event
