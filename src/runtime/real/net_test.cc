// Sockets over loopback on one loop: accept, echo, back-pressure, closing, unwatching in a
// callback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <functional>

#include "runtime/net.h"
#include "runtime/real_runtime.h"

namespace penstock::runtime {
namespace {

class OnReady : public SocketHandler {
 public:
  explicit OnReady(std::function<void(bool, bool)> call) : call_(std::move(call)) {}
  void on_ready(bool readable, bool writable) override { call_(readable, writable); }

 private:
  std::function<void(bool, bool)> call_;
};

/// A blocking connection of the test's own.
Socket connect_to(const Address& address) {
  Socket out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(out.fd(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return out;
}

struct Pair {
  Socket server, client;
};

Pair connected() {
  auto listener = Listener::bind({"127.0.0.1", 0}, 8, false);
  EXPECT_TRUE(listener);
  Pair pair;
  pair.client = connect_to(listener->local_address());
  pair.server = std::move(*listener->accept());
  EXPECT_TRUE(pair.server.is_open());
  return pair;
}

TEST(Address, parses_v4_v6_and_refuses_the_rest) {
  EXPECT_EQ(Address::parse("127.0.0.1:8000")->text(), "127.0.0.1:8000");
  EXPECT_EQ(Address::parse("[::1]:80")->host, "::1");
  EXPECT_EQ(Address::parse("[::1]:80")->text(), "[::1]:80");
  EXPECT_EQ(Address::parse("localhost:1")->host, "127.0.0.1");
  EXPECT_TRUE(Address::parse("[::1]:80")->is_loopback());
  EXPECT_TRUE(Address::parse("127.9.9.9:0")->is_loopback());
  EXPECT_FALSE(Address::parse("0.0.0.0:0")->is_loopback());
  for (const char* bad : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:8x", "a:1",
                          "::1:80:", "[::1", "[]:1", "300.1.1.1:1", ":1", "127.0.0.1:-1"}) {
    const auto parsed = Address::parse(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Code::kInvalid);
  }
}

TEST(Socket, a_reset_drops_what_the_peer_has_not_taken) {
  Pair pair = connected();
  const std::string data(1U << 20, 'x');
  while (*pair.server.send(data) > 0) continue;  // until the kernel takes no more
  pair.server.reset_on_close();
  pair.server.close();
  std::string taken(64U << 20, ' ');
  const auto got = pair.client.recv(taken);
  if (got) {
    // What had arrived already may be read; the end is the reset all the same.
    while (pair.client.recv(taken)) continue;
  }
  EXPECT_FALSE(pair.client.send("anything"));
}

TEST(Listener, several_share_a_port_only_when_asked_to) {
  const auto first = Listener::bind({"127.0.0.1", 0}, 8, true);
  ASSERT_TRUE(first);
  EXPECT_NE(first->local_address().port, 0);
  EXPECT_TRUE(Listener::bind(first->local_address(), 8, true));
  const auto third = Listener::bind(first->local_address(), 8, false);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, Code::kConflict);
  EXPECT_THAT(third.error().message, testing::HasSubstr(first->local_address().text()));
}

TEST(Listener, accept_answers_closed_when_nobody_waits) {
  auto listener = Listener::bind({"127.0.0.1", 0}, 8, false);
  ASSERT_TRUE(listener);
  const auto none = listener->accept();
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->is_open());
}

TEST(Socket, never_blocks_and_tells_a_closed_peer) {
  Pair pair = connected();
  EXPECT_EQ(pair.server.peer_ip(), "127.0.0.1");
  std::array<char, 64> buffer{};
  EXPECT_EQ(*pair.server.recv(buffer), 0U);
  EXPECT_EQ(*pair.client.send("hello"), 5U);
  pair.client.shutdown_send();
  EXPECT_EQ(*pair.server.recv(buffer), 5U);
  const auto end = pair.server.recv(buffer);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::kUnavailable);
  EXPECT_EQ(*pair.server.send("bye"), 3U);  // the other direction is still open
  EXPECT_EQ(*pair.client.recv(buffer), 3U);
  const std::string much(1U << 20, 'x');
  size_t sent = 0;
  for (;;) {
    const auto n = pair.server.send(much);
    ASSERT_TRUE(n);
    if (*n == 0) break;  // the kernel's buffers are full
    sent += *n;
  }
  EXPECT_GT(sent, 0U);
  pair.client.close();
  bool refused = false;
  for (int i = 0; i < 1000 && !refused; i++) refused = !pair.server.send(much);
  EXPECT_TRUE(refused);
}

TEST(Poller, echoes_through_readiness) {
  LoopThread thread("test");
  Pair pair = connected();
  std::string got;
  std::array<char, 64> buffer{};
  OnReady handler([&](bool readable, bool) {
    if (!readable) return;
    const auto n = pair.server.recv(buffer);
    if (!n) {
      thread.poller().unwatch(pair.server);
      thread.stop();
      return;
    }
    got.append(buffer.data(), *n);
  });
  ASSERT_TRUE(thread.poller().watch(pair.server, handler, true, false));
  EXPECT_EQ(*pair.client.send("over the loop"), 13U);
  pair.client.shutdown_send();
  thread.run();
  EXPECT_EQ(got, "over the loop");
}

TEST(Poller, change_turns_writability_on_and_off) {
  LoopThread thread("test");
  Pair pair = connected();
  int writable_calls = 0;
  OnReady handler([&](bool, bool writable) {
    EXPECT_TRUE(writable);
    if (++writable_calls == 2) thread.poller().change(pair.server, handler, true, false);
  });
  ASSERT_TRUE(thread.poller().watch(pair.server, handler, false, true));
  thread.loop().after(std::chrono::milliseconds(5), [&] { thread.stop(); });
  thread.run();
  EXPECT_EQ(writable_calls, 2);
  thread.poller().unwatch(pair.server);
}

// Both sockets are ready in one turn; whichever handler runs first unwatches and destroys the
// other, and gives its descriptor number to a new watch. The stale event must reach nobody.
TEST(Poller, unwatching_inside_a_callback_silences_events_of_the_same_turn) {
  LoopThread thread("test");
  Pair one = connected(), two = connected();
  int calls = 0, fresh_calls = 0;
  Pair reused;
  OnReady fresh([&](bool, bool) { fresh_calls++; });
  std::unique_ptr<OnReady> first, second;
  const auto drop = [&](Socket& socket, std::unique_ptr<OnReady>& handler) {
    const int fd = socket.fd();
    thread.poller().unwatch(socket);
    socket.close();
    handler.reset();
    reused = connected();
    EXPECT_TRUE(reused.server.fd() == fd || reused.client.fd() == fd);
    const Socket& same = reused.server.fd() == fd ? reused.server : reused.client;
    EXPECT_TRUE(thread.poller().watch(same, fresh, true, false));
    thread.loop().after(std::chrono::milliseconds(3), [&] { thread.stop(); });
  };
  first = std::make_unique<OnReady>([&](bool, bool) {
    calls++;
    thread.poller().unwatch(one.server);
    drop(two.server, second);
  });
  second = std::make_unique<OnReady>([&](bool, bool) {
    calls++;
    thread.poller().unwatch(two.server);
    drop(one.server, first);
  });
  ASSERT_TRUE(thread.poller().watch(one.server, *first, true, false));
  ASSERT_TRUE(thread.poller().watch(two.server, *second, true, false));
  EXPECT_TRUE(one.client.send("x") && two.client.send("x"));
  thread.run();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(fresh_calls, 0);
}

}  // namespace
}  // namespace penstock::runtime
