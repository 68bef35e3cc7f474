#include "persons/postgres/json_text.h"

#include <gtest/gtest.h>

namespace penstock::persons {
namespace {

TEST(JsonText, WhatJsonbTakesStaysAsItIs) {
  for (const std::string text :
       {R"({"a":1,"b":[true,null,-0.5e10],"c":"x \"\\\/\b\f\n\r\t é 😀 é"})", R"({})",
        R"({"":"","12e999":"1e999"})", R"({"big":123456789012345678901234567890.125})"}) {
    EXPECT_EQ(to_jsonb_text(text), text);
  }
}

TEST(JsonText, NulAndHalvesOfPairsBecomeReplacements) {
  EXPECT_EQ(to_jsonb_text(R"({"k\u0000":"a\u0000b"})"), R"({"k\ufffd":"a\ufffdb"})");
  EXPECT_EQ(to_jsonb_text(R"(["\ud800","\udc00x","\ud800\ud83d\ude00","\uD800"])"),
            R"(["\ufffd","\ufffdx","\ufffd\ud83d\ude00","\ufffd"])");
  EXPECT_EQ(to_jsonb_text(R"(["\\u0000"])"), R"(["\\u0000"])") << "a backslash and letters";
  EXPECT_EQ(to_postgres_text(std::string_view("a\0b", 3)),
            "a\xef\xbf\xbd"
            "b");
}

TEST(JsonText, NumbersBecomeWhatJavaScriptReads) {
  EXPECT_EQ(to_jsonb_text("[1e400,-1e400,1e-400,1e131071]"), "[null,null,0,null]");
  EXPECT_EQ(to_jsonb_text("[1e100]"), "[1e+100]");
  EXPECT_EQ(to_jsonb_text("[" + std::string(200'000, '9') + "]"), "[null]");
  const std::string digits = to_jsonb_text("[0." + std::string(20'000, '3') + "]");
  EXPECT_EQ(digits, "[0.3333333333333333]");
}

TEST(JsonText, SpacesOfJsonbGoButNotThoseOfStrings) {
  EXPECT_EQ(compact_json(R"({"a": [1, 2, {"b": ", : "}], "c\" ": "x y"})"),
            R"({"a":[1,2,{"b":", : "}],"c\" ":"x y"})");
}

}  // namespace
}  // namespace penstock::persons
