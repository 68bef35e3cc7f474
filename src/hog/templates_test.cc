// The stock transformations compile and do what they say.
#include "hog/templates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hog/compiler.h"
#include "hog/machine.h"

namespace penstock::hog {
namespace {

class TransformationHost : public Host {
 public:
  int64_t now_ms() override { return 0; }
  int64_t clock_us() override { return 0; }
  double random() override { return 0; }
  Has has(std::string_view name) override {
    for (const std::string_view own : transformation_functions()) {
      if (own == name) return Has::kFunction;
    }
    return Has::kNothing;
  }
  Result<Value> call(Heap& heap, std::string_view name, std::span<const Value> args) override {
    if (name == "geoipLookup") {
      if (args[0].is_null()) return Value();
      return from_json(heap, R"({"city":{"names":{"en":"Sydney"}},"country":{"iso_code":"AU"}})");
    }
    if (name == "isKnownBotUserAgent") {
      return Value::boolean(args[0].text().find("bot") != std::string_view::npos);
    }
    if (name == "isKnownBotIp") return Value::boolean(args[0].text() == "9.9.9.9");
    Value out = heap.object();  // cleanNullValues, one level of it
    auto& object = args[0].as<Object>();
    for (size_t i = 0; i < heap.size(object); i++) {
      if (!heap.value_at(object, i).is_null()) {
        heap.set(out.as<Object>(), heap.key_at(object, i), heap.value_at(object, i));
      }
    }
    return out;
  }
};

std::string transformed(std::string_view id, std::string_view properties,
                        std::string_view inputs = "{}") {
  const StockTemplate* stock = stock_template(id);
  if (stock == nullptr) return "no such template";
  const auto compiled = compile(stock->source);
  if (!compiled) return explained(stock->source, compiled.error());
  const std::string event =
      R"({"event":"e","distinct_id":"u","properties":)" + std::string(properties) + "}";
  JsonGlobals globals;
  globals.add("event", event);
  globals.add("inputs", inputs);
  TransformationHost host;
  Machine machine;
  const Outcome& outcome = machine.run(compiled->program, globals, host);
  if (!outcome.finished()) return "ERROR " + outcome.error;
  if (outcome.result.is_null()) return "dropped";
  const Value* left = machine.heap().find(outcome.result.as<Object>(), "properties");
  return to_json(machine.heap(), *left);
}

TEST(StockTemplates, AllCompileWithoutUnknownFunctions) {
  CompileOptions options;
  for (const std::string_view name : transformation_functions()) options.functions.emplace(name);
  EXPECT_EQ(stock_templates().size(), 10U);
  Heap heap;
  for (const StockTemplate& stock : stock_templates()) {
    const auto compiled = compile(stock.source, options);
    ASSERT_TRUE(compiled.has_value()) << explained(stock.source, compiled.error());
    EXPECT_TRUE(compiled->unknown_functions.empty()) << stock.id;
    EXPECT_TRUE(from_json(heap, stock.inputs).is(Kind::kArray)) << stock.id;
  }
}

TEST(StockTemplates, Geoip) {
  const std::string out = transformed("template-geoip", R"({"$ip":"1.2.3.4"})");
  EXPECT_THAT(out, testing::HasSubstr(R"("$geoip_city_name":"Sydney")"));
  EXPECT_THAT(out, testing::HasSubstr(R"("$initial_geoip_country_code":"AU")"));
  EXPECT_EQ(transformed("template-geoip", R"({"a":1})"), R"({"a":1})");
}

TEST(StockTemplates, Addresses) {
  EXPECT_EQ(transformed("template-ip-anonymization", R"({"$ip":"10.1.2.3"})"),
            R"({"$ip":"10.1.2.0"})");
  EXPECT_EQ(transformed("template-ip-anonymization", R"({"$ip":"2001:db8:1:2::5"})"),
            R"({"$ip":"2001:db8:1::"})");
  EXPECT_EQ(
      transformed("template-url-masking", R"({"$current_url":"https://a.b/c?Email=x&d=1#f","n":1})",
                  R"({"properties":"$current_url, n","parameters":"email","mask":"*"})"),
      R"({"$current_url":"https://a.b/c?Email=*&d=1#f","n":1})");
  EXPECT_EQ(transformed("template-url-normalization", R"({"u":"HTTPS://A.b/C//?q=1"})",
                        R"({"properties":"u","lower_case_path":false})"),
            R"({"u":"https://a.b/C?q=1"})");
}

TEST(StockTemplates, PropertiesAndBots) {
  EXPECT_EQ(transformed("template-remove-null-properties", R"({"a":null,"b":1})"), R"({"b":1})");
  EXPECT_EQ(
      transformed("template-filter-properties", R"({"a":1,"b":2})", R"({"properties":"a, c"})"),
      R"({"b":2})");
  EXPECT_EQ(
      transformed("template-hash-properties", R"({"a":{"b":"x"}})", R"({"properties":"a.b,q.r"})"),
      R"({"a":{"b":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}})");
  EXPECT_THAT(transformed("template-pii-hashing", R"({"email":"x"})",
                          R"({"salt":"s","properties":"email","hash_distinct_id":true})"),
              testing::Not(testing::HasSubstr("\"x\"")));
  EXPECT_EQ(transformed("template-drop-events", "{}"), "dropped");
  constexpr std::string_view kInputs =
      R"({"user_agent_property":"ua","further_words":"crawl","filter_known_bot_ips":true,)"
      R"("keep_without_user_agent":true})";
  EXPECT_EQ(transformed("template-bot-detection", R"({"ua":"a bot"})", kInputs), "dropped");
  EXPECT_EQ(transformed("template-bot-detection", R"({"ua":"Crawly"})", kInputs), "dropped");
  EXPECT_EQ(transformed("template-bot-detection", R"({"ua":"Firefox","$ip":"9.9.9.9"})", kInputs),
            "dropped");
  EXPECT_EQ(transformed("template-bot-detection", R"({"ua":"Firefox"})", kInputs),
            R"({"ua":"Firefox"})");
}

}  // namespace
}  // namespace penstock::hog
