#include "store/engine/link.h"

#include <cstring>
#include <vector>

#include "base/codec.h"
#include "base/diag.h"

namespace penstock::store {
namespace {

constexpr int kChildFd = 3;  // where a child finds its first descriptor
constexpr size_t kReadBytes = 1U << 18;
constexpr size_t kHeadBytes = 9;  // request id and op

}  // namespace

EngineLink::EngineLink(runtime::Poller& poller, const EngineOptions& options,
                       std::function<void()> died)
    : poller_(poller), options_(options), died_(std::move(died)) {}

EngineLink::~EngineLink() {
  died_ = nullptr;
  kill();
}

Status EngineLink::spawn() {
  PENSTOCK_TRY(auto pair, runtime::socket_pair());
  PENSTOCK_TRY(auto child, runtime::ChildProcess::spawn(
                               {{options_.binary, "engine-child", "--path", options_.directory,
                                 "--lib", options_.library, "--fd", std::to_string(kChildFd),
                                 "--memory", std::to_string(options_.memory_bytes_max)},
                                {pair.second.fd()}}));
  child_ = std::move(child);
  socket_ = std::move(pair.first);
  in_.clear();
  out_.clear();
  sent_ = 0;
  wants_write_ = false;
  return poller_.watch(socket_, *this, true, false);
}

void EngineLink::kill() {
  if (running()) lost();
}

void EngineLink::lost() {
  if (!running()) return;
  poller_.unwatch(socket_);
  socket_.close();
  child_.reset();  // kills it if it still runs, and reaps it
  auto waiting = std::move(waiting_);
  waiting_.clear();
  for (auto& [id, done] : waiting) done(fail(Code::kMaybe, "the engine ended before it answered"));
  if (died_) died_();
}

void EngineLink::request(EngineOp op, std::string operands, ReplyDone done) {
  if (!running()) return done(fail(Code::kUnavailable, "the engine is starting"));
  if (waiting_.size() >= options_.requests_max) {
    return done(fail(Code::kBusy, "too many requests are under way"));
  }
  if (operands.size() > kFrameBytesMax - kHeadBytes) {
    return done(fail(Code::kInvalid, "the request is larger than the engine's frames"));
  }
  const uint64_t id = next_id_++;
  waiting_.emplace(id, std::move(done));
  std::string head;
  ByteWriter w(head);
  w.u32(static_cast<uint32_t>(operands.size() + kHeadBytes));
  w.u64(id);
  w.u8(static_cast<uint8_t>(op));
  out_.push_back(std::move(head));
  if (!operands.empty()) out_.push_back(std::move(operands));
  write();
}

void EngineLink::on_ready(bool readable, bool writable) {
  if (writable) write();
  if (readable && running()) read();
}

void EngineLink::write() {
  while (!out_.empty()) {
    const auto n = socket_.send(std::string_view(out_.front()).substr(sent_));
    if (!n) return lost();
    if (*n == 0) break;
    sent_ += *n;
    if (sent_ < out_.front().size()) continue;
    out_.pop_front();
    sent_ = 0;
  }
  const bool wants = !out_.empty();
  if (wants == wants_write_) return;
  wants_write_ = wants;
  poller_.change(socket_, *this, true, wants);
}

void EngineLink::read() {
  std::vector<char> buffer(kReadBytes);
  for (;;) {
    const auto n = socket_.recv(buffer);
    if (!n) return lost();
    if (*n == 0) break;
    in_.append(buffer.data(), *n);
  }
  size_t at = 0;
  while (in_.size() - at >= sizeof(uint32_t)) {
    uint32_t size = 0;
    std::memcpy(&size, in_.data() + at, sizeof size);
    if (size > kFrameBytesMax) return lost();
    if (in_.size() - at - sizeof size < size) break;
    take_reply(std::string_view(in_).substr(at + sizeof size, size));
    if (!running()) return;
    at += sizeof size + size;
  }
  in_.erase(0, at);
}

void EngineLink::take_reply(std::string_view body) {
  ByteReader r(body);
  const uint64_t id = r.u64();
  const auto it = waiting_.find(id);
  if (it == waiting_.end()) return;
  ReplyDone done = std::move(it->second);
  waiting_.erase(it);
  if (r.u8() == 0) {
    const auto code = static_cast<Code>(r.u8());
    return done(fail(code, std::string(r.bytes())));
  }
  EngineReply reply;
  reply.rows = r.u64();
  reply.bytes = r.u64();
  reply.elapsed_us = r.i64();
  reply.body = r.bytes();
  done(std::move(reply));
}

}  // namespace penstock::store
