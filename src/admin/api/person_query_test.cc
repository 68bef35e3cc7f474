#include "admin/api/person_query.h"

#include <gtest/gtest.h>

namespace penstock::admin {
namespace {

std::string encoded(std::string_view text) {
  std::string out;
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

Result<PersonsAsked> asked(std::string_view filters) {
  return read_persons_query("properties=" + encoded(filters));
}

bool fits(std::string_view properties, std::string_view filters) {
  const auto fields = event::JsonFields::parse(properties);
  const auto read = asked(filters);
  EXPECT_TRUE(fields.has_value() && read.has_value());
  return satisfies(*fields, read->filters);
}

TEST(PersonQuery, WhatNobodyAskedForIsEverybodyByTheirLatestEvent) {
  const auto all = read_persons_query("");
  ASSERT_TRUE(all.has_value());
  EXPECT_TRUE(all->by_seen);
  EXPECT_EQ(all->limit, 100U);
  EXPECT_EQ(created_sql(*all).find("JSON"), std::string::npos);
}

TEST(PersonQuery, TextOfTheAskerStaysText) {
  const auto evil = asked(R"([{"key":"a') OR 1=1 --","operator":"exact","value":"\\' OR ''='"}])");
  ASSERT_TRUE(evil.has_value());
  const std::string sql = created_sql(*evil);
  EXPECT_NE(sql.find(R"('a\') OR 1=1 --')"), std::string::npos) << sql;
  EXPECT_NE(sql.find(R"('\\\' OR \'\'=\'')"), std::string::npos) << sql;
  EXPECT_EQ(sql_text(std::string_view("a\0b", 3)), "'a\\0b'");
}

TEST(PersonQuery, RefusesWhatItCannotAnswer) {
  for (const char* filters :
       {"{}", "[1]", R"([{"operator":"exact","value":"x"}])", R"([{"key":"a","operator":"like"}])",
        R"([{"key":"a","operator":"exact"}])", R"([{"key":"","operator":"is_set"}])"}) {
    EXPECT_FALSE(asked(filters).has_value()) << filters;
  }
  std::string many = "[";
  for (int i = 0; i < 11; i++) many += R"({"key":"a","operator":"is_set"},)";
  many.back() = ']';
  EXPECT_FALSE(asked(many).has_value());
  for (const char* query : {"limit=0", "limit=501", "limit=x", "order=up", "after=1",
                            "after=x:0198c5a2-0000-7000-8000-000000000000"}) {
    EXPECT_FALSE(read_persons_query(query).has_value()) << query;
  }
  EXPECT_FALSE(read_persons_query("search=" + std::string(1001, 'x')).has_value());
}

TEST(PersonQuery, APageGoesOnWhereTheOneBeforeEnded) {
  const PageCursor cursor{1'700'000'000'123, *Uuid::parse("0198c5a2-0000-7000-8000-000000000001")};
  const auto again = PageCursor::parse(cursor.text());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->at, cursor.at);
  EXPECT_EQ(again->id, cursor.id);
  const auto next = read_persons_query("order=created&after=" + cursor.text());
  ASSERT_TRUE(next.has_value());
  EXPECT_NE(created_sql(*next).find("1700000000123"), std::string::npos);
}

TEST(PersonQuery, FiltersMeanTheSameForOnePersonAsInSql) {
  constexpr std::string_view kPerson = R"({"plan":"Pro","n":5,"ok":true,"none":null})";
  EXPECT_TRUE(fits(kPerson, R"([{"key":"plan","value":"Pro"}])"));
  EXPECT_FALSE(fits(kPerson, R"([{"key":"plan","value":"pro"}])"));
  EXPECT_TRUE(fits(kPerson, R"([{"key":"plan","operator":"icontains","value":"PR"}])"));
  EXPECT_FALSE(fits(kPerson, R"([{"key":"plan","operator":"not_icontains","value":"pr"}])"));
  EXPECT_TRUE(fits(kPerson, R"([{"key":"n","value":5},{"key":"n","value":"5"}])"));
  EXPECT_TRUE(fits(kPerson, R"([{"key":"ok","value":"true"}])"));
  EXPECT_TRUE(fits(kPerson, R"([{"key":"none","operator":"is_set"}])"));
  EXPECT_TRUE(fits(kPerson, R"([{"key":"gone","operator":"is_not_set"}])"));
  EXPECT_TRUE(fits(kPerson, R"([{"key":"gone","operator":"is_not","value":"x"}])"));
  EXPECT_FALSE(fits(kPerson, R"([{"key":"gone","operator":"icontains","value":""}])"));
}

}  // namespace
}  // namespace penstock::admin
