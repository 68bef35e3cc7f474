// Goal: HTTP over TLS behaves as HTTP does, whatever the client does to the handshake; renewed
// files are taken over without touching open connections, and bad ones are left alone. Real
// sockets, certificates made on the spot, clients are OpenSSL's own.
#include "wire/tls.h"

#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <filesystem>

#include "wire/metrics.h"
#include "wire/testing/certificate.h"
#include "wire/testing/server_fixture.h"

namespace penstock::wire {
namespace {

using ::testing::HasSubstr;
using testing::kPost;
using testing::make_certificate;
using testing::Pem;

/// A blocking client; `ok` says whether the handshake succeeded.
class Client {
 public:
  explicit Client(int fd, int version_max = TLS1_3_VERSION, std::string_view alpn = {},
                  SSL_SESSION* resume = nullptr)
      : fd_(fd), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_, version_max);
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd);
    if (!alpn.empty()) {
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(alpn.data()),
                          static_cast<unsigned>(alpn.size()));
    }
    if (resume != nullptr) SSL_set_session(ssl_, resume);
    ok = SSL_connect(ssl_) == 1;
  }
  ~Client() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    ::close(fd_);
    ERR_clear_error();
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void write(std::string_view text) {
    EXPECT_EQ(SSL_write(ssl_, text.data(), static_cast<int>(text.size())),
              static_cast<int>(text.size()));
  }
  std::string read(std::string_view until) {
    std::string out;
    std::array<char, 65536> buffer{};
    while (until.empty() || out.find(until) == std::string::npos) {
      const int n = SSL_read(ssl_, buffer.data(), static_cast<int>(buffer.size()));
      if (n <= 0) {
        ended_cleanly = SSL_get_error(ssl_, n) == SSL_ERROR_ZERO_RETURN;
        break;
      }
      out.append(buffer.data(), static_cast<size_t>(n));
    }
    return out;
  }
  std::string subject() {
    X509* peer = SSL_get1_peer_certificate(ssl_);
    std::array<char, 256> text{};
    X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, text.data(),
                              static_cast<int>(text.size()));
    X509_free(peer);
    return text.data();
  }
  SSL* ssl() { return ssl_; }
  bool ok = false, ended_cleanly = false;

 private:
  int fd_;
  SSL_CTX* context_;
  SSL* ssl_;
};

class TlsServer : public testing::ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    const Pem pem = make_certificate("first");
    auto made = TlsIdentity::make(pem.chain, pem.key);
    ASSERT_TRUE(made) << made.error().message;
    identity = *made;
    edge.tls = identity;
  }
  std::shared_ptr<TlsIdentity> identity;
};

TEST_F(TlsServer, answers_requests_in_both_versions_and_no_older_one) {
  start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Client client(connect(), version);
    ASSERT_TRUE(client.ok);
    EXPECT_EQ(SSL_version(client.ssl()), version);
    for (int i = 0; i < 100; i++) {
      client.write(kPost);
      ASSERT_THAT(client.read("hello"), HasSubstr("200 OK"));
    }
  }
  Client old(connect(), TLS1_1_VERSION);
  EXPECT_FALSE(old.ok);
}

TEST_F(TlsServer, large_bodies_and_answers_go_through_whole) {
  start();
  Client client(connect());
  ASSERT_TRUE(client.ok);
  const std::string body(9'000, 'x');
  client.write("POST /a HTTP/1.1\r\nContent-Length: 9000\r\n\r\n" + body);
  EXPECT_THAT(client.read(body), HasSubstr("200 OK"));
  client.write("GET /big HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string answer = client.read("");
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, 4U << 20);
  EXPECT_TRUE(client.ended_cleanly);  // a close_notify came before the end
}

TEST_F(TlsServer, streams_and_pipelined_requests_work) {
  start();
  Client client(connect());
  client.write("GET /one HTTP/1.1\r\n\r\nGET /two HTTP/1.1\r\n\r\nGET /stream HTTP/1.1\r\n\r\n");
  const std::string all = client.read("\r\n0\r\n\r\n");
  EXPECT_THAT(all, HasSubstr("GET /one"));
  EXPECT_THAT(all, HasSubstr("GET /two"));
  EXPECT_THAT(all, HasSubstr("piece2;"));
}

TEST_F(TlsServer, a_hello_in_single_bytes_is_understood) {
  start();
  // A client on memory, whose bytes go to the socket one by one.
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = SSL_new(context);
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, in, out);
  const int fd = connect();
  bool done = false;
  for (int round = 0; round < 20 && !done; round++) {
    done = SSL_connect(ssl) == 1;
    char* data = nullptr;
    const long n = BIO_get_mem_data(out, &data);
    for (long i = 0; i < n; i++) {
      write(fd, {data + i, 1});
      run([] {});
    }
    BIO_reset(out);
    if (done) break;
    std::array<char, 8192> buffer{};
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    ASSERT_GT(got, 0);
    BIO_write(in, buffer.data(), static_cast<int>(got));
  }
  EXPECT_TRUE(done);
  SSL_free(ssl);
  SSL_CTX_free(context);
  ::close(fd);
}

TEST_F(TlsServer, half_finished_and_false_handshakes_are_cut_and_counted) {
  start();
  const uint64_t failures = metrics().tls_handshake_failures.value();
  Client good(connect());
  ASSERT_TRUE(good.ok);
  EXPECT_EQ(once("GET / HTTP/1.1\r\n\r\n").find("HTTP"), std::string::npos);  // plain HTTP
  const int half = connect(), silent = connect();
  write(half, std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
  EXPECT_EQ(read(half, ""), "");    // the deadline
  EXPECT_EQ(read(silent, ""), "");  // the same, with nothing begun and so nothing failed
  run([] {});
  EXPECT_EQ(metrics().tls_handshake_failures.value(), failures + 2);
  good.write(kPost);
  EXPECT_THAT(good.read("hello"), HasSubstr("200 OK"));
  ::close(half);
  ::close(silent);
}

TEST_F(TlsServer, protocol_is_http11_or_the_handshake_fails) {
  start();
  const std::string_view both("\x02h2\x08http/1.1", 12), h2("\x02h2", 3);
  Client client(connect(), TLS1_3_VERSION, both);
  ASSERT_TRUE(client.ok);
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(client.ssl(), &chosen, &size);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(chosen), size), "http/1.1");
  Client stranger(connect(), TLS1_3_VERSION, h2);
  EXPECT_FALSE(stranger.ok);
}

TEST_F(TlsServer, sessions_resume_by_ticket) {
  start();
  Client first(connect());
  first.write(kPost);
  first.read("hello");
  SSL_SESSION* session = SSL_get1_session(first.ssl());
  Client second(connect(), TLS1_3_VERSION, {}, session);
  ASSERT_TRUE(second.ok);
  EXPECT_EQ(SSL_session_reused(second.ssl()), 1);
  SSL_SESSION_free(session);
}

TEST_F(TlsServer, a_close_notify_ends_the_connection_at_once) {
  start();
  Client client(connect());
  client.write(kPost);
  client.read("hello");
  SSL_shutdown(client.ssl());
  EXPECT_EQ(client.read(""), "");
  EXPECT_TRUE(client.ended_cleanly);
}

TEST_F(TlsServer, a_client_that_never_reads_is_cut_and_a_neighbour_is_served) {
  start();
  auto reader = std::make_unique<Client>(connect());
  for (int i = 0; i < 8; i++) reader->write("GET /big HTTP/1.1\r\n\r\n");
  Client good(connect());
  good.write(kPost);
  EXPECT_THAT(good.read("hello"), HasSubstr("200 OK"));
  for (;;) {
    uint64_t open = 0;
    run([&] { open = server->stats().connections; });
    if (open <= 1) break;
  }
}

TEST_F(TlsServer, a_proxy_header_comes_before_the_handshake) {
  edge.proxy_protocol = true;
  start();
  const int fd = connect();
  write(fd, "PROXY TCP4 1.2.3.4 5.6.7.8 4369 443\r\n");
  Client client(fd);
  ASSERT_TRUE(client.ok);
  client.write("GET /who HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.read("peer=1.2.3.4."), HasSubstr("peer=1.2.3.4."));
}

TEST_F(TlsServer, a_renewed_identity_is_for_new_connections_and_old_ones_go_on) {
  start();
  Client before(connect());
  EXPECT_EQ(before.subject(), "first");
  const Pem second = make_certificate("second"), other = make_certificate("other");
  EXPECT_FALSE(identity->renew(second.chain, other.key));
  EXPECT_FALSE(identity->renew("", second.key));
  EXPECT_FALSE(identity->renew(second.chain.substr(0, second.chain.size() / 2), second.key));
  EXPECT_EQ(Client(connect()).subject(), "first");
  ASSERT_TRUE(identity->renew(second.chain, second.key));
  EXPECT_EQ(Client(connect()).subject(), "second");
  before.write(kPost);
  EXPECT_THAT(before.read("hello"), HasSubstr("200 OK"));
}

TEST(TlsIdentity, says_what_cannot_be_used) {
  const Pem one = make_certificate("one"), two = make_certificate("two");
  const auto message = [](std::string_view chain, std::string_view key) {
    const auto made = TlsIdentity::make(chain, key);
    return made ? "" : made.error().message;
  };
  EXPECT_THAT(message("", one.key), HasSubstr("no PEM certificate"));
  EXPECT_THAT(message(one.chain, ""), HasSubstr("no PEM key"));
  EXPECT_THAT(message(one.chain, two.key), HasSubstr("does not belong"));
  EXPECT_THAT(message(one.chain + two.chain.substr(0, 200), one.key), HasSubstr("damaged"));
  EXPECT_EQ(message(one.chain + two.chain, one.key), "");
  EXPECT_EQ(message(one.chain, one.key).find("PRIVATE"), std::string::npos);
}

class TlsFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = "/tmp/penstock-tls-XXXXXX";
    folder = ::mkdtemp(path.data());
    thread.start();
  }
  void TearDown() override {
    run([this] { files.reset(); });
    thread.stop();
    thread.join();
    std::filesystem::remove_all(folder);
  }
  void run(std::function<void()> what) {
    std::promise<void> done;
    thread.loop().post([&] {
      what();
      done.set_value();
    });
    done.get_future().wait();
  }
  void put(const char* name, std::string_view text) {
    ASSERT_TRUE(runtime::write_file_atomic(runtime->files(), folder + name, text));
  }
  Status start() {
    Status outcome;
    run([&] {
      auto started =
          TlsFiles::start(thread.loop(), *runtime, folder + "/cert.pem", folder + "/key.pem", 5);
      if (!started) {
        outcome = std::unexpected(started.error());
      } else {
        files = std::move(*started);
      }
    });
    return outcome;
  }
  template <typename Check>
  void wait_until(Check check) {
    while (!check()) run([] {});
  }

  std::string folder;
  std::unique_ptr<runtime::Runtime> runtime = runtime::make_real_runtime({1, 16});
  runtime::LoopThread thread{"test"};
  std::unique_ptr<TlsFiles> files;
};

TEST_F(TlsFilesTest, a_start_without_usable_files_says_which_one) {
  const Pem pem = make_certificate("first");
  EXPECT_THAT(start().error().message, HasSubstr("cert.pem"));
  put("/cert.pem", pem.chain);
  EXPECT_THAT(start().error().message, HasSubstr("key.pem"));
  put("/key.pem", "nonsense");
  EXPECT_THAT(start().error().message, HasSubstr("no PEM key"));
  put("/key.pem", pem.key);
  EXPECT_TRUE(start());
}

TEST_F(TlsFilesTest, renewals_are_taken_and_bad_ones_counted_once) {
  const Pem first = make_certificate("first"), second = make_certificate("second");
  put("/cert.pem", first.chain);
  put("/key.pem", first.key);
  ASSERT_TRUE(start());
  const uint64_t taken = metrics().tls_renewals.value();
  const uint64_t failed = metrics().tls_renewal_failures.value();
  put("/cert.pem", second.chain);
  wait_until([&] { return metrics().tls_renewal_failures.value() == failed + 1; });
  put("/key.pem", second.key);
  wait_until([&] { return metrics().tls_renewals.value() == taken + 1; });
  ASSERT_TRUE(runtime->files().remove(folder + "/key.pem"));
  wait_until([&] { return metrics().tls_renewal_failures.value() == failed + 2; });
  put("/key.pem", second.key);
  wait_until([&] { return metrics().tls_renewals.value() == taken + 2; });
  EXPECT_EQ(metrics().tls_renewal_failures.value(), failed + 2);
}

}  // namespace
}  // namespace penstock::wire
