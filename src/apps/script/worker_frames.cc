// The worker's socket: what Vms want goes out, frames come in.
#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "apps/script/worker_run.h"
#include "base/codec.h"

namespace penstock::apps {
namespace {

constexpr size_t kReadBytes = 1U << 18;
constexpr size_t kSendAt = 1U << 20;  // frames are sent in lots, at the latest of this size

std::string start_frame(FromWorker op) { return std::string(1, static_cast<char>(op)); }

}  // namespace

// ---- What Vms want ----

void Worker::host_call(Vm& vm, uint64_t id, std::string_view op, std::string arguments,
                       std::string body) {
  std::string frame = start_frame(FromWorker::kHostCall);
  ByteWriter w(frame);
  w.u64(vm.id());
  w.u64(id);
  w.bytes(op);
  w.bytes(arguments);
  w.bytes(body);
  send(std::move(frame));
}

void Worker::log(Vm& vm, LogEntry::Source source, LogEntry::Level level, std::string message) {
  std::string frame = start_frame(FromWorker::kLog);
  ByteWriter w(frame);
  w.u64(vm.id());
  w.u8(static_cast<uint8_t>(source));
  w.u8(static_cast<uint8_t>(level));
  w.bytes(message);
  send(std::move(frame));
}

void Worker::metric(Vm& vm, std::string_view name, std::string_view kind, double value) {
  std::string frame = start_frame(FromWorker::kMetric);
  ByteWriter w(frame);
  w.u64(vm.id());
  w.bytes(name);
  w.bytes(kind);
  w.u64(std::bit_cast<uint64_t>(value));
  send(std::move(frame));
}

// ---- Frames ----

void Worker::send(std::string frame) {
  if (frame.size() > kFrameBytesMax) return;
  ByteWriter(out_).u32(static_cast<uint32_t>(frame.size()));
  out_ += frame;
  if (out_.size() >= kSendAt) flush();
}

/// Blocks until the parent took all: it always reads.
bool Worker::flush() {
  for (size_t at = 0; at < out_.size();) {
    const ssize_t sent = ::write(fd_, out_.data() + at, out_.size() - at);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) {
      alive_ = false;
      break;
    }
    at += static_cast<size_t>(sent);
  }
  out_.clear();
  return alive_;
}

/// Reads what is there and no more.
bool Worker::read_frames() {
  ssize_t got = 0;
  const size_t before = in_.size();
  in_.resize_and_overwrite(before + kReadBytes, [&](char* text, size_t) {
    got = ::read(fd_, text + before, kReadBytes);
    return before + static_cast<size_t>(std::max<ssize_t>(got, 0));
  });
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  size_t at = 0;
  while (in_.size() - at >= sizeof(uint32_t)) {
    uint32_t size = 0;
    std::memcpy(&size, in_.data() + at, sizeof size);
    if (size > kFrameBytesMax || size == 0) return false;
    if (in_.size() - at - sizeof size < size) break;
    if (!take(std::string_view(in_).substr(at + sizeof size, size))) return false;
    at += sizeof size + size;
  }
  in_.erase(0, at);
  return true;
}

bool Worker::take(std::string_view body) {
  const auto op = static_cast<ToWorker>(body.front());
  body.remove_prefix(1);
  switch (op) {
    case ToWorker::kLoad: take_load(body); return true;
    case ToWorker::kUnload: take_unload(ByteReader(body).u64()); return true;
    case ToWorker::kBatch: {
      auto batch = std::make_unique<Batch>();
      batch->text = body;
      const std::string_view text = batch->text;
      return take_batch(std::move(batch), text);
    }
    case ToWorker::kBatchIn: return take_batch_in(body);
    case ToWorker::kHook: take_hook(body); return true;
    case ToWorker::kReply: take_reply(body); return true;
    case ToWorker::kCancel: take_cancel(ByteReader(body).u64()); return true;
  }
  return false;
}

}  // namespace penstock::apps
