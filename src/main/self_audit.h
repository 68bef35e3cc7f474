// SelfAudit: every minute an event of our own, over the socket and all the way to SQL.
//
// It is sent to the capture address as any client would, under the key of a project of its own that
// is made at the first audit, and looked for in the store until it is there: how long that took is
// what a user waits for, whatever the stages say of themselves. An event that does not come is a
// failure, kept for Health and `doctor` and repeated by the next audit.
//
// Owner: the process. Threads: made, started and destroyed on the loop; `last` from any. The HTTP
// call runs in the pool.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "admin/admin.h"
#include "base/ids.h"
#include "catalog/catalog.h"
#include "main/http_client.h"
#include "runtime/runtime.h"
#include "store/event_store.h"

namespace penstock::cli {

struct SelfAuditOptions {
  int64_t every_ms = 60'000;     // 0: never
  int64_t patience_ms = 50'000;  // then it counts as failed
};

class SelfAudit {
 public:
  /// `to_capture` makes a call to a path of the capture address.
  SelfAudit(runtime::Loop& loop, runtime::Runtime& runtime, catalog::Catalog& catalog,
            store::EventStore& store, std::function<HttpCall(std::string_view path)> to_capture,
            SelfAuditOptions options);
  ~SelfAudit() { *alive_ = false; }
  SelfAudit(const SelfAudit&) = delete;
  SelfAudit& operator=(const SelfAudit&) = delete;

  void start() { wait(); }
  admin::SelfAuditStatus last() const;

 private:
  void wait();
  void send();
  void sent(const Result<HttpReply>& reply);
  void look();
  void end(std::string error);
  Result<catalog::Project> project();

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  catalog::Catalog& catalog_;
  store::EventStore& store_;
  std::function<HttpCall(std::string_view path)> to_capture_;
  const SelfAuditOptions options_;
  ProjectId project_;
  Uuid uuid_;            // of the audit under way
  std::string refusal_;  // what the store said last
  int64_t began_ns_ = 0;
  mutable std::mutex mutex_;
  admin::SelfAuditStatus last_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::cli
