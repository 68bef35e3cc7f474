#include "objects/s3/session.h"

#include <curl/curl.h>

#include <algorithm>

#include <fmt/format.h>

namespace penstock::objects::s3 {
namespace {

constexpr size_t kIdleMax = 16;
constexpr int64_t kConnectMs = 5000;
constexpr int64_t kMillion = 1'000'000;

struct Incoming {
  Answer& answer;
  size_t max;
};

size_t on_body(char* data, size_t size, size_t count, void* user) {
  auto* in = static_cast<Incoming*>(user);
  if (in->answer.body.size() + size * count > in->max) return 0;
  in->answer.body.append(data, size * count);
  return size * count;
}

size_t on_header(char* data, size_t size, size_t count, void* user) {
  auto* in = static_cast<Incoming*>(user);
  const std::string_view line(data, size * count);
  const size_t colon = line.find(':');
  if (line.starts_with("HTTP/")) in->answer.headers.clear();  // after a "100 Continue"
  if (colon == std::string_view::npos || in->answer.headers.size() > 100) return line.size();
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  value = value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
  in->answer.headers[std::move(name)] = value;
  return line.size();
}

struct Outgoing {
  std::string_view whole, left;
};

size_t on_read(char* out, size_t size, size_t count, void* user) {
  auto* from = static_cast<Outgoing*>(user);
  const size_t n = std::min(size * count, from->left.size());
  from->left.copy(out, n);
  from->left.remove_prefix(n);
  return n;
}

/// A kept connection may turn out to be closed; then the body is sent from its beginning again.
int on_seek(void* user, curl_off_t at, int origin) {
  auto* from = static_cast<Outgoing*>(user);
  if (origin != SEEK_SET || at < 0 || static_cast<size_t>(at) > from->whole.size()) {
    return CURL_SEEKFUNC_FAIL;
  }
  from->left = from->whole.substr(static_cast<size_t>(at));
  return CURL_SEEKFUNC_OK;
}

bool never_arrived(CURLcode code) {
  return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
         code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR ||
         code == CURLE_PEER_FAILED_VERIFICATION;
}

}  // namespace

struct Session::Handle {
  Handle() : curl(curl_easy_init()) {}
  ~Handle() { curl_easy_cleanup(curl); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  CURL* curl;
};

Session::Session(runtime::Clock& clock, const S3Options& options)
    : clock_(clock), options_(options) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)global;
  const size_t at = options.endpoint.find("://");
  scheme_ = options.endpoint.substr(0, at);
  host_ = options.endpoint.substr(at + 3);
  while (host_.ends_with('/')) host_.pop_back();
  if (options.path_style) {
    base_path_ = "/" + encoded(options.bucket, false);
  } else {
    host_ = options.bucket + "." + host_;
  }
}

Session::~Session() = default;

std::unique_ptr<Session::Handle> Session::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto out = std::move(idle_.back());
      idle_.pop_back();
      return out;
    }
  }
  return std::make_unique<Handle>();
}

void Session::give(std::unique_ptr<Handle> handle) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(handle));
}

Result<Answer> Session::send(const Ask& ask, int64_t deadline_mono_ns) {
  const int64_t left_ms = (deadline_mono_ns - clock_.mono_ns()) / kMillion;
  if (left_ms <= 0) return fail(Code::kTimeout, "S3: no time is left");

  std::string path = base_path_ + "/" + encoded(ask.key, true);
  Headers headers = ask.headers;
  headers["host"] = host_;
  headers["x-amz-date"] = amz_date(clock_.wall_us());
  headers["x-amz-content-sha256"] = sha256_hex(ask.body);
  if (!options_.session_token.empty()) headers["x-amz-security-token"] = options_.session_token;
  const std::string authorized =
      authorization(ask.method, path, ask.query, headers,
                    {options_.access_key, options_.secret_key, options_.region});

  auto handle = take();
  CURL* curl = handle->curl;
  if (curl == nullptr) return fail(Code::kExhausted, "S3: the HTTP client did not start");
  curl_easy_reset(curl);  // keeps its connections
  curl_slist* list = curl_slist_append(nullptr, ("Authorization: " + authorized).c_str());
  for (const char* nothing : {"Expect:", "Accept:", "Content-Type:", "Transfer-Encoding:"}) {
    list = curl_slist_append(list, nothing);
  }
  for (const auto& [name, value] : headers) {
    list = curl_slist_append(list, (name + ": " + value).c_str());
  }
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> kept(list, curl_slist_free_all);
  std::string url = scheme_ + "://" + host_ + path;
  if (!ask.query.empty()) url += "?" + query_text(ask.query);

  Answer answer;
  Incoming incoming{answer, ask.answer_max};
  Outgoing outgoing{ask.body, ask.body};
  const bool has_body = ask.method == "PUT" || ask.method == "POST";
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(left_ms));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::min(left_ms, kConnectMs)));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &incoming);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &incoming);
  if (has_body) {
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(curl, CURLOPT_READDATA, &outgoing);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, &outgoing);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(ask.body.size()));
  }
  if (ask.method == "HEAD") curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  const std::string method(ask.method);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str());

  const CURLcode code = curl_easy_perform(curl);
  long status = 0, sent = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent);
  answer.status = static_cast<int>(status);
  if (code == CURLE_OK) {
    give(std::move(handle));
    return answer;
  }
  // A connection that failed is not used again.
  const std::string why = fmt::format("S3: {}", curl_easy_strerror(code));
  if (code == CURLE_WRITE_ERROR) return fail(Code::kCorrupt, "S3: the answer is larger than asked");
  if (never_arrived(code)) return fail(Code::kUnavailable, why);
  if (ask.changes && sent > 0) return fail(Code::kMaybe, why);
  return fail(code == CURLE_OPERATION_TIMEDOUT ? Code::kTimeout : Code::kUnavailable, why);
}

}  // namespace penstock::objects::s3
