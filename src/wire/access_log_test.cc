// Goal: a line says what happened and nothing that must stay secret; the file is rotated by size;
// what does not fit is dropped and counted, never waited for. Real files, a real server.
#include "wire/access_log.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "wire/metrics.h"
#include "wire/testing/server_fixture.h"

namespace penstock::wire {
namespace {

using ::testing::HasSubstr;
using testing::kPost;

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string access_line(const AccessEntry& entry) {
  std::string out;
  append_access_line(out, entry);
  return out;
}

TEST(AccessLine, has_its_fields_in_order) {
  EXPECT_EQ(access_line({1'764'064'800'000'042, "POST", "/i/v0/e/", 200, 431, 88, 1204, "::1"}),
            "2025-11-25T10:00:00.000042Z POST /i/v0/e/ 200 431 88 1204 ::1\n");
  EXPECT_EQ(access_line({}), "1970-01-01T00:00:00.000000Z - - 0 0 0 0 -\n");
}

TEST(AccessLine, never_has_a_query_a_key_or_a_byte_that_breaks_it) {
  const auto path_of = [](std::string_view path) {
    const std::string line = access_line({0, "GET", path, 200, 0, 0, 0, ""});
    const std::string rest = line.substr(line.find("GET ") + 4);
    EXPECT_EQ(std::count(line.begin(), line.end(), ' '), 7) << line;
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    return rest.substr(0, rest.find(' '));
  };
  EXPECT_EQ(path_of("/e/?data=secret"), "/e/");
  EXPECT_EQ(path_of("/array/old-token/config.js"), "/array/*/config.js");
  EXPECT_EQ(path_of("/x/array/tok"), "/x/array/*");
  EXPECT_EQ(path_of("/a/phc_abc123/b"), "/a/*/b");
  EXPECT_EQ(path_of("/phx_secret"), "/*");
  EXPECT_EQ(path_of("/i/x=phc_abc123/e"), "/i/*/e");
  EXPECT_EQ(path_of("/a b\x01\n\x80\x7f"), "/a%20b%01%0A%80%7F");
  EXPECT_EQ(path_of("/phone/ph/photo_1/graph_"), "/phone/ph/photo_1/graph_");
  EXPECT_LT(path_of("/" + std::string(5000, 'a')).size(), 301U);
}

class AccessLogTest : public testing::ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    std::string path = "/tmp/penstock-access-XXXXXX";
    folder = ::mkdtemp(path.data());
    options.path = folder + "/access.log";
    options.write_every_ms = 1;
  }
  void TearDown() override {
    if (server) ServerTest::TearDown();
    std::filesystem::remove_all(folder);
  }
  /// Opens the log, then starts the server with it.
  void start_with_log() {
    thread.start();
    run([&] { log = *AccessLog::open(thread.loop(), *runtime, options); });
    edge.access_log = log;
    run([this] {
      server = std::move(*Server::start(thread.loop(), thread.poller(), *runtime, {"127.0.0.1", 0},
                                        false, limits, echo, edge));
    });
  }
  std::string closed_log() {
    run([this] { log->close(); });
    return text_of(options.path);
  }
  std::string folder;
  AccessLogOptions options;
  std::shared_ptr<AccessLog> log;
};

TEST_F(AccessLogTest, every_request_gets_its_line) {
  start_with_log();
  EXPECT_THAT(once("POST /a?key=hidden HTTP/1.1\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
                   "hello"),
              HasSubstr("200 OK"));
  EXPECT_THAT(once("GET /stream HTTP/1.1\r\nConnection: close\r\n\r\n"), HasSubstr("piece2"));
  EXPECT_THAT(once("GET /drop HTTP/1.1\r\nConnection: close\r\n\r\n"), HasSubstr("500"));
  EXPECT_THAT(once("NONSENSE\r\n\r\n"), HasSubstr("400"));
  const int gone = connect();
  write(gone, "GET /hold HTTP/1.1\r\n\r\n");
  for (size_t held = 0; held == 0;) run([&] { held = echo.held.size(); });
  const linger reset{1, 0};
  ::setsockopt(gone, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  ::close(gone);
  for (uint64_t open = 1; open > 0;) run([&] { open = server->stats().connections; });
  run([this] {
    echo.held.clear();
    server.reset();
  });
  const std::string all = closed_log();
  EXPECT_THAT(all, HasSubstr(" POST /a 200 5 "));
  EXPECT_THAT(all, HasSubstr(" GET /stream 200 0 21 "));
  EXPECT_THAT(all, HasSubstr(" GET /drop 500 0 "));
  EXPECT_THAT(all, HasSubstr(" - - 400 0 "));
  EXPECT_THAT(all, HasSubstr(" GET /hold 0 0 0 "));
  EXPECT_EQ(all.find("hidden"), std::string::npos);
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 5);
  EXPECT_EQ(all.find("127.0.0.1") == std::string::npos, false);
}

TEST_F(AccessLogTest, it_goes_on_where_it_stopped_and_is_rotated_by_size) {
  { std::ofstream(options.path) << "from before\n"; }
  options.file_bytes_max = 400;
  options.files_max = 2;
  start_with_log();
  const AccessEntry entry{0, "POST", "/batch/", 200, 1, 2, 3, "127.0.0.1"};
  for (int i = 0; i < 40; i++) {
    log->add(access_line(entry));
    if (i % 4 == 3) run([] {});  // the writer has its turns
    const size_t before = text_of(options.path).size();
    for (int k = 0; i % 4 == 3 && k < 10'000 && text_of(options.path).size() == before; k++) {
      run([] {});
    }
  }
  closed_log();
  EXPECT_LE(std::filesystem::file_size(options.path), 400U);
  EXPECT_LE(std::filesystem::file_size(options.path + ".1"), 400U);
  EXPECT_TRUE(std::filesystem::exists(options.path + ".2"));
  EXPECT_LE(std::filesystem::file_size(options.path + ".2"), 400U);
  EXPECT_FALSE(std::filesystem::exists(options.path + ".3"));
}

TEST_F(AccessLogTest, lines_beyond_the_buffer_and_lines_after_the_end_are_dropped_and_counted) {
  options.buffer_bytes_max = 300;
  options.write_every_ms = 3'600'000;
  start_with_log();
  const uint64_t before = metrics().access_lines_dropped.value();
  const AccessEntry entry{0, "POST", "/batch/", 200, 1, 2, 3, "127.0.0.1"};
  const size_t fit = 300 / access_line(entry).size();
  std::string lines;
  for (int i = 0; i < 50; i++) lines += access_line(entry);
  log->add(lines);
  for (int i = 50; i < 100; i++) log->add(access_line(entry));
  EXPECT_EQ(metrics().access_lines_dropped.value(), before + 100 - fit);
  const std::string all = closed_log();
  EXPECT_EQ(static_cast<size_t>(std::count(all.begin(), all.end(), '\n')), fit);
  log->add(access_line(entry));
  EXPECT_EQ(metrics().access_lines_dropped.value(), before + 101 - fit);
}

TEST_F(AccessLogTest, a_path_that_cannot_be_written_is_an_error_at_start) {
  options.path = folder + "/nowhere/access.log";
  thread.start();
  Status outcome;
  run([&] {
    if (const auto opened = AccessLog::open(thread.loop(), *runtime, options); !opened) {
      outcome = std::unexpected(opened.error());
    }
  });
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().message, HasSubstr("nowhere"));
  thread.stop();
  thread.join();
}

}  // namespace
}  // namespace penstock::wire
