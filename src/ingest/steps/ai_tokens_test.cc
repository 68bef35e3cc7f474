// Token counts: which are numbers, what becomes of the others.
#include "ingest/steps/ai_tokens.h"

#include <gtest/gtest.h>

#include "ingest/testing/fixture.h"

namespace penstock::ingest {
namespace {

using testing::EventSpec;
using testing::fields_of;
using testing::Fixture;

EventSpec generation(const std::string& input_tokens, std::string event = "$ai_generation") {
  return {.data = R"({"properties":{"$ai_model":"m","$ai_input_tokens":)" + input_tokens + "}}",
          .event = std::move(event)};
}

TEST(AiTokens, NumbersAndNumericTextsStay) {
  for (const char* fine : {"100", "0", "-100", "100.5", "1e3", R"("100")", R"("-1.5")", R"("")",
                           R"(" 7 ")", R"("0x1f")", "null"}) {
    Fixture f;
    const auto seen = f.run(generation(fine));
    EXPECT_EQ(fields_of(seen.outcomes.at(0).properties)["$ai_input_tokens"], fine);
    EXPECT_TRUE(seen.warnings.empty()) << fine;
  }
}

TEST(AiTokens, WhatIsNoNumberBecomesNullWithAWarning) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("12 tokens")", "string"}, {R"("1,204")", "string"}, {R"("Infinity")", "string"},
      {R"("nan")", "string"},       {R"("0x1g")", "string"},  {"1e999", "number"},
      {"true", "boolean"},          {"[1]", "object"},        {R"({"input":3})", "object"}};
  for (const auto& [raw, type] : cases) {
    Fixture f;
    const auto seen = f.run(generation(raw));
    EXPECT_EQ(seen.outcomes.at(0).kind, event::OutcomeKind::kAccepted);
    auto properties = fields_of(seen.outcomes[0].properties);
    EXPECT_EQ(properties["$ai_input_tokens"], "null") << raw;
    EXPECT_EQ(properties["$ai_model"], R"("m")");
    ASSERT_EQ(seen.warnings.size(), 1U) << raw;
    EXPECT_EQ(seen.warnings[0].first, "invalid_ai_token_property");
    auto details = fields_of(seen.warnings[0].second);
    EXPECT_EQ(details["property"], R"("$ai_input_tokens")");
    EXPECT_EQ(details["valueType"], "\"" + std::string(type) + "\"") << raw;
  }
}

TEST(AiTokens, ATotalIsTakenOutOfAnObjectAndOtherEventsAreLeftAlone) {
  Fixture f;
  EXPECT_EQ(fields_of(f.run(generation(R"({"total":12,"cacheRead":0})"))
                          .outcomes.at(0)
                          .properties)["$ai_input_tokens"],
            "12");
  for (const char* other : {"seen", "$ai_tag", "ai_generation"}) {
    const auto seen = f.run(generation(R"("no number")", other));
    EXPECT_EQ(fields_of(seen.outcomes.at(0).properties)["$ai_input_tokens"], R"("no number")");
    EXPECT_TRUE(seen.warnings.empty()) << other;
  }
}

}  // namespace
}  // namespace penstock::ingest
