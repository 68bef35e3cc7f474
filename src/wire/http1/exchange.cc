// Exchange: an answer on its way out, whole or in pieces.
#include <fmt/format.h>

#include <charconv>

#include "wire/http1/connection.h"

namespace penstock::wire {
namespace {

/// Of a whole response's first line.
int status_of(std::string_view response) {
  int status = 0;
  constexpr size_t kAt = std::string_view("HTTP/1.1 ").size();
  if (response.size() > kAt + 3) {
    std::from_chars(response.data() + kAt, response.data() + kAt + 3, status);
  }
  return status;
}

}  // namespace

std::string Exchange::head_text(const Response& r, bool chunked) const {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", r.status, reason_phrase(r.status));
  const bool bodiless = r.status == 204 || r.status == 304;
  if (!r.content_type.empty() && !bodiless) out += "Content-Type: " + r.content_type + "\r\n";
  for (const auto& [name, value] : r.headers) out += name + ": " + value + "\r\n";
  if (chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  } else if (!bodiless) {
    out += fmt::format("Content-Length: {}\r\n", r.body.size());
  }
  if (closes()) out += "Connection: close\r\n";
  return out + "\r\n";
}

void Exchange::send(Response response) {
  close_ = close_ || response.close;
  std::string text = head_text(response, false);
  if (!head_only_ && response.status != 204 && response.status != 304) text += response.body;
  send_raw(text, close_);
}

void Exchange::send_raw(std::string_view whole_response, bool close) {
  close_ = close_ || close;
  const auto connection = connection_.lock();
  if (!connection || done_) return;
  done_ = true;
  if (note_) note_->finish(status_of(whole_response), whole_response.size());
  if (connection->send_now(*this, whole_response)) return;
  bytes_ = whole_response;
  connection->add_queued(bytes_.size());
  connection->flush();
}

Exchange::~Exchange() {
  if (note_ && streaming_) finish_stream();
}

void Exchange::finish_stream() {
  done_ = true;
  if (note_) note_->finish(status_, bytes_streamed_);
}

void Exchange::abandon() {
  Response response;
  response.status = 500;
  response.content_type = "text/plain";
  response.body = "the request was not answered\n";
  send(std::move(response));
}

namespace {

class ChunkedStream : public BodyStream {
 public:
  ChunkedStream(std::weak_ptr<Connection> connection, std::shared_ptr<Exchange> exchange)
      : connection_(std::move(connection)), exchange_(std::move(exchange)) {}
  ~ChunkedStream() override { finish(); }

  bool write(std::string_view bytes) override {
    const auto connection = connection_.lock();
    if (!connection || connection->closed() || finished_) return false;
    if (bytes.empty()) return true;
    exchange_->streamed(bytes.size());
    exchange_->bytes() += fmt::format("{:x}\r\n", bytes.size());
    exchange_->bytes() += bytes;
    exchange_->bytes() += "\r\n";
    connection->flush();
    return !connection->closed();
  }
  size_t pending() const override {
    const auto connection = connection_.lock();
    return connection ? connection->unsent() + exchange_->bytes().size() : 0;
  }
  void on_drained(std::function<void()> callback) override {
    const auto connection = connection_.lock();
    if (connection && !connection->closed()) return connection->on_drained(std::move(callback));
    callback();
  }
  void finish() override {
    if (std::exchange(finished_, true)) return;
    exchange_->bytes() += "0\r\n\r\n";
    exchange_->finish_stream();
    if (const auto connection = connection_.lock()) connection->flush();
  }

 private:
  std::weak_ptr<Connection> connection_;
  std::shared_ptr<Exchange> exchange_;
  bool finished_ = false;
};

}  // namespace

std::shared_ptr<BodyStream> Exchange::stream(Response head) {
  streaming_ = true;
  status_ = head.status;
  bytes_ = head_text(head, true);
  auto out = std::make_shared<ChunkedStream>(connection_, shared_from_this());
  if (const auto connection = connection_.lock()) connection->flush();
  return out;
}

}  // namespace penstock::wire
