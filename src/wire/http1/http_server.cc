#include "wire/http1/http_server.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "wire/metrics.h"

namespace penstock::wire {
namespace {

constexpr auto kSweepPeriod = std::chrono::milliseconds(100);
constexpr size_t kReceiveBytes = 64U << 10;
constexpr int kAcceptsPerTurn = 256;
constexpr size_t kSpareMax = 16;
constexpr size_t kSpareBodyBytes = 64U << 10;

}  // namespace

HttpServer::HttpServer(runtime::Loop& loop, runtime::Poller& poller, runtime::Runtime& runtime,
                       runtime::Listener listener, ServerLimits limits, Handler& handler,
                       ServerEdge edge)
    : loop_(loop),
      poller_(poller),
      runtime_(runtime),
      listener_(std::move(listener)),
      limits_(limits),
      handler_(handler),
      edge_(std::move(edge)),
      receive_buffer_(kReceiveBytes) {
  spare_.reserve(kSpareMax);
  if (edge_.access_log) access_lines_ = std::make_shared<AccessLines>(edge_.access_log);
  look_at_clock();
}

HttpServer::~HttpServer() {
  loop_.cancel(sweep_timer_);
  if (listener_.socket().is_open()) poller_.unwatch(listener_.socket());
  auto connections = std::move(connections_);
  connections_.clear();
  for (auto& [fd, connection] : connections) connection->close();
}

Status HttpServer::listen() {
  PENSTOCK_CHECK(poller_.watch(listener_.socket(), *this, true, false));
  sweep_timer_ = loop_.after(kSweepPeriod, [this] { sweep(); });
  return {};
}

void HttpServer::on_ready(bool, bool) {
  look_at_clock();
  for (int i = 0; i < kAcceptsPerTurn; i++) {
    auto accepted = listener_.accept();
    if (!accepted) {
      // Out of descriptors, most likely. The waiting connection would wake the loop for ever.
      poller_.change(listener_.socket(), *this, false, false);
      paused_ = true;
      metrics().accept_pauses.add();
      return;
    }
    if (!accepted->is_open()) return;
    counts.accepted++;
    if (connections_.size() >= limits_.connections_max || draining_) {
      counts.refused++;
      continue;  // closed by its destructor
    }
    const int fd = accepted->fd();
    auto connection = std::make_shared<Connection>(*this, std::move(*accepted));
    if (!poller_.watch(connection->socket(), *connection, true, false)) continue;
    connections_.emplace(fd, std::move(connection));
    counts.connections = connections_.size();
  }
}

void HttpServer::forget(int fd) {
  connections_.erase(fd);
  counts.connections = connections_.size();
}

void HttpServer::lend(Lent& buffers) {
  if (spare_.empty()) return;
  buffers = std::move(spare_.back());
  spare_.pop_back();
}

void HttpServer::take_back(Lent& buffers) {
  buffers.body.clear();
  buffers.body.trim(kSpareBodyBytes);
  buffers.head.clear();
  if (spare_.size() < kSpareMax) spare_.push_back(std::move(buffers));
  buffers = {};
}

bool HttpServer::add_body_bytes(size_t n) {
  if (body_bytes_ + n > limits_.body_bytes_in_flight_max) return false;
  body_bytes_ += n;
  return true;
}

void HttpServer::sweep() {
  look_at_clock();
  const int64_t now = now_ns();
  std::vector<std::shared_ptr<Connection>> all;
  all.reserve(connections_.size());
  for (const auto& [fd, connection] : connections_) all.push_back(connection);
  if (std::exchange(paused_, false) && !draining_) {
    poller_.change(listener_.socket(), *this, true, false);
  }
  const bool over = draining_ && now >= drain_until_ns_;
  for (const auto& connection : all) over ? connection->close() : connection->check_deadline(now);
  shed_answers(all);
  if (access_lines_) access_lines_->hand_over();
  if (draining_ && connections_.empty() && drained_) {
    auto done = std::exchange(drained_, nullptr);
    done();
    return;
  }
  sweep_timer_ = loop_.after(kSweepPeriod, [this] { sweep(); });
}

/// Cuts those who leave most of their answers lying when it is too much of all together.
void HttpServer::shed_answers(std::vector<std::shared_ptr<Connection>>& all) {
  size_t total = 0;
  for (const auto& connection : all) total += connection->waiting_bytes();
  if (total <= limits_.send_bytes_in_flight_max) return;
  std::ranges::sort(all, std::greater(), [](const auto& c) { return c->waiting_bytes(); });
  for (const auto& connection : all) {
    if (total <= limits_.send_bytes_in_flight_max) return;
    total -= connection->waiting_bytes();
    counts.refused++;
    connection->cut();
  }
}

void HttpServer::drain(int64_t grace_ms, runtime::Task done) {
  look_at_clock();
  draining_ = true;
  drain_until_ns_ = now_ns() + grace_ms * 1'000'000;
  drained_ = std::move(done);
  poller_.unwatch(listener_.socket());
  listener_ = runtime::Listener();
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [fd, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->drain();
  loop_.cancel(sweep_timer_);
  sweep();
}

ServerStats HttpServer::stats() const {
  ServerStats out;
  out.connections = counts.connections;
  out.accepted = counts.accepted;
  out.requests = counts.requests;
  out.refused = counts.refused;
  out.timeouts = counts.timeouts;
  return out;
}

Result<std::unique_ptr<Server>> Server::start(runtime::Loop& loop, runtime::Poller& poller,
                                              runtime::Runtime& runtime,
                                              const runtime::Address& address, bool reuse_port,
                                              ServerLimits limits, Handler& handler,
                                              ServerEdge edge) {
  constexpr int kBacklog = 4096;
  PENSTOCK_TRY(auto listener, runtime::Listener::bind(address, kBacklog, reuse_port));
  auto server = std::make_unique<HttpServer>(loop, poller, runtime, std::move(listener), limits,
                                             handler, std::move(edge));
  PENSTOCK_CHECK(server->listen());
  return server;
}

}  // namespace penstock::wire
