// Goal: a client cannot choose its own address once proxies are listed, and every form a proxy
// writes is understood; without a list the leftmost claim counts, as PostHog has it.
#include "wire/client_address.h"

#include <gtest/gtest.h>

namespace penstock::wire {
namespace {

std::string from(const char* trusted, const char* peer, std::vector<Header> headers) {
  ClientAddress addresses(*runtime::parse_ip_ranges(trusted));
  Request request;
  request.peer_ip = peer;
  request.headers = std::move(headers);
  return std::string(addresses.of(request));
}

TEST(ClientAddress, without_a_list_everybody_is_believed) {
  const auto of = [](std::vector<Header> headers) {
    return from("", "9.9.9.9", std::move(headers));
  };
  EXPECT_EQ(of({}), "9.9.9.9");
  EXPECT_EQ(of({{"X-Forwarded-For", "1.2.3.4, 5.6.7.8"}}), "1.2.3.4");
  EXPECT_EQ(of({{"x-real-ip", "1.2.3.4"}}), "1.2.3.4");
  EXPECT_EQ(of({{"x-forwarded-for", " 2001:db8::1 "}, {"x-real-ip", "1.2.3.4"}}), "2001:db8::1");
  EXPECT_EQ(of({{"Forwarded", "for=1.2.3.4;proto=https"}}), "1.2.3.4");
  EXPECT_EQ(of({{"Forwarded", "proto=https; For=\"1.2.3.4\", for=5.6.7.8"}}), "1.2.3.4");
}

TEST(ClientAddress, headers_of_a_stranger_are_nothing) {
  for (const char* name : {"x-forwarded-for", "x-real-ip"}) {
    EXPECT_EQ(from("10.0.0.0/8", "9.9.9.9", {{name, "1.2.3.4"}}), "9.9.9.9");
  }
  EXPECT_EQ(from("10.0.0.0/8", "9.9.9.9", {{"forwarded", "for=1.2.3.4"}}), "9.9.9.9");
  EXPECT_EQ(from("10.0.0.0/8", "", {{"x-forwarded-for", "1.2.3.4"}}), "");
}

TEST(ClientAddress, the_chain_is_walked_from_the_right_past_trusted_proxies) {
  const auto of = [](const char* chain) {
    return from("10.0.0.0/8,2001:db8::/32", "10.0.0.1", {{"X-Forwarded-For", chain}});
  };
  EXPECT_EQ(of("1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(of("6.6.6.6, 1.2.3.4"), "1.2.3.4");  // the left one was the client's own invention
  EXPECT_EQ(of("6.6.6.6, 1.2.3.4, 10.0.0.7, ::ffff:10.0.0.8,2001:db8::5"), "1.2.3.4");
  EXPECT_EQ(of("10.0.0.9, 10.0.0.8"), "10.0.0.9");  // all trusted: the client is one of us
  EXPECT_EQ(of("1.2.3.4:5678"), "1.2.3.4");
  EXPECT_EQ(of("[2001:470::1]:443, 10.0.0.7"), "2001:470::1");
  EXPECT_EQ(of("::ffff:1.2.3.4"), "1.2.3.4");
}

TEST(ClientAddress, nonsense_ends_the_walk_at_the_last_address_known) {
  const auto of = [](const char* chain) {
    return from("10.0.0.0/8", "10.0.0.1", {{"X-Forwarded-For", chain}});
  };
  EXPECT_EQ(of("unknown"), "10.0.0.1");
  EXPECT_EQ(of(""), "10.0.0.1");
  EXPECT_EQ(of("1.2.3.4, unknown, 10.0.0.7"), "10.0.0.7");
  EXPECT_EQ(of("1.2.3.4,"), "10.0.0.1");
  EXPECT_EQ(of("[::1"), "10.0.0.1");
  EXPECT_EQ(of("<script>"), "10.0.0.1");
}

TEST(ClientAddress, several_lines_are_one_chain_and_other_headers_are_second) {
  EXPECT_EQ(from("10.0.0.0/8", "10.0.0.1",
                 {{"X-Forwarded-For", "6.6.6.6"}, {"x-forwarded-for", "1.2.3.4, 10.0.0.2"}}),
            "1.2.3.4");
  EXPECT_EQ(from("10.0.0.0/8", "::ffff:10.0.0.1", {{"x-real-ip", "1.2.3.4"}}), "1.2.3.4");
  EXPECT_EQ(from("10.0.0.0/8", "10.0.0.1",
                 {{"forwarded", "for=6.6.6.6, for=\"[2001:470::1]:80\";by=x, for=10.0.0.3"}}),
            "2001:470::1");
  EXPECT_EQ(from("10.0.0.0/8", "10.0.0.1", {{"forwarded", "for=_hidden"}}), "10.0.0.1");
}

}  // namespace
}  // namespace penstock::wire
