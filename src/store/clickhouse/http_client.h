// HttpClient: HTTP requests to a ClickHouse server, many at a time, each with a deadline.
//
// An adapter of libcurl with a thread of its own, so that a server that stands still holds back
// nothing here. Calls come from the home loop and callbacks run on it. It repeats nothing.
// Connections are kept. Environment variables that name a proxy do not count: a database is not
// reached through one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/runtime.h"

namespace penstock::store::clickhouse {

struct HttpOptions {
  std::string user, password;  // never in a message or a log
  std::string ca_file;         // PEM; empty: the system's
  int64_t connect_ms = 3000;
};

struct HttpAsk {
  std::string url;  // of the server: scheme, host, port
  std::vector<std::pair<std::string, std::string>> params{};
  std::shared_ptr<const std::string> body{};  // POST; empty text when null
  std::string encoding{};                     // of the body: "", "lz4", "zstd"
  int64_t within_ms = 5000;
  size_t answer_max = 1U << 20;  // more is kExhausted
  bool changes = false;          // whether a lost answer leaves something unknown
};

struct HttpAnswer {
  int status = 0;
  std::string body;
  std::map<std::string, std::string> headers;  // names in lower case

  std::string_view header(const std::string& name) const {
    const auto at = headers.find(name);
    return at == headers.end() ? std::string_view() : std::string_view(at->second);
  }
};

using HttpDone = std::move_only_function<void(Result<HttpAnswer>)>;

class HttpClient {
 public:
  HttpClient(runtime::Loop& home, HttpOptions options);
  /// Requests under way are answered kMaybe or kCancelled.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Any status is an answer. kUnavailable: it never arrived; kMaybe: it `changes` and what became
  /// of it is unknown; kTimeout: it does not, and time is over; kDenied: the other side's
  /// certificate is not to be trusted. Answers the request's id, for `cancel`.
  uint64_t ask(HttpAsk ask, HttpDone done);
  /// Its callback gets kCancelled now; unknown ids are ignored.
  void cancel(uint64_t id);
  size_t under_way() const { return waiting_.size(); }

 private:
  class Worker;
  struct Waiting {
    HttpDone done;
    bool changes = false;
  };
  void answered(uint64_t id, Result<HttpAnswer> answer);

  runtime::Loop& home_;
  uint64_t next_id_ = 1;
  std::unordered_map<uint64_t, Waiting> waiting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<Worker> worker_;
};

/// As in a URL's query.
std::string percent_encoded(std::string_view text);

}  // namespace penstock::store::clickhouse
