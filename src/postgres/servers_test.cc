#include "postgres/servers.h"

#include <gtest/gtest.h>

namespace penstock::postgres {
namespace {

std::string value(const Parameters& server, std::string_view name) {
  for (const auto& [key, text] : server) {
    if (key == name) return text;
  }
  return "(none)";
}

TEST(Servers, OfOneServerIsEverythingAsItWas) {
  const auto one = servers_of("postgresql://me:a%2Cb@db-1:5433/events?sslmode=require");
  ASSERT_TRUE(one);
  ASSERT_EQ(one->size(), 1U);
  EXPECT_EQ(value(one->front(), "host"), "db-1");
  EXPECT_EQ(value(one->front(), "port"), "5433");
  EXPECT_EQ(value(one->front(), "user"), "me");
  EXPECT_EQ(value(one->front(), "password"), "a,b");  // a comma there parts nothing
  EXPECT_EQ(value(one->front(), "dbname"), "events");
  EXPECT_EQ(value(one->front(), "sslmode"), "require");
}

TEST(Servers, ThatShareEverythingButTheirAddress) {
  const auto two =
      servers_of("postgresql://me@db-1:5433,db-2:5434/events?target_session_attrs=read-write");
  ASSERT_TRUE(two);
  ASSERT_EQ(two->size(), 2U);
  EXPECT_EQ(value((*two)[0], "host"), "db-1");
  EXPECT_EQ(value((*two)[0], "port"), "5433");
  EXPECT_EQ(value((*two)[1], "host"), "db-2");
  EXPECT_EQ(value((*two)[1], "port"), "5434");
  for (const Parameters& server : *two) {
    EXPECT_EQ(value(server, "target_session_attrs"), "read-write");
    EXPECT_EQ(value(server, "dbname"), "events");
  }
}

TEST(Servers, OnePortIsEverybodys) {
  const auto three = servers_of("host=a,b,c port=6000 hostaddr=10.0.0.1,10.0.0.2,10.0.0.3");
  ASSERT_TRUE(three);
  ASSERT_EQ(three->size(), 3U);
  EXPECT_EQ(value((*three)[2], "host"), "c");
  EXPECT_EQ(value((*three)[2], "hostaddr"), "10.0.0.3");
  EXPECT_EQ(value((*three)[2], "port"), "6000");
}

TEST(Servers, OfNoServerIsOneOfTheEnvironment) {
  const auto one = servers_of("");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->size(), 1U);
}

TEST(Servers, WhatIsNoneIsRefused) {
  EXPECT_EQ(servers_of("postgresql://[").error().code, Code::kInvalid);
  EXPECT_EQ(servers_of("nonsense").error().code, Code::kInvalid);
  EXPECT_EQ(servers_of("host=a,b,c port=1,2").error().code, Code::kInvalid);
}

}  // namespace
}  // namespace penstock::postgres
