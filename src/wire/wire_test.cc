// Goal: bodies decompress exactly or are refused within their limit; a request is understood in
// whatever pieces it comes; nothing a client does takes the server or a neighbour down. The server
// runs on its own loop thread, clients are plain blocking sockets.
#include <gtest/gtest.h>
#include <libdeflate.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <random>
#include <thread>

#include "wire/http.h"
#include "wire/inflate.h"
#include "wire/testing/server_fixture.h"

namespace penstock::wire {
namespace {

using testing::kPost;
using testing::ServerTest;

std::string gzip(std::string_view text) {
  auto* c = libdeflate_alloc_compressor(6);
  std::string out(libdeflate_gzip_compress_bound(c, text.size()), '\0');
  out.resize(libdeflate_gzip_compress(c, text.data(), text.size(), out.data(), out.size()));
  libdeflate_free_compressor(c);
  return out;
}

TEST(Gunzip, whole_members_limits_and_damage) {
  Inflater inflater;
  PaddedBuffer out;
  const std::string text = "hello hello hello hello";
  ASSERT_TRUE(inflater.gunzip(gzip(text), out, 1000));
  EXPECT_EQ(out.view(), text);
  ASSERT_TRUE(inflater.gunzip(gzip("a") + gzip("b"), out, 1000));
  EXPECT_EQ(out.view(), "ab");
  ASSERT_TRUE(inflater.gunzip(gzip(text), out, text.size()));
  EXPECT_EQ(inflater.gunzip(gzip(text), out, text.size() - 1).error().code, Code::kExhausted);
  ASSERT_TRUE(inflater.gunzip(gzip(""), out, 10));
  EXPECT_EQ(out.size(), 0U);
  const std::string whole = gzip(text);
  for (size_t n = 0; n < whole.size(); n++) {
    EXPECT_EQ(inflater.gunzip(whole.substr(0, n), out, 1000).error().code, Code::kInvalid) << n;
  }
}

TEST(Gunzip, a_bomb_costs_no_more_than_its_limit) {
  Inflater inflater;
  PaddedBuffer out;
  const std::string bomb = gzip(std::string(64U << 20, 'x'));
  EXPECT_LT(bomb.size(), 100'000U);
  EXPECT_EQ(inflater.gunzip(bomb, out, 1U << 20).error().code, Code::kExhausted);
  EXPECT_LE(out.capacity(), 4U << 20);
  std::string liar = gzip("small");
  for (size_t i = liar.size() - 4; i < liar.size(); i++) liar[i] = '\xff';
  EXPECT_FALSE(inflater.gunzip(liar, out, 100U << 20));
  EXPECT_LE(out.capacity(), 8U << 20);
}

TEST(Gunzip, flipped_bits_never_hurt) {
  Inflater inflater;
  PaddedBuffer out;
  const std::string whole = gzip(std::string(3000, 'a') + "tail");
  std::mt19937 random(11);
  for (int i = 0; i < 20'000; i++) {
    std::string damaged = whole;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 << (random() % 8));
    if (inflater.gunzip(damaged, out, 10'000)) {
      EXPECT_LE(out.size(), 10'000U);
    }
  }
}

std::string json_text(const std::string& line, size_t& at) {
  // The vectors hold only escapes of quotes, backslashes and \uXXXX of lone surrogates.
  std::string out;
  for (at++; line[at] != '"'; at++) {
    if (line[at] == '\\' && line[at + 1] == 'u') {
      out += "\xef\xbf\xbd";
      at += 5;
    } else if (line[at] == '\\') {
      out += line[++at];
    } else {
      out += line[at];
    }
  }
  at++;
  return out;
}

TEST(Lz64, what_the_reference_library_compressed) {
  std::ifstream in(PENSTOCK_SOURCE_DIR "/tests/data/lz64_vectors.jsonl");
  std::string line;
  size_t count = 0;
  while (std::getline(in, line)) {
    size_t at = 1;
    const std::string packed = json_text(line, at);
    at++;
    const std::string text = json_text(line, at);
    PaddedBuffer out;
    ASSERT_TRUE(lz64_decode(packed, out, 1U << 20)) << text;
    EXPECT_EQ(out.view(), text);
    if (text.size() > 20) {
      EXPECT_EQ(lz64_decode(packed, out, 10).error().code, Code::kExhausted);
      EXPECT_FALSE(
          lz64_decode(std::string_view(packed).substr(0, packed.size() / 2), out, 1U << 20));
    }
    count++;
  }
  EXPECT_EQ(count, 7U);
  PaddedBuffer out;
  EXPECT_FALSE(lz64_decode("", out, 100));
  EXPECT_FALSE(lz64_decode("!!!!", out, 100));
}

TEST(Lz64, random_text_never_hurts) {
  std::mt19937 random(3);
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
  for (int i = 0; i < 20'000; i++) {
    std::string text;
    for (size_t n = random() % 60; n > 0; n--) text += alphabet[random() % alphabet.size()];
    PaddedBuffer out;
    if (lz64_decode(text, out, 5000)) {
      EXPECT_LE(out.size(), 5000U);
    }
  }
}

TEST(Base64, strict) {
  std::string out;
  ASSERT_TRUE(base64_decode("aGVsbG8=", out));
  EXPECT_EQ(out, "hello");
  ASSERT_TRUE(base64_decode("", out));
  for (const char* bad : {"a", "aGVsbG8", "aGVs bG8=", "aG=sbG8=", "====", "a_8="}) {
    EXPECT_FALSE(base64_decode(bad, out)) << bad;
  }
}

TEST(Query, params_and_decoding) {
  std::string value;
  EXPECT_TRUE(query_param("a=1&data=a%2Bb+c&x", "data", value));
  EXPECT_EQ(value, "a+b c");
  EXPECT_TRUE(query_param("x", "x", value));
  EXPECT_FALSE(query_param("xy=1", "x", value));
  EXPECT_EQ(url_decode("%zz%4", false), "%zz%4");
}

// --- the server ---------------------------------------------------------------------------------

constexpr std::string_view kChunked =
    "POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Test: t\r\nTransfer-Encoding: chunked\r\n\r\n"
    "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";

TEST_F(ServerTest, a_request_is_understood_at_every_split) {
  start();
  for (const std::string_view request : {kPost, kChunked}) {
    const int fd = connect();
    for (size_t cut = 1; cut < request.size(); cut++) {
      write(fd, request.substr(0, cut));
      run([] {});  // the server has seen the first piece on its own
      write(fd, request.substr(cut));
      const std::string answer = read(fd, "POST /a?b=c t hello");
      ASSERT_NE(answer.find("POST /a?b=c t hello"), std::string::npos) << cut << answer;
    }
    ::close(fd);
  }
}

TEST_F(ServerTest, pipelined_answers_come_in_order_even_when_later_ones_are_ready_first) {
  start();
  const int fd = connect();
  write(fd,
        "GET /hold HTTP/1.1\r\n\r\nGET /two HTTP/1.1\r\n\r\nGET /three HTTP/1.1\r\nConnection: "
        "close\r\n\r\n");
  while (true) {
    size_t held = 0;
    run([&] { held = echo.held.size(); });
    if (held == 1) break;
  }
  run([this] {
    Response r;
    r.body = "one";
    echo.held.front().send(std::move(r));
  });
  const std::string all = read(fd, "");
  const size_t one = all.find("one"), two = all.find("GET /two"), three = all.find("GET /three");
  EXPECT_TRUE(one < two && two < three && three != std::string::npos) << all;
  ::close(fd);
}

TEST_F(ServerTest, an_invitation_to_continue_waits_behind_answers_still_owed) {
  start();
  const int fd = connect();
  constexpr std::string_view kHead =
      "POST /two HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
  write(fd, kHead);
  EXPECT_EQ(read(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  write(fd, "hello");
  EXPECT_TRUE(read(fd, "hello").starts_with("HTTP/1.1 200 OK\r\n"));
  write(fd, "GET /hold HTTP/1.1\r\n\r\n" + std::string(kHead));
  for (size_t held = 0; held == 0;) run([&] { held = echo.held.size(); });
  run([this] {
    Response r;
    r.body = "one";
    echo.held.front().send(std::move(r));
  });
  const std::string answers = read(fd, "Continue\r\n\r\n");
  EXPECT_TRUE(answers.starts_with("HTTP/1.1 200 OK\r\n")) << answers;
  EXPECT_TRUE(answers.ends_with("oneHTTP/1.1 100 Continue\r\n\r\n")) << answers;
  write(fd, "hello");
  EXPECT_NE(read(fd, "hello").find("POST /two  hello"), std::string::npos);
  ::close(fd);
}

TEST_F(ServerTest, what_follows_a_request_that_ends_the_connection_is_no_request) {
  start();
  const int fd = connect();
  write(fd, "GET /hold HTTP/1.1\r\nConnection: close\r\n\r\nGET /two HTTP/1.1\r\n\r\n");
  for (size_t held = 0; held == 0;) run([&] { held = echo.held.size(); });
  EXPECT_EQ(server->stats().requests, 1U);
  run([this] {
    Response r;
    r.body = "one";
    echo.held.front().send(std::move(r));
  });
  const std::string all = read(fd, "");
  EXPECT_TRUE(all.ends_with("one")) << all;
  EXPECT_NE(all.find("Connection: close"), std::string::npos) << all;
  ::close(fd);
}

TEST_F(ServerTest, smuggling_and_malformed_requests_are_refused) {
  start();
  for (const char* bad :
       {"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "GARBAGE\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n", "GET /\n\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n"}) {
    EXPECT_TRUE(once(bad).starts_with("HTTP/1.1 400")) << bad;
  }
  EXPECT_NE(once("GET /fine HTTP/1.0\r\n\r\n").find("GET /fine"), std::string::npos);
}

TEST_F(ServerTest, header_bombs_get_431) {
  start();
  EXPECT_TRUE(once("GET / HTTP/1.1\r\nX: " + std::string(40'000, 'a') + "\r\n\r\n")
                  .starts_with("HTTP/1.1 431"));
  std::string many = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 200; i++) many += "X" + std::to_string(i) + ": 1\r\n";
  EXPECT_TRUE(once(many + "\r\n").starts_with("HTTP/1.1 431"));
}

TEST_F(ServerTest, body_limits_hold_and_the_connection_survives_a_modest_excess) {
  start();
  const int fd = connect();
  const std::string body(15'000, 'x');
  write(fd, "POST / HTTP/1.1\r\nContent-Length: 15000\r\n\r\n" + body);
  EXPECT_TRUE(read(fd, "too large").starts_with("HTTP/1.1 413"));
  write(fd, kPost);
  EXPECT_NE(read(fd, "hello").find("200 OK"), std::string::npos);
  write(fd,
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3a98\r\n" + body + "\r\n0\r\n\r\n");
  EXPECT_TRUE(read(fd, "too large").starts_with("HTTP/1.1 413"));
  ::close(fd);
  EXPECT_TRUE(
      once("POST / HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n").starts_with("HTTP/1.1 413"));
  EXPECT_TRUE(once("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n" +
                   std::string(30'000, 'y'))
                  .starts_with("HTTP/1.1 413"));
}

TEST_F(ServerTest, slow_clients_are_cut_by_total_time_and_others_do_not_notice) {
  start();
  const int head = connect(), body = connect(), reader = connect();
  write(head, "GET / HTTP/1.1\r\nX: ");
  write(body, "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nab");
  for (int i = 0; i < 8; i++) write(reader, "GET /big HTTP/1.1\r\n\r\n");  // and never reads
  std::atomic<bool> stop{false};
  std::thread drip([&] {
    while (!stop) {
      write(head, "a");
      write(body, "a");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  const int good = connect();
  write(good, kPost);
  EXPECT_NE(read(good, "hello").find("200 OK"), std::string::npos);
  EXPECT_TRUE(read(head, "").starts_with("HTTP/1.1 408"));
  EXPECT_TRUE(read(body, "").starts_with("HTTP/1.1 408"));
  stop = true;
  drip.join();
  // The client that never reads is cut as well: what it finds later is not all there.
  for (;;) {
    uint64_t open = 0;
    run([&] { open = server->stats().connections; });
    if (open <= 1) break;
  }
  EXPECT_LT(read(reader, "").size(), 8 * (4U << 20));
  for (const int fd : {head, body, reader, good}) ::close(fd);
}

TEST_F(ServerTest, ten_thousand_requests_on_one_connection_and_streams_and_lost_responders) {
  start();
  const int fd = connect();
  for (int i = 0; i < 10'000; i++) {
    write(fd, kPost);
    ASSERT_NE(read(fd, "hello").find("200 OK"), std::string::npos);
  }
  write(fd, "GET /stream HTTP/1.1\r\n\r\n");
  const std::string stream = read(fd, "0\r\n\r\n");
  EXPECT_NE(stream.find("7\r\npiece0;\r\n7\r\npiece1;\r\n7\r\npiece2;\r\n0\r\n\r\n"),
            std::string::npos);
  write(fd, "GET /drop HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(read(fd, "answered").starts_with("HTTP/1.1 500"));
  write(fd, "HEAD /x HTTP/1.1\r\n\r\n");
  const std::string head = read(fd, "\r\n\r\n");
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
  ::close(fd);
}

TEST_F(ServerTest, connection_limit_and_drain) {
  limits.connections_max = 2;
  start();
  const int a = connect(), b = connect();
  write(a, kPost);
  read(a, "hello");
  write(b, "GET /hold HTTP/1.1\r\n\r\n");
  while (true) {
    size_t held = 0;
    run([&] { held = echo.held.size(); });
    if (held == 1) break;
  }
  const int c = connect();
  EXPECT_EQ(read(c, ""), "");
  std::promise<void> drained;
  run([&] { server->drain(5000, [&] { drained.set_value(); }); });
  EXPECT_EQ(read(a, ""), "");  // idle: closed
  run([this] {
    Response r;
    r.body = "late";
    echo.held.front().send(std::move(r));
  });
  EXPECT_NE(read(b, "").find("late"), std::string::npos);
  drained.get_future().wait();
  for (const int fd : {a, b, c}) ::close(fd);
}

}  // namespace
}  // namespace penstock::wire
