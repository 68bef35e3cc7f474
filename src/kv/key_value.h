// KeyValue: an ordered map of bytes with atomic batches, for state that is derived from the log.
//
// What is written may be lost back to the last `flush` when the process or machine dies, always
// as a whole prefix of the batches written; owners keep their progress in the same batch and replay
// the log from there. Implementations: MemoryKv, RocksKv; one contract suite over both.
//
// Threads: any thread may read; writes come from one thread at a time. Calls block briefly (memory,
// or the page cache). Failure: kExhausted disk full, kCorrupt needs a repair, kUnavailable closed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::kv {

/// A set of changes applied together or not at all; later changes of a key win.
class WriteBatch {
 public:
  struct Change {
    std::string key;
    std::optional<std::string> value;  // nullopt: delete
  };
  void put(std::string_view key, std::string_view value) {
    changes_.push_back({std::string(key), std::string(value)});
  }
  void put_moved(std::string key, std::string value) {
    changes_.push_back({std::move(key), std::move(value)});
  }
  void erase(std::string_view key) { changes_.push_back({std::string(key), std::nullopt}); }
  const std::vector<Change>& changes() const { return changes_; }
  bool empty() const { return changes_.empty(); }
  void clear() { changes_.clear(); }

 private:
  std::vector<Change> changes_;
};

class KeyValue {
 public:
  virtual ~KeyValue() = default;

  virtual Result<std::optional<std::string>> get(std::string_view key) const = 0;
  /// One answer per key, in order; much cheaper than single gets.
  virtual Result<std::vector<std::optional<std::string>>> get_many(
      const std::vector<std::string>& keys) const = 0;
  /// The same without copies: calls `visit(index, value)` for every key that is there, in order;
  /// the value is valid during the call. An error of `visit` ends it.
  virtual Status visit_many(const std::vector<std::string>& keys,
                            const std::function<Status(size_t, std::string_view)>& visit) const;
  /// Calls `visit(key, value)` for keys in [from, to) in order until it answers false; an empty
  /// `to` means the end.
  virtual Status scan(
      std::string_view from, std::string_view to,
      const std::function<bool(std::string_view, std::string_view)>& visit) const = 0;
  /// Atomic, visible at once, durable after the next `flush`.
  virtual Status write(const WriteBatch& batch) = 0;
  /// Deletes [from, to); cheap whatever the number of keys.
  virtual Status erase_range(std::string_view from, std::string_view to) = 0;
  /// Makes everything written so far durable; blocks (call it from a pool job).
  virtual Status flush() = 0;
  virtual uint64_t disk_bytes() const = 0;
};

std::unique_ptr<KeyValue> make_memory_kv();

struct RocksOptions {
  std::string path;
  uint64_t cache_bytes = 32U << 20;
  uint64_t write_buffer_bytes = 16U << 20;
  /// For values of about a kilobyte under keys that are mostly there when they are asked for:
  /// values lie apart, so that keeping the keys in order moves no values, and the keys are few.
  /// May be changed from one opening to the next.
  bool large_values = false;
};
Result<std::unique_ptr<KeyValue>> open_rocks_kv(const RocksOptions& options);
/// Reads every file of a database that nobody has open and compares checksums; changes nothing.
/// kCorrupt names the file. Blocks for as long as reading takes.
Status verify_rocks_kv(const std::string& path);

/// The first key after every key that starts with `prefix` (empty: none), for scans.
std::string prefix_end(std::string_view prefix);

}  // namespace penstock::kv
