// Session: sends signed requests to one bucket and answers what came back.
//
// An adapter of libcurl. Blocks; any thread. Connections are kept, a handful, and shared.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "objects/s3/sign.h"
#include "objects/s3_objects.h"

namespace penstock::objects::s3 {

struct Ask {
  std::string_view method;
  std::string key;  // below the bucket, prefix included; empty: the bucket itself
  Query query{};
  Headers headers{};  // beside those that every request has
  std::string_view body{};
  size_t answer_max = 1U << 20;  // more is an error
  bool changes = false;          // whether a lost answer leaves something unknown
};

struct Answer {
  int status = 0;
  std::string body;
  Headers headers;

  std::string_view header(const std::string& name) const {
    const auto at = headers.find(name);
    return at == headers.end() ? std::string_view() : std::string_view(at->second);
  }
};

class Session {
 public:
  Session(runtime::Clock& clock, const S3Options& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Any status is an answer. kUnavailable: it never arrived; kTimeout: it was not sent in time;
  /// kMaybe: it was sent, and what became of it is unknown.
  Result<Answer> send(const Ask& ask, int64_t deadline_mono_ns);

 private:
  struct Handle;
  std::unique_ptr<Handle> take();
  void give(std::unique_ptr<Handle> handle);

  runtime::Clock& clock_;
  const S3Options& options_;
  std::string host_, base_path_, scheme_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Handle>> idle_;
};

}  // namespace penstock::objects::s3
