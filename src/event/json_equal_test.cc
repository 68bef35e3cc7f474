#include "event/json_equal.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::event {
namespace {

TEST(JsonEqual, what_is_written_differently_can_be_the_same) {
  EXPECT_TRUE(json_equal("1", "1.0"));
  EXPECT_TRUE(json_equal("100", "1e2"));
  EXPECT_TRUE(json_equal("-0", "0"));
  EXPECT_TRUE(json_equal(R"("a/b")", R"("a\/b")"));
  EXPECT_TRUE(json_equal(R"("ü")", R"("\u00fc")"));
  EXPECT_TRUE(json_equal("[ 1, 2 ]", "[1,2]"));
  EXPECT_TRUE(json_equal(R"({"a":1,"b":[{"c":null}]})", R"({ "b": [ {"c":null} ], "a": 1 })"));
  EXPECT_TRUE(json_equal(R"({"a":1,"a":2})", R"({"a":2})"));
  EXPECT_TRUE(json_equal("{}", "{ }"));
}

TEST(JsonEqual, what_differs_is_told_apart) {
  EXPECT_FALSE(json_equal("1", "2"));
  EXPECT_FALSE(json_equal("1", R"("1")"));
  EXPECT_FALSE(json_equal("true", "false"));
  EXPECT_FALSE(json_equal("null", "{}"));
  EXPECT_FALSE(json_equal(R"("a")", R"("A")"));
  EXPECT_FALSE(json_equal("[1,2]", "[2,1]"));
  EXPECT_FALSE(json_equal("[1]", "[1,1]"));
  EXPECT_FALSE(json_equal(R"({"a":1})", R"({"b":1})"));
  EXPECT_FALSE(json_equal(R"({"a":1})", R"({"a":1,"b":1})"));
  EXPECT_FALSE(json_equal(R"({"a":{"b":[1,{"c":2}]}})", R"({"a":{"b":[1,{"c":3}]}})"));
}

TEST(JsonEqual, large_values_are_compared_by_their_bytes) {
  const std::string text(kJsonEqualBytesMax, 'x');
  EXPECT_TRUE(json_equal("\"" + text + "\"", "\"" + text + "\""));
  EXPECT_FALSE(json_equal("[\"" + text + "\"]", "[ \"" + text + "\"]"));
}

}  // namespace
}  // namespace penstock::event
