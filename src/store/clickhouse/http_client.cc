#include "store/clickhouse/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <thread>

namespace penstock::store::clickhouse {
namespace {

constexpr int kPollMs = 1000;  // it is woken before that for whatever happens
constexpr size_t kHeadersMax = 100;

size_t on_header(char* data, size_t size, size_t count, void* user) {
  auto* answer = static_cast<HttpAnswer*>(user);
  const std::string_view line(data, size * count);
  const size_t colon = line.find(':');
  if (line.starts_with("HTTP/")) answer->headers.clear();  // after a "100 Continue"
  if (colon == std::string_view::npos || answer->headers.size() > kHeadersMax) return line.size();
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  value = value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
  answer->headers[std::move(name)] = value;
  return line.size();
}

struct Transfer {
  uint64_t id = 0;
  HttpAsk ask;
  std::string url;
  HttpAnswer answer;
  CURL* curl = nullptr;
  curl_slist* headers = nullptr;

  Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
  }
};

size_t on_body(char* data, size_t size, size_t count, void* user) {
  auto* t = static_cast<Transfer*>(user);
  if (t->answer.body.size() + size * count > t->ask.answer_max) return 0;
  t->answer.body.append(data, size * count);
  return size * count;
}

Result<HttpAnswer> outcome(Transfer& t, CURLcode code) {
  long status = 0, sent = 0;
  curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(t.curl, CURLINFO_REQUEST_SIZE, &sent);
  t.answer.status = static_cast<int>(status);
  if (code == CURLE_OK) return std::move(t.answer);
  const std::string why = fmt::format("{}: {}", t.ask.url, curl_easy_strerror(code));
  if (code == CURLE_WRITE_ERROR) return fail(Code::kExhausted, "the answer is larger than asked");
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
    return fail(Code::kDenied, why);
  }
  if (sent == 0) return fail(Code::kUnavailable, why);
  if (t.ask.changes) return fail(Code::kMaybe, why);
  return fail(code == CURLE_OPERATION_TIMEDOUT ? Code::kTimeout : Code::kUnavailable, why);
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
      continue;
    }
    out += '%';
    out += kDigits[(static_cast<unsigned char>(c) >> 4) & 15];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

/// The thread and what libcurl keeps there. Other threads leave work and wake it.
class HttpClient::Worker {
 public:
  using Finished = std::function<void(uint64_t, Result<HttpAnswer>)>;

  Worker(HttpOptions options, Finished finished)
      : options_(std::move(options)), finished_(std::move(finished)) {
    static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
    (void)global;
    multi_ = curl_multi_init();
    thread_ = std::thread([this] { run(); });
  }

  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    for (auto& [id, transfer] : running_) curl_multi_remove_handle(multi_, transfer->curl);
    running_.clear();
    curl_multi_cleanup(multi_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void add(uint64_t id, HttpAsk ask) {
    auto transfer = std::make_unique<Transfer>();
    transfer->id = id;
    transfer->ask = std::move(ask);
    {
      const std::lock_guard lock(mutex_);
      added_.push_back(std::move(transfer));
    }
    curl_multi_wakeup(multi_);
  }

  void drop(uint64_t id) {
    {
      const std::lock_guard lock(mutex_);
      dropped_.push_back(id);
    }
    curl_multi_wakeup(multi_);
  }

 private:
  void run() {
    while (take_work()) {
      int count = 0;
      curl_multi_perform(multi_, &count);
      finish();
      curl_multi_poll(multi_, nullptr, 0, kPollMs, nullptr);
    }
  }

  bool take_work() {
    std::vector<std::unique_ptr<Transfer>> added;
    std::vector<uint64_t> dropped;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return false;
      added.swap(added_);
      dropped.swap(dropped_);
    }
    for (auto& transfer : added) begin(std::move(transfer));
    for (const uint64_t id : dropped) {
      const auto it = running_.find(id);
      if (it == running_.end()) continue;
      curl_multi_remove_handle(multi_, it->second->curl);
      running_.erase(it);
    }
    return true;
  }

  void begin(std::unique_ptr<Transfer> transfer) {
    Transfer& t = *transfer;
    t.curl = curl_easy_init();
    if (t.curl == nullptr) {
      return finished_(t.id, fail(Code::kExhausted, "the HTTP client did not start"));
    }
    t.url = t.ask.url + "/?";
    for (const auto& [name, value] : t.ask.params) {
      if (t.url.back() != '?') t.url += '&';
      t.url += name + "=" + percent_encoded(value);
    }
    const auto header = [&t](const std::string& line) {
      t.headers = curl_slist_append(t.headers, line.c_str());
    };
    header("X-ClickHouse-User: " + options_.user);
    if (!options_.password.empty()) header("X-ClickHouse-Key: " + options_.password);
    if (!t.ask.encoding.empty()) header("Content-Encoding: " + t.ask.encoding);
    for (const char* plain : {"Expect:", "Accept:", "Content-Type: application/octet-stream"}) {
      header(plain);
    }
    const std::string_view body = t.ask.body ? std::string_view(*t.ask.body) : "";
    curl_easy_setopt(t.curl, CURLOPT_PRIVATE, &t);
    curl_easy_setopt(t.curl, CURLOPT_URL, t.url.c_str());
    curl_easy_setopt(t.curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(t.curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(t.curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t.curl, CURLOPT_HTTPHEADER, t.headers);
    curl_easy_setopt(t.curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(t.curl, CURLOPT_TIMEOUT_MS, static_cast<long>(t.ask.within_ms));
    curl_easy_setopt(t.curl, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(std::min(t.ask.within_ms, options_.connect_ms)));
    curl_easy_setopt(t.curl, CURLOPT_POST, 1L);
    curl_easy_setopt(t.curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(t.curl, CURLOPT_POSTFIELDS, body.empty() ? "" : body.data());
    curl_easy_setopt(t.curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t.curl, CURLOPT_WRITEDATA, &t);
    curl_easy_setopt(t.curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t.curl, CURLOPT_HEADERDATA, &t.answer);
    if (!options_.ca_file.empty()) {
      curl_easy_setopt(t.curl, CURLOPT_CAINFO, options_.ca_file.c_str());
    }
    curl_multi_add_handle(multi_, t.curl);
    running_[t.id] = std::move(transfer);
  }

  void finish() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      Transfer* t = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
      finished_(t->id, outcome(*t, code));
      curl_multi_remove_handle(multi_, t->curl);
      running_.erase(t->id);
    }
  }

  const HttpOptions options_;
  const Finished finished_;
  CURLM* multi_ = nullptr;
  std::unordered_map<uint64_t, std::unique_ptr<Transfer>> running_;  // the thread's alone
  std::mutex mutex_;
  std::vector<std::unique_ptr<Transfer>> added_;
  std::vector<uint64_t> dropped_;
  bool stopping_ = false;
  std::thread thread_;
};

HttpClient::HttpClient(runtime::Loop& home, HttpOptions options)
    : home_(home),
      worker_(std::make_unique<Worker>(
          std::move(options), [this, alive = alive_](uint64_t id, Result<HttpAnswer> answer) {
            home_.post([this, alive, id, answer = std::move(answer)]() mutable {
              if (*alive) answered(id, std::move(answer));
            });
          })) {}

HttpClient::~HttpClient() {
  *alive_ = false;
  worker_.reset();
  for (auto& [id, waiting] : std::exchange(waiting_, {})) {
    waiting.done(fail(waiting.changes ? Code::kMaybe : Code::kCancelled, "the store has stopped"));
  }
}

uint64_t HttpClient::ask(HttpAsk ask, HttpDone done) {
  const uint64_t id = next_id_++;
  waiting_[id] = {std::move(done), ask.changes};
  worker_->add(id, std::move(ask));
  return id;
}

void HttpClient::cancel(uint64_t id) {
  const auto it = waiting_.find(id);
  if (it == waiting_.end()) return;
  HttpDone done = std::move(it->second.done);
  waiting_.erase(it);
  worker_->drop(id);
  done(fail(Code::kCancelled, "the request was cancelled"));
}

void HttpClient::answered(uint64_t id, Result<HttpAnswer> answer) {
  const auto it = waiting_.find(id);
  if (it == waiting_.end()) return;
  HttpDone done = std::move(it->second.done);
  waiting_.erase(it);
  done(std::move(answer));
}

}  // namespace penstock::store::clickhouse
