#include "wire/http1/connection.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "base/recycling.h"
#include "wire/http1/http_server.h"
#include "wire/http1/proxy_header.h"
#include "wire/metrics.h"

namespace penstock::wire {
namespace {

constexpr size_t kKeptTextBytes = 1024;  // by an idle connection, of each of its texts
constexpr size_t kReadsPerTurn = 4;
constexpr int64_t kLingerMs = 2000;            // for the client to read its answer and stop sending
constexpr size_t kUnreadBytesMax = 64U << 10;  // of answers; then no further request is taken
constexpr size_t kTakenBytesMin = 64U << 10;   // of a large answer, in every send_ms_max

/// End of the head (one past its empty line), or npos. Bare line feeds are found too, so that the
/// parser refuses them at once instead of the deadline later.
size_t head_end(std::string_view text) {
  for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    if (text.substr(at + 1).starts_with("\r\n")) return at + 3;
    if (text.substr(at + 1).starts_with("\n")) return at + 2;
  }
  return std::string_view::npos;
}

}  // namespace

Connection::Connection(HttpServer& server, runtime::Socket socket)
    : server_(server), socket_(std::move(socket)), phase_since_ns_(server.now_ns()) {
  const ServerEdge& edge = server.edge();
  if (edge.tls) tls_ = edge.tls->session(socket_);
  awaits_proxy_header_ = edge.proxy_protocol;
  if (tls_ || awaits_proxy_header_) phase_ = Phase::kPreface;
}

Connection::~Connection() { server_.remove_body_bytes(body_counted_); }

std::string_view Connection::peer() {
  if (peer_ip_.empty()) peer_ip_ = socket_.peer_ip();
  return peer_ip_;
}

/// The client has send_ms_max from now to take its share of what waits.
void Connection::begin_sending() {
  send_since_ns_ = server_.now_ns();
  taken_bytes_ = 0;
}

void Connection::set_phase(Phase phase) {
  phase_ = phase;
  phase_since_ns_ = server_.now_ns();
}

void Connection::close() {
  if (std::exchange(closed_, true)) return;
  const auto keep = shared_from_this();
  server_.poller().unwatch(socket_);
  if (tls_) tls_->close_notify();
  const int fd = socket_.fd();
  socket_.close();
  exchanges_.clear();
  out_ = std::string();
  out_sent_ = queued_bytes_ = 0;
  server_.forget(fd);
  if (drained_) std::exchange(drained_, nullptr)();
}

void Connection::cut() {
  if (!closed_) socket_.reset_on_close();
  close();
}

void Connection::drain() {
  if (closing_) return;
  const bool quiet = phase_ == Phase::kIdle || phase_ == Phase::kPreface;
  if (!quiet) return;  // the request on its way is the last: `deliver` sees to it
  if (exchanges_.empty() && unsent() == 0) return close();
  closing_ = unread_input_ = true;
}

void Connection::check_deadline(int64_t now_ns) {
  const ServerLimits& limits = server_.limits();
  const int64_t ms = (now_ns - phase_since_ns_) / 1'000'000;
  if (linger_since_ns_ != 0) {
    if ((now_ns - linger_since_ns_) / 1'000'000 > kLingerMs) close();
    return;
  }
  if (unsent() > 0 && (now_ns - send_since_ns_) / 1'000'000 > limits.send_ms_max) {
    if (taken_bytes_ < kTakenBytesMin) {
      server_.counts.timeouts++;
      return cut();
    }
    begin_sending();
  }
  if (phase_ == Phase::kIdle && exchanges_.empty() && unsent() == 0 && ms > limits.idle_ms_max) {
    return close();
  }
  if (phase_ == Phase::kPreface && ms > limits.header_ms_max) {
    server_.counts.timeouts++;
    return close();
  }
  const bool slow = (phase_ == Phase::kHead && ms > limits.header_ms_max) ||
                    ((phase_ == Phase::kBody || phase_ == Phase::kSkip) && ms > limits.body_ms_max);
  if (!slow) return;
  server_.counts.timeouts++;
  refuse(408, "the request took too long to arrive\n");
}

/// Answers without asking the handler, after what is still waiting, and closes.
void Connection::refuse(int status, std::string_view text) {
  server_.counts.refused++;
  closing_ = unread_input_ = true;
  partial_.clear();
  auto exchange = make_recycled<Exchange>(weak_from_this(), false, false);
  note(*exchange, {}, {}, 0);
  exchanges_.push_back(exchange);
  set_phase(Phase::kIdle);
  Response response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = text;
  response.close = true;
  exchange->send(std::move(response));
}

void Connection::on_ready(bool readable, bool writable) {
  server_.look_at_clock();
  const auto keep = shared_from_this();
  const bool failed = readable && writable && !want_read_ && !want_write_;  // nobody asked
  if (failed) return close();
  if (writable && unsent() > 0) flush();
  const bool stuck_in_tls = writable && tls_ && tls_->wants_write();
  if ((readable || stuck_in_tls) && !closed_ && want_read_) on_readable();
}

/// True when the PROXY header is complete. No byte behind it is taken: TLS may begin there.
bool Connection::take_proxy_header() {
  const std::span<char> buffer = server_.receive_buffer().first(kProxyHeaderBytesMax);
  const auto seen = socket_.peek(buffer);
  if (!seen) {
    close();
    return false;
  }
  if (*seen == 0) return false;
  const size_t had = partial_.size();
  partial_.append(buffer.data(), *seen);
  const ProxyHeader header = parse_proxy_header(partial_);
  if (header.outcome == ProxyHeader::Outcome::kMalformed) {
    metrics().proxy_malformed.add();
    close();
    return false;
  }
  const bool whole = header.outcome == ProxyHeader::Outcome::kDone;
  const size_t take = whole ? header.size - had : *seen;
  const auto taken = socket_.recv(buffer.first(take));
  PENSTOCK_ASSERT(taken && *taken == take);  // it was there a moment ago
  if (!whole) return false;
  partial_ = std::string();
  peer_ip_ = header.source_ip;
  awaits_proxy_header_ = false;
  return true;
}

void Connection::on_readable() {
  if (awaits_proxy_header_ && !take_proxy_header()) return;
  for (size_t i = 0; i < kReadsPerTurn && !closed_ && want_read_; i++) {
    const std::span<char> buffer = server_.receive_buffer();
    const auto got = recv(buffer);
    if (!got) return peer_is_done();
    if (phase_ == Phase::kPreface && (!tls_ || tls_->established())) set_phase(Phase::kIdle);
    if (*got == 0) return tls_ ? update_interest() : void();
    if (!closing_) process({buffer.data(), *got});
    if (*got < buffer.size() && !tls_) return;  // a TLS record is shorter than the buffer
  }
}

/// The client will send no more. It may still read what it is owed; whoever has gone altogether
/// shows when that is sent.
void Connection::peer_is_done() {
  const bool owed = !exchanges_.empty() && !exchanges_.front()->streaming();
  if (!owed || tls_) return close();
  partial_.clear();
  set_phase(Phase::kIdle);
  closing_ = peer_done_ = true;
  unread_input_ = false;
  update_interest();
}

void Connection::process(std::string_view data) {
  std::string joined;
  if (!partial_.empty()) {
    joined.swap(partial_);
    joined += data;
    data = joined;
  }
  while (!data.empty() && !closed_ && !closing_) {
    const bool going =
        phase_ == Phase::kBody || phase_ == Phase::kSkip ? take_body(data) : take_head(data);
    if (!going) break;
    if (!has_room()) {
      // The rest waits here until answers have gone; nothing more is read meanwhile.
      partial_.assign(data);
      return update_interest();
    }
  }
  if (!closed_) update_interest();
}

bool Connection::take_head(std::string_view& data) {
  if (phase_ == Phase::kIdle) {
    // Clients may send an empty line between requests.
    while (!data.empty() && (data.front() == '\r' || data.front() == '\n')) data.remove_prefix(1);
    if (data.empty()) return false;
    set_phase(Phase::kHead);
  }
  const size_t end = head_end(data);
  if (end == std::string_view::npos || end > server_.limits().header_bytes_max) {
    if (data.size() > server_.limits().header_bytes_max) {
      refuse(431, "the request's headers are too large\n");
      return false;
    }
    partial_.assign(data);
    return false;
  }
  const std::string_view text = data.substr(0, end);
  data.remove_prefix(end);
  parser_.reset();
  if (!parser_.parse_head(text, server_.limits().headers_max, head_)) {
    if (parser_.too_many_headers()) {
      refuse(431, "the request has too many headers\n");
    } else {
      refuse(400, "this is not a valid HTTP request\n");
    }
    return false;
  }
  server_.lend(lent_);
  if (parser_.complete()) {
    deliver(false);
    return !closed_;
  }
  return begin_body(text);
}

bool Connection::begin_body(std::string_view head_text) {
  Request head;
  head.method = head_.method;
  head.target = head_.target;
  const size_t question = head.target.find('?');
  head.path = head.target.substr(0, question);
  body_max_ = server_.handler().body_bytes_max(head);
  const bool hopeless = head_.has_length && head_.content_length > 2 * uint64_t{body_max_};
  if (hopeless) {
    // Too large even to skip: answered now, and the connection ends with the answer.
    head_.keep_alive = false;
    unread_input_ = true;
    deliver(true);
    closing_ = true;
    return false;
  }
  set_phase(head_.has_length && head_.content_length > body_max_ ? Phase::kSkip : Phase::kBody);
  if (phase_ == Phase::kBody && head_.has_length) {
    const auto n = static_cast<size_t>(head_.content_length);
    if (!server_.add_body_bytes(n)) {
      refuse(503, "too many request bodies are being read; try again soon\n");
      return false;
    }
    body_counted_ = n;
    lent_.body.reserve(n);
  }
  // The head's views must outlive the receive buffer while the body is still on its way.
  const char* base = head_text.data();
  lent_.head.assign(head_text);
  const auto move_view = [&](std::string_view& v) {
    if (!v.empty()) v = std::string_view(lent_.head.data() + (v.data() - base), v.size());
  };
  move_view(head_.target);
  for (auto& [name, value] : head_.headers) {
    move_view(name);
    move_view(value);
  }
  if (head_.expects_continue) send_continue();
  return !closed_;
}

/// Takes its place behind the answers that earlier requests still wait for.
void Connection::send_continue() {
  const auto interim = make_recycled<Exchange>(weak_from_this(), true, false);
  exchanges_.push_back(interim);
  interim->send_raw("HTTP/1.1 100 Continue\r\n\r\n", false);
}

bool Connection::take_body(std::string_view& data) {
  size_t used = 0;
  const size_t keep = phase_ == Phase::kSkip ? 0 : body_max_;
  const size_t before = lent_.body.size();
  const bool ok = parser_.parse_body(data, lent_.body, keep, used);
  data.remove_prefix(used);
  if (!ok) {
    refuse(400, "the request's body is malformed\n");
    return false;
  }
  if (!head_.has_length && lent_.body.size() > before) {
    const size_t grown = lent_.body.size() - before;
    if (!server_.add_body_bytes(grown)) {
      refuse(503, "too many request bodies are being read; try again soon\n");
      return false;
    }
    body_counted_ += grown;
  }
  if (parser_.complete()) {
    deliver(phase_ == Phase::kSkip || parser_.body_seen() > body_max_);
    return !closed_;
  }
  if (parser_.body_seen() > 2 * uint64_t{body_max_}) {
    head_.keep_alive = false;
    unread_input_ = true;
    deliver(true);
    closing_ = true;
    return false;
  }
  return true;
}

void Connection::deliver(bool too_large) {
  server_.counts.requests++;
  Request request;
  request.method = head_.method;
  request.target = head_.target;
  const size_t question = head_.target.find('?');
  request.path = head_.target.substr(0, question);
  if (question != std::string_view::npos) request.query = head_.target.substr(question + 1);
  request.headers = std::move(server_.header_scratch());
  request.headers.clear();
  for (const auto& [name, value] : head_.headers) request.headers.push_back({name, value});
  const bool last = closing_ || server_.draining();
  if (last) unread_input_ = true;  // what the client sends behind it is not looked at
  if (too_large) lent_.body.clear();
  lent_.body.resize(lent_.body.size());
  request.body = &lent_.body;
  request.peer_ip = peer();
  request.received_us = server_.wall_us();
  request.secure = tls_ != nullptr;
  request.body_too_large = too_large;
  auto exchange =
      make_recycled<Exchange>(weak_from_this(), head_.keep_alive && !last, head_.method == "HEAD");
  note(*exchange, request.method, request.target, parser_.body_seen());
  exchanges_.push_back(exchange);
  // Whatever follows a request that ends the connection is no request.
  if (!head_.keep_alive) closing_ = true;
  set_phase(Phase::kIdle);
  server_.handler().handle(request, Responder(std::move(exchange)));
  server_.header_scratch() = std::move(request.headers);
  server_.remove_body_bytes(body_counted_);
  body_counted_ = 0;
  server_.take_back(lent_);
  if (last) closing_ = true;
}

void Connection::note(Exchange& exchange, std::string_view method, std::string_view target,
                      uint64_t bytes_in) {
  const auto& lines = server_.access_lines();
  if (lines) exchange.note(std::make_unique<AccessNote>(lines, method, target, peer(), bytes_in));
}

bool Connection::send_now(const Exchange& exchange, std::string_view bytes) {
  if (closed_) return true;
  if (exchanges_.size() != 1 || exchanges_.front().get() != &exchange || unsent() > 0) return false;
  const auto sent = send(bytes);
  if (!sent) {
    close();
    return true;
  }
  if (*sent < bytes.size()) {
    begin_sending();
    out_.append(bytes.substr(*sent));
  }
  const bool closes = exchange.closes() || closing_;
  exchanges_.pop_front();
  if (closes) closing_ = true;
  if (unsent() > 0 || closing_) flush();
  if (!closed_ && !want_read_) update_interest();
  return true;
}

void Connection::flush() {
  if (closed_) return;
  const auto keep = shared_from_this();
  while (!exchanges_.empty()) {
    Exchange& front = *exchanges_.front();
    if (unsent() == 0) begin_sending();
    out_ += front.bytes();
    if (!front.streaming()) queued_bytes_ -= front.bytes().size();
    front.bytes().clear();
    if (!front.done()) break;
    const bool closes = front.closes();
    exchanges_.pop_front();
    if (closes) {
      closing_ = true;
      exchanges_.clear();
      queued_bytes_ = 0;
    }
  }
  if (unsent() > 0) {
    const auto sent = send(std::string_view(out_).substr(out_sent_));
    if (!sent) return close();
    taken_bytes_ += *sent;
    out_sent_ += *sent;
    if (out_sent_ == out_.size()) {
      out_.clear();
      out_sent_ = 0;
      if (out_.capacity() > kKeptTextBytes) out_ = std::string();
    } else if (out_sent_ > (1U << 20)) {
      out_.erase(0, out_sent_);
      out_sent_ = 0;
    }
  }
  const bool streaming = !exchanges_.empty() && exchanges_.front()->streaming();
  if (!streaming && unsent() > server_.limits().send_bytes_max) return cut();
  if (closing_ && exchanges_.empty() && unsent() == 0) {
    if (!unread_input_) return close();
    // Closing with input unread would reset the connection and could take the answer with it.
    if (linger_since_ns_ == 0) {
      if (tls_) tls_->close_notify();
      socket_.shutdown_send();
      linger_since_ns_ = server_.now_ns();
    }
  }
  update_interest();
  if (unsent() == 0 && drained_) std::exchange(drained_, nullptr)();
}

/// For another request: a client that does not read its answers is given no more of them.
bool Connection::has_room() const {
  return exchanges_.size() < server_.limits().pipeline_max && waiting_bytes() < kUnreadBytesMax;
}

void Connection::update_interest() {
  if (closed_) return;
  const bool room = has_room() && !peer_done_;
  const bool write = unsent() > 0 || (tls_ && tls_->wants_write());
  if (room != want_read_ || write != want_write_) {
    want_read_ = room;
    want_write_ = write;
    server_.poller().change(socket_, *this, room, write);
  }
  if (room && !partial_.empty() && phase_ == Phase::kIdle && !closing_) {
    // What a full pipeline held back goes on now.
    std::string held;
    held.swap(partial_);
    process(held);
  }
}

}  // namespace penstock::wire
