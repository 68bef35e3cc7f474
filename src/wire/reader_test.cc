// Goal: a client that reads slowly, not at all, or has said that it will send no more gets what it
// is owed within bounds of time and memory; a drain answers what was asked and resets nobody.
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "wire/testing/server_fixture.h"

namespace penstock::wire {
namespace {

using testing::kPost;

constexpr size_t kBigBytes = 4U << 20;  // of the answer to /big

class ReaderTest : public testing::ServerTest {
 protected:
  ServerStats stats() {
    ServerStats out;
    run([&] { out = server->stats(); });
    return out;
  }
  void hold_until(size_t count) {
    for (size_t held = 0; held < count;) run([&] { held = echo.held.size(); });
  }
  void answer_held(const std::string& body) {
    run([&] {
      for (Responder& one : echo.held) {
        Response response;
        response.body = body;
        one.send(std::move(response));
      }
      echo.held.clear();
    });
  }
  static std::string several(size_t count) {
    std::string out;
    for (size_t i = 0; i < count; i++) out += "GET /big HTTP/1.1\r\n\r\n";
    return out;
  }
  static void forget(int fd) {
    const linger reset{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    ::close(fd);
  }
  static size_t times(const std::string& text, std::string_view what) {
    size_t out = 0;
    for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) out++;
    return out;
  }
};

TEST_F(ReaderTest, a_byte_now_and_then_holds_no_connection) {
  start();
  const int fd = connect();
  write(fd, several(5));  // more than the kernel takes at once
  const auto begun = std::chrono::steady_clock::now();
  char byte = 0;
  while (stats().connections > 0) {
    ASSERT_EQ(::recv(fd, &byte, 1, 0), 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
  }
  EXPECT_EQ(stats().timeouts, 1U);
  ::close(fd);
}

TEST_F(ReaderTest, a_steady_reader_has_all_the_time_it_needs) {
  limits.send_ms_max = 1000;
  start();
  const int fd = connect();
  const int small = 32 << 10;  // so that the kernel does not take the answer at once
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  write(fd, "GET /big HTTP/1.1\r\nConnection: close\r\n\r\n");
  std::string piece(64U << 10, ' ');
  size_t all = 0;
  for (ssize_t n = 1; n > 0; all += static_cast<size_t>(n)) {
    n = ::recv(fd, piece.data(), piece.size(), MSG_WAITALL);
    ASSERT_GE(n, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
  }
  EXPECT_GT(all, kBigBytes);
  ::close(fd);
}

TEST_F(ReaderTest, who_does_not_read_is_asked_nothing_more) {
  limits.send_ms_max = 60'000;
  start();
  const int fd = connect();
  constexpr size_t kAsked = 20;
  write(fd, several(kAsked));
  const int good = connect();
  for (int i = 0; i < 50; i++) {
    write(good, kPost);
    ASSERT_NE(read(good, "hello").find("200 OK"), std::string::npos);
  }
  EXPECT_LE(stats().requests, 50 + 3U);  // what the kernel took at once, and one
  // Nothing is lost by it: a client that reads at last gets all.
  size_t all = 0;
  std::string piece(1U << 20, ' ');
  while (all < kAsked * kBigBytes) {
    const ssize_t n = ::recv(fd, piece.data(), piece.size(), 0);
    ASSERT_GT(n, 0) << all;
    all += static_cast<size_t>(n);
  }
  EXPECT_EQ(stats().requests, 50 + kAsked);
  for (const int one : {fd, good}) ::close(one);
}

TEST_F(ReaderTest, answers_behind_one_that_is_not_ready_are_bounded_too) {
  limits.send_bytes_max = 100U << 20;
  limits.send_ms_max = 60'000;
  start();
  const int fd = connect();
  write(fd, "GET /hold HTTP/1.1\r\n\r\n" + several(20));
  hold_until(1);
  EXPECT_LE(stats().requests, 2U);
  answer_held("at last");
  EXPECT_NE(read(fd, "at last").find("200 OK"), std::string::npos);
  ::close(fd);
}

TEST_F(ReaderTest, when_all_together_leave_too_much_the_largest_are_cut) {
  limits.send_ms_max = 60'000;
  limits.send_bytes_in_flight_max = 64U << 10;
  start();
  std::vector<int> greedy;
  for (int i = 0; i < 5; i++) {
    greedy.push_back(connect());
    write(greedy.back(), several(5));
  }
  const int good = connect();
  // One may keep as much as all may have together.
  for (uint64_t open = 9; open > 2; open = stats().connections) {
    write(good, kPost);
    ASSERT_NE(read(good, "hello").find("200 OK"), std::string::npos);
  }
  write(good, kPost);
  EXPECT_NE(read(good, "hello").find("200 OK"), std::string::npos);
  for (const int fd : greedy) ::close(fd);
  ::close(good);
}

TEST_F(ReaderTest, a_client_that_sends_no_more_still_gets_its_answers) {
  start();
  const int fd = connect();
  write(fd, "GET /hold HTTP/1.1\r\n\r\nGET /hold HTTP/1.1\r\n\r\nGET /unfin");
  ::shutdown(fd, SHUT_WR);
  hold_until(2);
  EXPECT_EQ(stats().connections, 1U);
  answer_held("owed;");
  EXPECT_EQ(times(read(fd, ""), "owed;"), 2U);
  EXPECT_EQ(stats().connections, 0U);
  ::close(fd);
  // One that has nothing to come is closed, and so is one that reset the connection.
  const int idle = connect(), gone = connect();
  ::shutdown(idle, SHUT_WR);
  EXPECT_EQ(read(idle, ""), "");
  write(gone, "GET /hold HTTP/1.1\r\n\r\n");
  hold_until(1);
  forget(gone);
  while (stats().connections > 0) continue;
  ::close(idle);
}

TEST_F(ReaderTest, a_reset_is_noticed_when_nothing_is_awaited_from_the_client) {
  limits.pipeline_max = 2;
  start();
  const int fd = connect();
  write(fd, "GET /hold HTTP/1.1\r\n\r\nGET /hold HTTP/1.1\r\n\r\nGET /hold HTTP/1.1\r\n\r\n");
  hold_until(2);
  forget(fd);
  while (stats().connections > 0) continue;
  EXPECT_EQ(stats().requests, 2U);
}

TEST_F(ReaderTest, a_drain_answers_what_was_asked_and_resets_nobody) {
  limits.body_ms_max = limits.header_ms_max = 10'000;
  start();
  const int body = connect(), head = connect(), pipelined = connect();
  write(body, "POST /body HTTP/1.1\r\nContent-Length: 10\r\n\r\nhello");
  write(head, "GET /head HTT");
  write(pipelined, "GET /hold HTTP/1.1\r\n\r\nGET /hold HTTP/1.1\r\n\r\n");
  hold_until(2);
  std::promise<void> drained;
  run([&] { server->drain(20'000, [&] { drained.set_value(); }); });
  write(body, "world");
  write(head, "P/1.1\r\n\r\nGET /too-late HTTP/1.1\r\n\r\n");
  for (int i = 0; i < 200; i++) write(pipelined, kPost);  // nobody reads these
  answer_held("owed;");
  std::string text = read(body, "");
  EXPECT_NE(text.find("POST /body  helloworld"), std::string::npos) << text;
  EXPECT_NE(text.find("Connection: close"), std::string::npos) << text;
  text = read(head, "");
  EXPECT_NE(text.find("GET /head"), std::string::npos) << text;
  EXPECT_EQ(text.find("too-late"), std::string::npos) << text;
  // Given time for a reset to overtake them, the answers are still there, and then the end.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  std::string answers(4096, ' ');
  ssize_t n = 0;
  for (size_t had = 0;
       (n = ::recv(pipelined, answers.data() + had, answers.size() - had, 0)) > 0;) {
    had += static_cast<size_t>(n);
  }
  EXPECT_EQ(n, 0) << std::strerror(errno);
  EXPECT_EQ(times(answers, "owed;"), 2U) << answers;
  for (const int fd : {body, head, pipelined}) ::close(fd);
  EXPECT_EQ(drained.get_future().wait_for(std::chrono::seconds(15)), std::future_status::ready);
}

}  // namespace
}  // namespace penstock::wire
