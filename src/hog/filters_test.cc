// Filters: their bytecode, as the contract shows it, and what they match.
#include "hog/filters.h"

#include <gtest/gtest.h>

namespace penstock::hog {
namespace {

struct StillHost : Host {
  int64_t now_ms() override { return 0; }
  int64_t clock_us() override { return 0; }
  double random() override { return 0; }
};

std::string bytecode(std::string_view filters) {
  const auto program = compile_filters(filters);
  return program ? (*program)->to_json() : program.error().message;
}

bool matches(std::string_view filters, std::string_view globals) {
  const auto program = compile_filters(filters);
  if (!program) return false;
  StillHost host;
  JsonGlobals given(globals);
  Machine machine;
  return matched(machine.run(*program, given, host));
}

TEST(Filters, BytecodeIsTheContracts) {
  EXPECT_EQ(bytecode("{}"), R"(["_H",1,29])");
  EXPECT_EQ(bytecode(R"({"events":[{"id":null}]})"), R"(["_H",1,29])");
  EXPECT_EQ(bytecode(R"({"events":[{"id":"a"}]})"), R"(["_H",1,32,"a",32,"event",1,1,11])");
  EXPECT_EQ(bytecode(R"({"events":[{"id":"a"},{"id":"b"}]})"),
            R"(["_H",1,32,"a",32,"event",1,1,11,32,"b",32,"event",1,1,11,4,2])");
  EXPECT_EQ(bytecode(R"({"properties":[{"key":"email","type":"person","operator":"icontains",)"
                     R"("value":"x"}]})"),
            R"(["_H",1,32,"%x%",32,"email",32,"properties",32,"person",1,3,2,"toString",1,18])");
  EXPECT_EQ(bytecode(R"({"events":[{"id":"a","properties":[{"key":"k","value":1}]}]})"),
            R"(["_H",1,32,"a",32,"event",1,1,11,33,1,32,"k",32,"properties",1,2,11,3,2])");
  EXPECT_EQ(bytecode(R"({"properties":[{"key":"k","operator":"is_set"}]})"),
            R"(["_H",1,31,32,"k",32,"properties",1,2,12])");
}

TEST(Filters, WhatTheyMatch) {
  constexpr std::string_view kEvent =
      R"({"event":"a","properties":{"k":"1","url":"Shop"},"person":{"properties":{}}})";
  EXPECT_TRUE(matches(R"({"events":[{"id":"b"},{"id":"a"}]})", kEvent));
  EXPECT_FALSE(matches(R"({"events":[{"id":"b"}]})", kEvent));
  EXPECT_TRUE(matches(R"({"properties":[{"key":"k","value":["2","1"]}]})", kEvent));
  EXPECT_FALSE(
      matches(R"({"properties":[{"key":"k","operator":"is_not","value":["2","1"]}]})", kEvent));
  EXPECT_TRUE(matches(R"({"properties":[{"key":"url","operator":"regex","value":"^S"}]})", kEvent));
  EXPECT_TRUE(
      matches(R"({"properties":[{"key":"x","type":"person","operator":"is_not_set"}]})", kEvent));
  EXPECT_TRUE(matches(R"({"properties":[{"key":"properties.k = 1","type":"hogql"}]})", kEvent));
  EXPECT_TRUE(matches(R"({"actions":[{"steps":[{"event":"z"},{"event":"a"}]}]})", kEvent));
}

TEST(Filters, TestAccountsAreAskedFirstAndOnlyWhereTheFiltersSaySo) {
  constexpr std::string_view kOwn =
      R"([{"key":"email","type":"person","operator":"not_icontains","value":"@us"}])";
  const auto code = [&](std::string_view filters) {
    return bytecode(with_test_accounts(filters, kOwn));
  };
  EXPECT_EQ(code(R"({"events":[{"id":"a"}]})"), bytecode(R"({"events":[{"id":"a"}]})"));
  EXPECT_EQ(code(R"({"filter_test_accounts":true})"),
            R"(["_H",1,32,"%@us%",32,"email",32,"properties",32,"person",1,3,2,"toString",1,20])");
  EXPECT_EQ(code(R"({"filter_test_accounts":true,"events":[{"id":"a"}]})"),
            R"(["_H",1,32,"%@us%",32,"email",32,"properties",32,"person",1,3,2,"toString",1,20,)"
            R"(32,"a",32,"event",1,1,11,3,2])");
  EXPECT_EQ(code(R"({"filter_test_accounts":false,"test_account_properties":[{"key":"k"}]})"),
            bytecode("{}"))
      << "nobody brings their own";
  EXPECT_TRUE(match_everything(with_test_accounts(R"({"filter_test_accounts":true})", "[]")));
  EXPECT_FALSE(match_everything(with_test_accounts(R"({"filter_test_accounts":true})", kOwn)));
  EXPECT_TRUE(match_everything(R"({"events":[],"properties":null})"));
  EXPECT_FALSE(match_everything("[]"));
}

TEST(Filters, GroupsAndRanges) {
  constexpr std::string_view kEvent =
      R"({"event":"a","properties":{"n":5},"group_1":{"properties":{"plan":"pro"}}})";
  EXPECT_TRUE(matches(
      R"({"properties":[{"key":"plan","type":"group","group_type_index":1,"value":"pro"}]})",
      kEvent));
  const auto n = [&](std::string_view op, std::string_view value) {
    return matches(std::string(R"({"properties":[{"key":"n","operator":")") + std::string(op) +
                       R"(","value":)" + std::string(value) + "}]}",
                   kEvent);
  };
  EXPECT_TRUE(n("between", "[5,6]"));
  EXPECT_FALSE(n("between", "[6,9]"));
  EXPECT_TRUE(n("not_between", "[6,9]"));
  EXPECT_FALSE(n("not_between", "[1,9]"));
  EXPECT_TRUE(n("min", "5"));
  EXPECT_FALSE(n("max", "4"));
}

TEST(Filters, WhatCannotBeCompiledSaysWhy) {
  EXPECT_EQ(bytecode(R"({"properties":[{"key":"d","type":"session","value":1}]})"),
            "filters: filters can't look at a property of type 'session' here");
  EXPECT_EQ(bytecode(R"({"properties":[{"key":"n","operator":"between","value":[1]}]})"),
            "filters: the operator 'between' has a list of two values");
  EXPECT_EQ(bytecode(R"x({"properties":[{"key":"(select 1)","type":"hogql"}]})x"),
            "filters: Select queries are not allowed in filters");
  EXPECT_EQ(bytecode(R"({"properties":[{"key":"id","type":"cohort","value":1}]})"),
            "filters: Can't use cohorts in real-time filters");
  EXPECT_EQ(bytecode(R"({"properties":[{"key":"a","operator":"wat","value":1}]})"),
            "filters: the operator 'wat' is not known");
  EXPECT_EQ(bytecode("[]"), "filters are a JSON object");
}

}  // namespace
}  // namespace penstock::hog
