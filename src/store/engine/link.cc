#include "store/engine/link.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/codec.h"
#include "base/diag.h"

extern char** environ;

namespace penstock::store {
namespace {

constexpr int kChildFd = 3;
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
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return fail(Code::kUnavailable, std::string("socket pair: ") + std::strerror(errno));
  }
  ::fcntl(pair[0], F_SETFL, O_NONBLOCK);
  std::vector<std::string> words{options_.binary, "engine-child",
                                 "--path",        options_.directory,
                                 "--lib",         options_.library,
                                 "--fd",          std::to_string(kChildFd),
                                 "--memory",      std::to_string(options_.memory_bytes_max)};
  std::vector<char*> argv;
  for (std::string& w : words) argv.push_back(w.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // dup2 to the same number would keep close-on-exec; the pair never lands on 3 in practice, but if
  // it does, a copy is made first.
  const int from = pair[1] == kChildFd ? ::fcntl(pair[1], F_DUPFD_CLOEXEC, 10) : pair[1];
  posix_spawn_file_actions_adddup2(&actions, from, kChildFd);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, options_.binary.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pair[1]);
  if (from != pair[1]) ::close(from);
  if (error != 0) {
    ::close(pair[0]);
    return fail(Code::kUnavailable, "start " + options_.binary + ": " + std::strerror(error));
  }
  pid_ = pid;
  socket_ = runtime::Socket(pair[0]);
  in_.clear();
  out_.clear();
  sent_ = 0;
  wants_write_ = false;
  return poller_.watch(socket_, *this, true, false);
}

void EngineLink::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  lost();
}

void EngineLink::lost() {
  if (pid_ <= 0) return;
  poller_.unwatch(socket_);
  socket_.close();
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = 0;
  auto waiting = std::move(waiting_);
  waiting_.clear();
  for (auto& [id, done] : waiting) done(fail(Code::kMaybe, "the engine ended before it answered"));
  if (died_) died_();
}

void EngineLink::request(EngineOp op, std::string operands, ReplyDone done) {
  if (pid_ <= 0) return done(fail(Code::kUnavailable, "the engine is starting"));
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
  if (readable && pid_ > 0) read();
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
    if (pid_ <= 0) return;
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
