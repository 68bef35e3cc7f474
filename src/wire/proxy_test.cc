// Goal: with the PROXY protocol on, the address the proxy names is the peer, whatever pieces the
// header comes in; everything else than a valid header closes the connection and harms nobody.
#include <gmock/gmock.h>

#include "wire/http1/proxy_header.h"
#include "wire/metrics.h"
#include "wire/testing/server_fixture.h"

namespace penstock::wire {
namespace {

using Outcome = ProxyHeader::Outcome;
using testing::kPost;

std::string binary(uint8_t command, uint8_t family, std::string_view address) {
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out += static_cast<char>(0x20 | command);
  out += static_cast<char>(family);
  out += static_cast<char>(address.size() >> 8);
  out += static_cast<char>(address.size());
  return out + std::string(address);
}

const std::string kV4("\x01\x02\x03\x04\x05\x06\x07\x08\x11\x11\x00\x50", 12);
const std::string kV6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01" +
                        std::string(16, '\x02') + std::string("\x11\x11\x00\x50", 4);

TEST(ProxyHeader, both_versions_name_the_source) {
  const std::string text4 = "PROXY TCP4 1.2.3.4 5.6.7.8 4369 80\r\n";
  const std::string text6 = "PROXY TCP6 2001:db8::1 ::2 1 65535\r\n";
  EXPECT_EQ(parse_proxy_header(text4 + "GET /").source_ip, "1.2.3.4");
  EXPECT_EQ(parse_proxy_header(text4 + "GET /").size, text4.size());
  EXPECT_EQ(parse_proxy_header(text6).source_ip, "2001:db8::1");
  EXPECT_EQ(parse_proxy_header("PROXY TCP6 ::ffff:1.2.3.4 ::2 1 2\r\n").source_ip, "1.2.3.4");
  EXPECT_EQ(parse_proxy_header(binary(1, 0x11, kV4)).source_ip, "1.2.3.4");
  EXPECT_EQ(parse_proxy_header(binary(1, 0x21, kV6)).source_ip, "2001:db8::1");
  // Extensions behind the addresses are skipped.
  const std::string extended = binary(1, 0x11, kV4 + std::string("\x04\x00\x01x", 4));
  EXPECT_EQ(parse_proxy_header(extended + "GET /").size, extended.size());
  for (const std::string& nobody :
       {std::string("PROXY UNKNOWN\r\n"), std::string("PROXY UNKNOWN ffff::1 ::2 1 2\r\n"),
        binary(0, 0x11, kV4), binary(0, 0, ""), binary(1, 0, ""), binary(1, 0x12, kV4),
        binary(1, 0x31, std::string(216, 'u'))}) {
    const ProxyHeader header = parse_proxy_header(nobody);
    EXPECT_EQ(header.outcome, Outcome::kDone) << nobody;
    EXPECT_EQ(header.source_ip, "");
    EXPECT_EQ(header.size, nobody.size());
  }
}

TEST(ProxyHeader, every_prefix_asks_for_more) {
  for (const std::string& whole :
       {std::string("PROXY TCP4 1.2.3.4 5.6.7.8 4369 80\r\n"), binary(1, 0x21, kV6)}) {
    for (size_t n = 0; n < whole.size(); n++) {
      EXPECT_EQ(parse_proxy_header(whole.substr(0, n)).outcome, Outcome::kMore) << n;
    }
  }
}

TEST(ProxyHeader, malformed_ones_are_told_as_soon_as_they_can_be) {
  const std::string long_text = "PROXY UNKNOWN " + std::string(100, 'x') + "\r\n";
  const std::string huge = binary(1, 0x11, std::string(5000, 'x')).substr(0, 16);
  for (const std::string& bad : {std::string("GET / HTTP/1.1\r\n\r\n"),
                                 std::string("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n"),
                                 std::string("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n"),
                                 std::string("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n"),
                                 std::string("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n"),
                                 std::string("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n"),
                                 std::string("PROXY TCP4 ::1 ::2 1 2\r\n"),
                                 std::string("PROXY TCP6 1.2.3.4 ::2 1 2\r\n"),
                                 std::string("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n"),
                                 std::string("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n"),
                                 std::string("PROXY \r\n"),
                                 std::string("PROXY UNKNOWNS\r\n"),
                                 std::string("proxy UNKNOWN\r\n"),
                                 std::string("\x16\x03\x01"),
                                 long_text,
                                 huge,
                                 binary(2, 0x11, kV4),
                                 binary(1, 0x41, kV4),
                                 binary(1, 0x13, kV4),
                                 binary(1, 0x11, kV4.substr(1)),
                                 binary(1, 0x21, kV6.substr(1)),
                                 std::string("\r\n\r\n1")}) {
    EXPECT_EQ(parse_proxy_header(bad).outcome, Outcome::kMalformed) << bad;
  }
  std::string version1 = binary(1, 0x11, kV4);
  version1[12] = 0x11;
  EXPECT_EQ(parse_proxy_header(version1).outcome, Outcome::kMalformed);
}

class ProxyServer : public testing::ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    edge.proxy_protocol = true;
    start();
  }
};

constexpr std::string_view kWho = "GET /who HTTP/1.1\r\n\r\n";

TEST_F(ProxyServer, the_named_source_is_the_peer_for_all_requests_of_the_connection) {
  const int fd = connect();
  write(fd, binary(1, 0x21, kV6) + std::string(kWho));
  EXPECT_THAT(read(fd, "peer=2001:db8::1."), ::testing::HasSubstr("peer=2001:db8::1"));
  write(fd, kWho);
  EXPECT_THAT(read(fd, "peer=2001:db8::1."), ::testing::HasSubstr("peer=2001:db8::1"));
  ::close(fd);
  const int local = connect();
  write(local, "PROXY UNKNOWN\r\n" + std::string(kWho));
  EXPECT_THAT(read(local, "peer=127.0.0.1."), ::testing::HasSubstr("peer=127.0.0.1"));
  ::close(local);
}

TEST_F(ProxyServer, a_header_in_single_bytes_is_understood_and_nothing_behind_it_is_lost) {
  const std::string whole =
      "PROXY TCP4 1.2.3.4 5.6.7.8 4369 80\r\n" + std::string(kPost) + std::string(kWho);
  const int fd = connect();
  for (const char c : whole) {
    write(fd, {&c, 1});
    run([] {});
  }
  const std::string answer = read(fd, "peer=1.2.3.4.");
  EXPECT_THAT(answer, ::testing::HasSubstr("POST /a?b=c t hello"));
  EXPECT_THAT(answer, ::testing::HasSubstr("peer=1.2.3.4"));
  ::close(fd);
}

TEST_F(ProxyServer, without_a_valid_header_the_connection_is_closed_without_an_answer) {
  const uint64_t before = metrics().proxy_malformed.value();
  EXPECT_EQ(once(kPost), "");
  EXPECT_EQ(once("PROXY nonsense\r\n" + std::string(kPost)), "");
  EXPECT_EQ(metrics().proxy_malformed.value(), before + 2);
}

TEST_F(ProxyServer, an_unfinished_header_is_cut_at_the_deadline_and_a_neighbour_is_served) {
  const int slow = connect(), silent = connect(), good = connect();
  write(slow, "PROXY TCP4 1.2.3.4 ");
  write(good, "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + std::string(kPost));
  EXPECT_THAT(read(good, "hello"), ::testing::HasSubstr("200 OK"));
  EXPECT_EQ(read(slow, ""), "");
  EXPECT_EQ(read(silent, ""), "");
  write(good, kPost);
  EXPECT_THAT(read(good, "hello"), ::testing::HasSubstr("200 OK"));
  for (const int fd : {slow, silent, good}) ::close(fd);
}

}  // namespace
}  // namespace penstock::wire
