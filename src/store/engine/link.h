// EngineLink: the parent's end of the socket pair: starts the child, frames requests, matches
// replies, notices its death. Home loop only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "runtime/net.h"
#include "runtime/process.h"
#include "store/engine/protocol.h"
#include "store/engine_store.h"

namespace penstock::store {

struct EngineReply {
  uint64_t rows = 0, bytes = 0;
  int64_t elapsed_us = 0;
  std::string body;
};
using ReplyDone = std::move_only_function<void(Result<EngineReply>)>;

class EngineLink : public runtime::SocketHandler {
 public:
  EngineLink(runtime::Poller& poller, const EngineOptions& options, std::function<void()> died);
  ~EngineLink() override;

  /// Starts a child; the former one must be gone.
  Status spawn();
  bool running() const { return child_.has_value(); }
  /// Ends the child now. Requests under way are answered as by its death.
  void kill();
  int pid() const { return child_ ? child_->pid() : 0; }
  size_t under_way() const { return waiting_.size(); }

  /// `operands` follow the op in the frame. Answers kMaybe when the child dies before it replied,
  /// kUnavailable when there is none, kBusy when too much is under way.
  void request(EngineOp op, std::string operands, ReplyDone done);

  void on_ready(bool readable, bool writable) override;

 private:
  void lost();
  void read();
  void write();
  void take_reply(std::string_view body);

  runtime::Poller& poller_;
  const EngineOptions& options_;
  std::function<void()> died_;
  runtime::Socket socket_;
  std::optional<runtime::ChildProcess> child_;
  uint64_t next_id_ = 1;
  std::unordered_map<uint64_t, ReplyDone> waiting_;
  std::string in_;
  std::deque<std::string> out_;  // frames not sent yet, in pieces; bounded with waiting_
  size_t sent_ = 0;              // of the first piece
  bool wants_write_ = false;
};

}  // namespace penstock::store
