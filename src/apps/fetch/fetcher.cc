#include "apps/fetcher.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <unordered_map>

namespace penstock::apps {
namespace {

constexpr int64_t kConnectMs = 10'000;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.remove_suffix(1);
  }
  return text;
}

const std::vector<runtime::IpRange>& near_ranges() {
  // RFC 6890 and its successors: this host, private networks, link-local (where clouds keep their
  // credentials), carriers' NAT, documentation, benchmarks, multicast, and the ways that IPv6 has
  // of writing an IPv4 address.
  static const auto ranges = runtime::parse_ip_ranges(
      "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, "
      "192.0.0.0/24, 192.0.2.0/24, 192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, "
      "198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/4, 240.0.0.0/4, ::/96, 64:ff9b::/96, "
      "64:ff9b:1::/48, 100::/64, 2001::/23, 2001:db8::/32, 2002::/16, fc00::/7, fe80::/10, "
      "fec0::/10, ff00::/8");
  return *ranges;
}

runtime::IpAddress address_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    std::array<uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in&>(address).sin_addr, 4);
    return runtime::IpAddress::v4(bytes);
  }
  std::array<uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, 16);
  return runtime::IpAddress::v6(bytes);
}

struct Part {
  std::string scheme, host, url;
};

/// What curl itself makes of a URL, so that what is checked is what is asked.
Result<Part> parts_of(const std::string& url, const std::string& base) {
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), curl_url_cleanup);
  if (!base.empty() && curl_url_set(parsed.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK) {
    return fail(Code::kInvalid, "only absolute URLs are supported");
  }
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return fail(Code::kInvalid, "only absolute URLs are supported");
  }
  const auto get = [&](CURLUPart part) {
    char* text = nullptr;
    std::string out;
    if (curl_url_get(parsed.get(), part, &text, 0) == CURLUE_OK) out = text;
    curl_free(text);
    return out;
  };
  Part out{lower(get(CURLUPART_SCHEME)), lower(get(CURLUPART_HOST)), get(CURLUPART_URL)};
  if (out.scheme != "http" && out.scheme != "https") {
    return fail(Code::kInvalid, "only HTTP(S) protocols are supported");
  }
  return out;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

class CurlFetcher;

struct Transfer {
  CurlFetcher* owner = nullptr;
  CURL* easy = nullptr;
  curl_slist* header_list = nullptr;
  FetchRequest request;
  FetchDone done;
  FetchAnswer answer;
  std::string host, location;
  int64_t deadline_ns = 0;
  int redirects = 0;
  bool allowed = false;  // its host, by name
  bool denied = false, too_large = false;
};

class CurlFetcher : public Fetcher {
 public:
  CurlFetcher(runtime::Loop& loop, runtime::Poller& poller, AllowedHosts allowed,
              FetchLimits limits)
      : loop_(loop), poller_(poller), allowed_(std::move(allowed)), limits_(limits) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi_ = curl_multi_init();
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  }

  ~CurlFetcher() override {
    for (auto& [easy, transfer] : transfers_) {
      curl_multi_remove_handle(multi_, easy);
      curl_slist_free_all(transfer->header_list);
      curl_easy_cleanup(easy);
    }
    transfers_.clear();
    curl_multi_cleanup(multi_);
    if (timer_ != 0) loop_.cancel(timer_);
    for (auto& [fd, watched] : sockets_) poller_.unwatch(*watched->socket);
    for (auto& [fd, watched] : sockets_) watched->socket->release();
  }

  void fetch(FetchRequest request, FetchDone done) override {
    if (transfers_.size() >= limits_.under_way_max) {
      return refuse(std::move(done), {Code::kBusy, "too many requests are under way"});
    }
    auto transfer = std::make_unique<Transfer>();
    transfer->owner = this;
    transfer->request = std::move(request);
    transfer->done = std::move(done);
    if (auto begun = begin(*transfer, transfer->request.url, ""); !begun) {
      return refuse(std::move(transfer->done), begun.error());
    }
    add(std::move(transfer));
  }

 private:
  struct Watched : public runtime::SocketHandler {
    CurlFetcher* owner = nullptr;
    std::unique_ptr<runtime::Socket> socket;
    void on_ready(bool readable, bool writable) override {
      const int events = (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0);
      owner->act(socket->fd(), events);
    }
  };

  void refuse(FetchDone done, Error error) {
    loop_.post([done = std::move(done), error = std::move(error)]() mutable {
      done(std::unexpected(std::move(error)));
    });
  }

  Status begin(Transfer& transfer, const std::string& url, const std::string& base) {
    PENSTOCK_TRY(const Part part, parts_of(url, base));
    if (!base.empty() && part.host != transfer.host) {
      // What was meant for one host is not told to another.
      std::erase_if(transfer.request.headers, [](const auto& header) {
        const std::string name = lower(header.first);
        return name == "authorization" || name == "cookie" || name == "proxy-authorization";
      });
    }
    transfer.host = part.host;
    transfer.allowed = std::ranges::find(allowed_.names, part.host) != allowed_.names.end();
    transfer.answer.url = part.url;
    return {};
  }

  void add(std::unique_ptr<Transfer> transfer) {
    Transfer& t = *transfer;
    t.easy = curl_easy_init();
    CURL* easy = t.easy;
    const auto set = [easy](CURLoption option, auto value) {
      curl_easy_setopt(easy, option, value);
    };
    set(CURLOPT_URL, t.answer.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_PROXY, "");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_ACCEPT_ENCODING, "");
    set(CURLOPT_CUSTOMREQUEST, t.request.method.c_str());
    if (!t.request.body.empty()) {
      set(CURLOPT_POSTFIELDS, t.request.body.data());
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(t.request.body.size()));
    } else if (t.request.method == "POST" || t.request.method == "PUT") {
      set(CURLOPT_POSTFIELDS, "");
      set(CURLOPT_POSTFIELDSIZE, 0L);
    }
    if (t.request.method == "HEAD") set(CURLOPT_NOBODY, 1L);
    set_headers(t);
    const int64_t ms =
        t.request.timeout_ms > 0 ? std::min(t.request.timeout_ms, limits_.ms_max) : limits_.ms_max;
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(ms));
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(ms, kConnectMs)));
    set(CURLOPT_WRITEFUNCTION, on_body);
    set(CURLOPT_WRITEDATA, &t);
    set(CURLOPT_HEADERFUNCTION, on_header);
    set(CURLOPT_HEADERDATA, &t);
    set(CURLOPT_OPENSOCKETFUNCTION, on_open);
    set(CURLOPT_OPENSOCKETDATA, &t);
    // A kept connection was opened for another app's request, whose host was perhaps allowed.
    set(CURLOPT_FORBID_REUSE, 1L);
    set(CURLOPT_FRESH_CONNECT, 1L);
    set(CURLOPT_PRIVATE, &t);
    transfers_[easy] = std::move(transfer);
    curl_multi_add_handle(multi_, easy);
  }

  static void set_headers(Transfer& t) {
    curl_slist_free_all(std::exchange(t.header_list, nullptr));
    bool agent = false, expect = false;
    for (const auto& [name, value] : t.request.headers) {
      if (name.find_first_of("\r\n:") != std::string::npos ||
          value.find_first_of("\r\n") != std::string::npos) {
        continue;
      }
      const std::string key = lower(name);
      agent = agent || key == "user-agent";
      expect = expect || key == "expect";
      if (key == "host" || key == "content-length" || key == "transfer-encoding") continue;
      const std::string line = name + (value.empty() ? ";" : ": " + value);
      t.header_list = curl_slist_append(t.header_list, line.c_str());
    }
    if (!agent) t.header_list = curl_slist_append(t.header_list, "User-Agent: Penstock-apps");
    if (!expect) t.header_list = curl_slist_append(t.header_list, "Expect:");
    curl_easy_setopt(t.easy, CURLOPT_HTTPHEADER, t.header_list);
  }

  bool may_reach(Transfer& transfer, const sockaddr& address) {
    if (address.sa_family != AF_INET && address.sa_family != AF_INET6) return false;
    if (transfer.allowed) return true;
    const runtime::IpAddress ip = address_of(address);
    return is_public(ip) || runtime::contains(allowed_.ranges, ip);
  }

  static curl_socket_t on_open(void* data, curlsocktype, curl_sockaddr* address) {
    auto* transfer = static_cast<Transfer*>(data);
    if (!transfer->owner->may_reach(*transfer, address->addr)) {
      transfer->denied = true;
      return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }

  static size_t on_body(char* data, size_t size, size_t count, void* opaque) {
    auto* transfer = static_cast<Transfer*>(opaque);
    const size_t bytes = size * count;
    if (transfer->answer.body.size() + bytes > transfer->owner->limits_.bytes_max) {
      transfer->too_large = true;
      return 0;
    }
    transfer->answer.body.append(data, bytes);
    return bytes;
  }

  static size_t on_header(char* data, size_t size, size_t count, void* opaque) {
    auto* transfer = static_cast<Transfer*>(opaque);
    const std::string_view line = trimmed({data, size * count});
    if (line.starts_with("HTTP/")) {
      transfer->answer.headers.clear();
      transfer->location.clear();
      const size_t code = line.find(' ');
      const size_t text = code == std::string_view::npos ? code : line.find(' ', code + 1);
      transfer->answer.status_text =
          text == std::string_view::npos ? "" : std::string(line.substr(text + 1));
    } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
      std::string name = lower(line.substr(0, colon));
      std::string value(trimmed(line.substr(colon + 1)));
      if (name == "location") transfer->location = value;
      if (transfer->answer.headers.size() < 200) {
        transfer->answer.headers.emplace_back(std::move(name), std::move(value));
      }
    }
    return size * count;
  }

  static int on_socket(CURL*, curl_socket_t fd, int what, void* opaque, void*) {
    auto* self = static_cast<CurlFetcher*>(opaque);
    const auto found = self->sockets_.find(fd);
    if (what == CURL_POLL_REMOVE) {
      if (found == self->sockets_.end()) return 0;
      self->poller_.unwatch(*found->second->socket);
      found->second->socket->release();  // curl closes it
      self->gone_.push_back(std::move(found->second));
      self->sockets_.erase(found);
      return 0;
    }
    const bool read = (what & CURL_POLL_IN) != 0, write = (what & CURL_POLL_OUT) != 0;
    if (found != self->sockets_.end()) {
      self->poller_.change(*found->second->socket, *found->second, read, write);
      return 0;
    }
    auto watched = std::make_unique<Watched>();
    watched->owner = self;
    watched->socket = std::make_unique<runtime::Socket>(fd);
    if (!self->poller_.watch(*watched->socket, *watched, read, write)) {
      watched->socket->release();
      return -1;
    }
    self->sockets_[fd] = std::move(watched);
    return 0;
  }

  static int on_timer(CURLM*, long ms, void* opaque) {
    auto* self = static_cast<CurlFetcher*>(opaque);
    if (self->timer_ != 0) self->loop_.cancel(std::exchange(self->timer_, 0));
    if (ms < 0) return 0;
    self->timer_ = self->loop_.after(std::chrono::milliseconds(ms), [self] {
      self->timer_ = 0;
      self->act(CURL_SOCKET_TIMEOUT, 0);
    });
    return 0;
  }

  void act(curl_socket_t fd, int events) {
    int running = 0;
    curl_multi_socket_action(multi_, fd, events, &running);
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg == CURLMSG_DONE) finish(message->easy_handle, message->data.result);
    }
    // Their handlers may be on the stack until the loop's next turn.
    if (!gone_.empty()) loop_.post([gone = std::move(gone_)] {});
    gone_.clear();
  }

  void finish(CURL* easy, CURLcode code) {
    const auto found = transfers_.find(easy);
    std::unique_ptr<Transfer> transfer = std::move(found->second);
    transfers_.erase(found);
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    transfer->answer.status = static_cast<int>(status);
    curl_multi_remove_handle(multi_, easy);
    curl_slist_free_all(std::exchange(transfer->header_list, nullptr));
    curl_easy_cleanup(easy);
    if (code != CURLE_OK) return transfer->done(std::unexpected(error_of(*transfer, code)));
    FetchRequest& request = transfer->request;
    if (!is_redirect(transfer->answer.status) || transfer->location.empty() ||
        (!request.follow && !request.refuse)) {
      return transfer->done(std::move(transfer->answer));
    }
    if (request.refuse) {
      return transfer->done(fail(Code::kUnavailable, "the answer is a redirect"));
    }
    if (++transfer->redirects > request.redirects_max) {
      return transfer->done(fail(Code::kUnavailable, "maximum redirect reached"));
    }
    follow(std::move(transfer));
  }

  /// As browsers and node-fetch do: only 307 and 308 keep method and body.
  void follow(std::unique_ptr<Transfer> transfer) {
    const int status = transfer->answer.status;
    FetchRequest& request = transfer->request;
    if (status == 303 || (status < 303 && request.method == "POST")) {
      request.method = "GET";
      request.body.clear();
      std::erase_if(request.headers,
                    [](const auto& h) { return lower(h.first).starts_with("content-"); });
    }
    const std::string base = transfer->answer.url;
    const std::string location = transfer->location;
    transfer->answer = {};
    transfer->answer.redirected = true;
    if (auto begun = begin(*transfer, location, base); !begun) {
      return transfer->done(std::unexpected(begun.error()));
    }
    add(std::move(transfer));
  }

  static Error error_of(const Transfer& transfer, CURLcode code) {
    if (transfer.denied) {
      return {Code::kDenied, "the host " + transfer.host + " has a private address"};
    }
    if (transfer.too_large) return {Code::kExhausted, "the answer is too large"};
    if (code == CURLE_OPERATION_TIMEDOUT) return {Code::kTimeout, "network timeout"};
    return {Code::kUnavailable, std::string("request failed: ") + curl_easy_strerror(code)};
  }

  runtime::Loop& loop_;
  runtime::Poller& poller_;
  AllowedHosts allowed_;
  FetchLimits limits_;
  CURLM* multi_ = nullptr;
  runtime::TimerId timer_ = 0;
  std::unordered_map<CURL*, std::unique_ptr<Transfer>> transfers_;
  std::unordered_map<curl_socket_t, std::unique_ptr<Watched>> sockets_;
  std::vector<std::unique_ptr<Watched>> gone_;
};

}  // namespace

bool is_public(const runtime::IpAddress& address) {
  return !runtime::contains(near_ranges(), address);
}

Result<AllowedHosts> AllowedHosts::parse(std::string_view text) {
  AllowedHosts out;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string item(trimmed(text.substr(0, comma)));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (item.empty()) continue;
    if (auto range = runtime::IpRange::parse(item)) {
      out.ranges.push_back(*range);
    } else if (item.find('/') != std::string::npos || item.find(' ') != std::string::npos) {
      return fail(Code::kInvalid, range.error().message);
    } else {
      out.names.push_back(lower(item));
    }
  }
  return out;
}

std::unique_ptr<Fetcher> Fetcher::make(runtime::Loop& loop, runtime::Poller& poller,
                                       AllowedHosts allowed, FetchLimits limits) {
  return std::make_unique<CurlFetcher>(loop, poller, std::move(allowed), limits);
}

}  // namespace penstock::apps
