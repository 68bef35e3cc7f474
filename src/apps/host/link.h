// WorkerLink: the parent's end: starts a worker, frames what goes to it, hands over what comes
// back, notices its death. Loop thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/script/frames.h"
#include "apps/script/page.h"
#include "apps/script/room.h"
#include "base/result.h"
#include "runtime/net.h"
#include "runtime/process.h"

namespace penstock::apps {

/// How a worker ended.
struct WorkerDeath {
  runtime::ExitStatus status;
  bool asked = false;  // by `kill`, or because of what it had sent
  /// By neither itself nor its parent: the machine ran out of memory, or a person ended it.
  bool from_outside() const;
};

/// A worker that runs, and this end of what it was given.
struct StartedWorker {
  runtime::Socket socket;
  Page page;
  Room room;
  runtime::ChildProcess child;
};

class WorkerLink : public runtime::SocketHandler {
 public:
  struct Options {
    std::string binary, geoip_file;
    size_t unsent_bytes_max = 256U << 20;
  };
  /// `frame`: one body; `died`: the worker has ended, for whatever reason.
  WorkerLink(runtime::Poller& poller, Options options, std::function<void(std::string_view)> frame,
             std::function<void(const WorkerDeath&)> died);
  ~WorkerLink() override;

  static Result<StartedWorker> start(const Options& options);
  Status spawn();
  /// The same with one that was started before.
  Status take(StartedWorker worker);
  bool running() const { return child_.has_value(); }
  /// CPU time that it has used, of its threads together.
  int64_t cpu_ns() const { return child_ ? child_->cpu_ns() : 0; }
  /// Ends it at once; `died` is called.
  void kill();
  /// The same without calling anything.
  void forget();
  /// False: it is gone, or so much waits for it that it will not take it.
  bool send(std::string body);
  /// What it is at, or was at when it died: valid until the next `spawn`.
  Running* running_script() const { return page_ ? &page_->running() : nullptr; }

  /// Where batches for it are laid out; a new one with every `spawn`.
  Room* room() { return room_ ? &*room_ : nullptr; }

  void on_ready(bool readable, bool writable) override;

 private:
  void lost(bool asked);
  WorkerDeath end();
  void read();
  void write();

  runtime::Poller& poller_;
  Options options_;
  std::function<void(std::string_view)> frame_;
  std::function<void(const WorkerDeath&)> died_;
  runtime::Socket socket_;
  std::optional<Page> page_;
  std::optional<Room> room_;
  std::optional<runtime::ChildProcess> child_;
  std::string in_;
  std::vector<char> buffer_;
  std::deque<std::string> out_;
  size_t sent_ = 0, unsent_ = 0;
  bool wants_write_ = false;
};

}  // namespace penstock::apps
