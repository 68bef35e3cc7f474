// Editing feature flags one by one: ids, versions, keys, and what is kept.
#include "admin/api/flag_list.h"

#include <gtest/gtest.h>

namespace penstock::admin {
namespace {

constexpr std::string_view kTwo =
    R"({"cohorts":{"1":{}},"flags":[{"id":4,"key":"a","version":2,"tags":["t"]},)"
    R"({"id":9,"key":"b","deleted":true}]})";

event::JsonFields body(std::string_view json) { return *event::JsonFields::parse(json); }

TEST(FlagList, ANewFlagHasTheNextIdAndPostHogsMembers) {
  auto list = FlagList::parse(kTwo);
  ASSERT_TRUE(list);
  const auto made = list->create(body(R"({"key":"new","id":1,"version":77})"), "2026-01-01");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(*made, R"({"id":10,"key":"new","name":"","active":true,"deleted":false,)"
                   R"("filters":{"groups":[]},"version":1,"created_at":"2026-01-01"})");
  EXPECT_NE(list->setting().find(R"("cohorts":{"1":{}})"), std::string::npos);
  size_t count = 0;
  EXPECT_EQ(list->list(count).find(R"("key":"b")"), std::string::npos) << "it is deleted";
  EXPECT_EQ(count, 2U);
}

TEST(FlagList, AKeyIsTakenOnce) {
  auto list = FlagList::parse(kTwo);
  EXPECT_EQ(list->create(body(R"({"key":"a"})"), "").error().code, Code::kConflict);
  EXPECT_EQ(list->create(body(R"({"key":"\u0061"})"), "").error().code, Code::kConflict);
  ASSERT_TRUE(list->create(body(R"({"key":"b"})"), "")) << "a deleted flag's key is free";
  EXPECT_EQ(list->change(4, body(R"({"key":"b"})"), "").error().code, Code::kConflict);
  EXPECT_EQ(list->create(body(R"({"name":"x"})"), "").error().code, Code::kInvalid);
  EXPECT_EQ(list->create(body(R"({"key":7})"), "").error().code, Code::kInvalid);
}

TEST(FlagList, AChangeRaisesTheVersionAndKeepsTheRest) {
  auto list = FlagList::parse(kTwo);
  const auto changed = list->change(4, body(R"({"active":false,"version":1,"id":5})"), "now");
  ASSERT_TRUE(changed);
  EXPECT_EQ(*changed,
            R"({"id":4,"key":"a","version":3,"tags":["t"],"active":false,"updated_at":"now"})");
  EXPECT_EQ(*list->find(4), *changed);
  EXPECT_EQ(list->change(5, body("{}"), "").error().code, Code::kNotFound);
}

TEST(FlagList, ARemovedFlagIsGone) {
  auto list = FlagList::parse(kTwo);
  EXPECT_TRUE(list->remove(4));
  EXPECT_EQ(list->remove(4).error().code, Code::kNotFound);
  EXPECT_EQ(list->find(4).error().code, Code::kNotFound);
  EXPECT_EQ(FlagList::parse("{}")->setting(), R"({"flags":[]})");
}

}  // namespace
}  // namespace penstock::admin
