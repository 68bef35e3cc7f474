// Lane: one function of one app: its queue, the calls under way, and when they are made again.
//
// The queue's events are in the store; here is one small record for each, and never a text but
// those of calls being made. Loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "deliver/deliver.h"
#include "deliver/queue/queue.h"
#include "runtime/runtime.h"

namespace penstock::deliver {

struct LaneParts {
  runtime::Runtime& runtime;
  apps::Apps& apps;
  Queue& queue;
  const DeliverHooks& hooks;
  const DeliverOptions& options;
};

class Lane {
 public:
  Lane(const LaneParts& parts, QueueId id, Counted counts);
  ~Lane() { *alive_ = false; }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Takes over what the store has; at a start, or when an app is enabled again.
  Status load();
  /// The configuration as it is now.
  void configure(std::shared_ptr<const catalog::EnabledApp> app);
  const QueueId& id() const { return id_; }

  /// Puts an event into the queue by `batch`, or notes that it is full.
  void add(kv::WriteBatch& batch, const Uuid& event, std::string_view name,
           const std::string& text);
  /// Makes the calls that are due.
  void pump(int64_t now_ms);
  DeliveryCounts counts() const;

 private:
  struct Called {
    std::vector<uint64_t> events;  // their numbers
  };
  std::vector<uint64_t> next(int64_t now_ms) const;
  std::vector<uint64_t> next_export(int64_t now_ms) const;
  bool call(const std::vector<uint64_t>& numbers, int64_t now_ms);
  void ended(const Called& called, const apps::HookResult& result);
  void put_back(const Called& called, int64_t pause_ms);
  void end_of(kv::WriteBatch& batch, uint64_t number, const apps::HookEvent& result);
  void clock_went_back(int64_t by_ms);
  void give_up(kv::WriteBatch& batch, const Uuid& event, Attempt attempt);
  void say(std::string message);
  void drop(kv::WriteBatch& batch, uint64_t number, const Waiting& waiting);
  int64_t now_ms() const { return parts_.runtime.clock().wall_ms(); }

  LaneParts parts_;
  QueueId id_;
  Counted counted_;
  std::shared_ptr<const catalog::EnabledApp> app_;
  uint64_t buffer_units_ = 0;
  int64_t buffer_ms_ = 0;
  std::set<std::string, std::less<>> ignored_;  // events that exportEvents is not asked about

  std::map<uint64_t, Waiting> waiting_;
  std::set<std::pair<int64_t, uint64_t>> due_;  // (when, number) of those not being called
  uint64_t last_ = 0, bytes_ = 0;
  size_t calls_ = 0;  // under way
  int64_t rests_until_ms_ = 0, seen_ms_ = 0;
  int64_t said_full_ms_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::deliver
