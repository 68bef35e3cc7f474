// Queue: what Deliver keeps: positions, events that wait for a call, attempts, counts.
//
// Over a KeyValue; the layout is in docs/formats/deliver.md. Changes are gathered in a batch of the
// caller's, so that a position and what was read up to it are one write. Writes on one thread,
// reads from any. Failure: the KeyValue's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deliver/deliver.h"
#include "kv/key_value.h"

namespace penstock::deliver {

/// Whose queue it is.
struct QueueId {
  apps::ConfigId config = 0;
  Method method = Method::kOnEvent;
  auto operator<=>(const QueueId&) const = default;
};

/// An event that waits; its text stays in the store.
struct Waiting {
  Uuid event;
  int attempts = 0;  // that were made
  int64_t due_ms = 0, queued_ms = 0;
  uint64_t bytes = 0;  // of the text
  uint64_t units = 0;  // of the text, UTF-16: what JSON.stringify(…).length would say
};

struct Counted {
  uint64_t successes = 0, successes_on_retry = 0, failures = 0;
};

class Queue {
 public:
  explicit Queue(kv::KeyValue& kv) : kv_(kv) {}

  Result<std::map<int32_t, int64_t>> positions() const;
  static void put_position(kv::WriteBatch& batch, int32_t partition, int64_t next);

  static void put(kv::WriteBatch& batch, const QueueId& id, uint64_t number, const Waiting& waiting,
                  std::string_view text);
  static void erase(kv::WriteBatch& batch, const QueueId& id, uint64_t number);
  /// Texts of entries; one that is gone is empty.
  Result<std::vector<std::string>> texts(const QueueId& id,
                                         const std::vector<uint64_t>& numbers) const;
  /// All of one queue, in their order.
  Status scan(const QueueId& id,
              const std::function<void(uint64_t number, const Waiting&)>& visit) const;
  Status clear(const QueueId& id);

  void put_attempt(kv::WriteBatch& batch, const Uuid& event, const Attempt& attempt);
  Result<std::vector<Attempt>> attempts(const Uuid& event) const;
  /// Forgets attempts before `before_ms`, and the oldest ones of more than `most`: a bounded number
  /// of them; go on until it answers false.
  Result<bool> sweep(int64_t before_ms, uint64_t most);
  /// Counts what is remembered; at a start.
  Status count_attempts();

  static void put_counts(kv::WriteBatch& batch, const QueueId& id, const Counted& counts);
  Result<std::map<QueueId, Counted>> counts() const;

  Status write(const kv::WriteBatch& batch) { return kv_.write(batch); }
  Status flush() { return kv_.flush(); }

 private:
  kv::KeyValue& kv_;
  uint32_t attempt_number_ = 0;  // tells attempts of one moment apart
  uint64_t attempts_ = 0;
};

}  // namespace penstock::deliver
