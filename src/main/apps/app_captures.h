// AppCaptures: what apps capture themselves, sent to capture as any client would send it.
//
// Events wait in a bounded queue and go out in batches, one request at a time; a request that fails
// is repeated a few times and then given up with a line of diagnostics. Loop thread; `serve` from
// any thread.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "catalog/catalog.h"
#include "main/instance.h"
#include "runtime/runtime.h"

namespace penstock::cli {

class AppCaptures {
 public:
  AppCaptures(runtime::Loop& loop, runtime::Runtime& runtime, catalog::Catalog& catalog)
      : loop_(loop), runtime_(runtime), catalog_(catalog) {}
  ~AppCaptures() { *alive_ = false; }
  AppCaptures(const AppCaptures&) = delete;
  AppCaptures& operator=(const AppCaptures&) = delete;

  /// Where capture is served, once it is.
  void serve(const Instance& instance);
  /// kBusy: the queue is full.
  Status add(ProjectId project, std::string event);

 private:
  struct Waiting {
    ProjectId project;
    std::string event;
  };
  void send();
  void sent(const Result<HttpReply>& reply);

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  catalog::Catalog& catalog_;
  std::mutex mutex_;  // of instance_
  std::optional<Instance> instance_;
  std::deque<Waiting> waiting_;
  size_t sending_ = 0;  // of the first ones
  int failures_ = 0;    // in a row
  bool scheduled_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::cli
