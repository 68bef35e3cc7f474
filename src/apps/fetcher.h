// Fetcher: HTTP for apps, which may reach the internet and nothing near us.
//
// An adapter of libcurl on the loop's poller. A host's name is resolved once and the address that
// is connected to is the one that was looked at: what is private, loopback, link-local or otherwise
// not public is refused unless allowed, at every redirect again, whatever the name says and however
// it resolves the next time. Bodies, times, redirects and the number under way are bounded. No
// cookies, no proxy, no credentials but those of the request. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/ip_range.h"
#include "runtime/net.h"
#include "runtime/runtime.h"

namespace penstock::apps {

struct FetchRequest {
  std::string url{}, method = "GET", body{};
  std::vector<std::pair<std::string, std::string>> headers{};
  bool follow = true;   // redirects
  bool refuse = false;  // a redirect is an error
  int redirects_max = 20;
  int64_t timeout_ms = 0;  // 0: the fetcher's
};

struct FetchAnswer {
  int status = 0;
  std::string status_text, url, body;  // url: of the last redirect
  std::vector<std::pair<std::string, std::string>> headers;
  bool redirected = false;
};
using FetchDone = std::move_only_function<void(Result<FetchAnswer>)>;

struct FetchLimits {
  int64_t ms_max = 30'000;
  uint64_t bytes_max = 16U << 20;
  size_t under_way_max = 500;
};

/// Whom apps may reach although it is private.
struct AllowedHosts {
  std::vector<runtime::IpRange> ranges;
  std::vector<std::string> names;  // lower case

  /// "10.1.0.0/16, internal.example, localhost". kInvalid says what is wrong.
  static Result<AllowedHosts> parse(std::string_view text);
};

/// Whether an address is one of the internet's at large.
bool is_public(const runtime::IpAddress& address);

class Fetcher {
 public:
  static std::unique_ptr<Fetcher> make(runtime::Loop& loop, runtime::Poller& poller,
                                       AllowedHosts allowed, FetchLimits limits);
  virtual ~Fetcher() = default;
  /// Answers kDenied for what may not be reached, kTimeout, kExhausted for too large an answer,
  /// kBusy, kUnavailable for the rest, kInvalid for what is no HTTP URL.
  virtual void fetch(FetchRequest request, FetchDone done) = 0;
};

}  // namespace penstock::apps
