// MemoryKv: a KeyValue in a sorted map, for tests and simulated runs.
//
// With `crashable` it remembers how to undo every change since the last flush, so that a simulated
// crash can lose a tail of the batches, as a real engine may. Any thread reads, one writes (it
// locks). Fails only when its gate does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "kv/key_value.h"

namespace penstock::kv {

struct MemoryKvOptions {
  bool crashable = false;
  /// Asked before every write and flush; its error is the answer and nothing happens. A simulated
  /// run passes the disk's `foreign_io` so that a kill can strike here too.
  std::function<Status()> gate;
};

class MemoryKv : public KeyValue {
 public:
  explicit MemoryKv(MemoryKvOptions options = {}) : options_(std::move(options)) {}

  Result<std::optional<std::string>> get(std::string_view key) const override;
  Result<std::vector<std::optional<std::string>>> get_many(
      const std::vector<std::string>& keys) const override;
  Status scan(std::string_view from, std::string_view to,
              const std::function<bool(std::string_view, std::string_view)>& visit) const override;
  Status write(const WriteBatch& batch) override;
  Status erase_range(std::string_view from, std::string_view to) override;
  Status flush() override;
  uint64_t disk_bytes() const override;

  /// Goes back to a state between the last flush and now, chosen by the seed: always a prefix of
  /// what was written. Only with `crashable`.
  void crash(uint64_t seed);
  /// How many writes a crash could lose.
  size_t unflushed() const;

 private:
  using Undo = std::vector<WriteBatch::Change>;  // what was there before, newest last

  mutable std::shared_mutex mutex_;
  MemoryKvOptions options_;
  std::map<std::string, std::string, std::less<>> map_;
  std::vector<Undo> undo_;
};

/// A KeyValue that forwards to one that outlives it: owners of a KeyValue come and go while the
/// state stays, as files do when a process is restarted.
std::unique_ptr<KeyValue> make_view(std::shared_ptr<KeyValue> kept);

}  // namespace penstock::kv
