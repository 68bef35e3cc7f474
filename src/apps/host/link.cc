#include "apps/host/link.h"

#include <signal.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/codec.h"

namespace penstock::apps {
namespace {

constexpr size_t kReadBytes = 1U << 18;

}  // namespace

bool WorkerDeath::from_outside() const {
  constexpr std::array kSent{SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
  return !asked && std::ranges::find(kSent, status.signal) != kSent.end();
}

WorkerLink::WorkerLink(runtime::Poller& poller, Options options,
                       std::function<void(std::string_view)> frame,
                       std::function<void(const WorkerDeath&)> died)
    : poller_(poller),
      options_(std::move(options)),
      frame_(std::move(frame)),
      died_(std::move(died)) {}

WorkerLink::~WorkerLink() { forget(); }

Result<StartedWorker> WorkerLink::start(const Options& options) {
  PENSTOCK_TRY(auto pair, runtime::socket_pair());
  PENSTOCK_TRY(Page page, Page::make());
  PENSTOCK_TRY(Room room, Room::make());
  PENSTOCK_TRY(auto child,
               runtime::ChildProcess::spawn({{options.binary, "app-worker", "--fd", "3", "--page",
                                              "4", "--room", "5", "--geoip", options.geoip_file},
                                             {pair.second.fd(), page.fd(), room.fd()}}));
  return StartedWorker{std::move(pair.first), std::move(page), std::move(room), std::move(child)};
}

Status WorkerLink::spawn() {
  PENSTOCK_TRY(StartedWorker worker, start(options_));
  return take(std::move(worker));
}

Status WorkerLink::take(StartedWorker worker) {
  child_ = std::move(worker.child);
  page_ = std::move(worker.page);
  room_ = std::move(worker.room);
  socket_ = std::move(worker.socket);
  in_.clear();
  out_.clear();
  sent_ = unsent_ = 0;
  wants_write_ = false;
  return poller_.watch(socket_, *this, true, false);
}

void WorkerLink::forget() {
  if (running()) end();
}

/// A signal that comes after the worker began to end changes nothing about how it ended.
WorkerDeath WorkerLink::end() {
  poller_.unwatch(socket_);
  socket_.close();
  child_->kill();
  const WorkerDeath death{child_->wait()};
  child_.reset();
  return death;
}

void WorkerLink::lost(bool asked) {
  if (!running()) return;
  WorkerDeath death = end();
  death.asked = asked;
  died_(death);
}

void WorkerLink::kill() { lost(true); }

bool WorkerLink::send(std::string body) {
  if (!running() || body.size() > kFrameBytesMax) return false;
  if (unsent_ + body.size() > options_.unsent_bytes_max) return false;
  std::string head;
  ByteWriter(head).u32(static_cast<uint32_t>(body.size()));
  unsent_ += head.size() + body.size();
  out_.push_back(std::move(head));
  out_.push_back(std::move(body));
  write();
  return true;
}

void WorkerLink::on_ready(bool readable, bool writable) {
  if (writable) write();
  if (readable && running()) read();
}

void WorkerLink::write() {
  while (!out_.empty()) {
    const auto n = socket_.send(std::string_view(out_.front()).substr(sent_));
    if (!n) break;  // reading tells that it is gone
    if (*n == 0) break;
    sent_ += *n;
    unsent_ -= *n;
    if (sent_ < out_.front().size()) continue;
    out_.pop_front();
    sent_ = 0;
  }
  const bool wants = !out_.empty();
  if (wants == wants_write_) return;
  wants_write_ = wants;
  poller_.change(socket_, *this, true, wants);
}

void WorkerLink::read() {
  buffer_.resize(kReadBytes);
  bool ended = false;
  for (;;) {
    const auto n = socket_.recv(buffer_);
    ended = !n;
    if (!n || *n == 0) break;
    in_.append(buffer_.data(), *n);
  }
  size_t at = 0;
  while (in_.size() - at >= sizeof(uint32_t)) {
    uint32_t size = 0;
    std::memcpy(&size, in_.data() + at, sizeof size);
    if (size == 0 || size > kFrameBytesMax) return lost(true);
    if (in_.size() - at - sizeof size < size) break;
    // No frame makes the worker start anew, so `in_` stays.
    frame_(std::string_view(in_).substr(at + sizeof size, size));
    if (!running()) return;
    at += sizeof size + size;
  }
  in_.erase(0, at);
  if (ended) lost(false);
}

}  // namespace penstock::apps
