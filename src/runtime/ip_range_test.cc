// Goal: addresses compare by value whatever their form, ranges contain exactly what their prefix
// says, and nothing that is no address passes for one.
#include "runtime/ip_range.h"

#include <gtest/gtest.h>

namespace penstock::runtime {
namespace {

bool within(const char* range, const char* address) {
  const auto r = IpRange::parse(range);
  EXPECT_TRUE(r) << range;
  return r && r->contains(*IpAddress::parse(address));
}

TEST(IpAddress, mapped_and_plain_v4_are_the_same) {
  EXPECT_EQ(IpAddress::parse("::ffff:10.1.2.3"), IpAddress::parse("10.1.2.3"));
  EXPECT_EQ(IpAddress::parse("::ffff:a01:203")->text(), "10.1.2.3");
  EXPECT_EQ(IpAddress::v4({10, 1, 2, 3}).text(), "10.1.2.3");
  EXPECT_EQ(IpAddress::parse("2001:DB8:0::1")->text(), "2001:db8::1");
  EXPECT_FALSE(IpAddress::parse("::1")->is_v4());
  using std::string_view_literals::operator""sv;
  for (const std::string_view bad : {""sv, "1.2.3"sv, "1.2.3.4:80"sv, "[::1]"sv, "fe80::1%eth0"sv,
                                     "localhost"sv, "1.2.3.4\0"sv, "01.2.3.4.5"sv, "::1::"sv}) {
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
  }
  EXPECT_FALSE(IpAddress::parse(std::string(1000, '1')));
}

TEST(IpRange, contains_what_its_prefix_says) {
  EXPECT_TRUE(within("10.0.0.0/8", "10.255.0.1"));
  EXPECT_TRUE(within("10.0.0.0/8", "::ffff:10.0.0.1"));
  EXPECT_FALSE(within("10.0.0.0/8", "11.0.0.0"));
  EXPECT_FALSE(within("10.0.0.0/8", "a00::"));
  EXPECT_TRUE(within("192.168.4.0/22", "192.168.7.255"));
  EXPECT_FALSE(within("192.168.4.0/22", "192.168.8.0"));
  EXPECT_TRUE(within("127.0.0.1", "127.0.0.1"));
  EXPECT_FALSE(within("127.0.0.1", "127.0.0.2"));
  EXPECT_TRUE(within("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(within("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(within("::/0", "8.8.8.8"));
  EXPECT_TRUE(within("2001:db8::/33", "2001:db8:7fff::"));
  EXPECT_FALSE(within("2001:db8::/33", "2001:db8:8000::"));
  EXPECT_TRUE(within("::ffff:10.0.0.0/104", "10.9.9.9"));
}

TEST(IpRange, says_what_is_wrong) {
  for (const char* bad :
       {"", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.1/8",
        "2001:db8::/129", "2001:db8::1/32", "proxy.example", "10.0.0.0/8/8"}) {
    const auto parsed = IpRange::parse(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Code::kInvalid);
    EXPECT_NE(parsed.error().message.find(bad), std::string::npos) << parsed.error().message;
  }
  EXPECT_TRUE(parse_ip_ranges("")->empty());
  EXPECT_EQ(parse_ip_ranges("10.0.0.0/8, ::1 ,127.0.0.1")->size(), 3U);
  EXPECT_FALSE(parse_ip_ranges("10.0.0.0/8,,::1"));
  EXPECT_TRUE(contains(*parse_ip_ranges("10.0.0.0/8,::1"), *IpAddress::parse("::1")));
}

}  // namespace
}  // namespace penstock::runtime
