// DiskWatch: looks after the disk below the data directory, and opens state databases that survive
// it being full.
//
// Owner: the process; stop it on its loop before the runtime goes. Thread: the loop given; `open`
// at start only.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "kv/key_value.h"
#include "runtime/reserved_space.h"
#include "runtime/runtime.h"

namespace penstock::cli {

class DiskWatch {
 public:
  /// Looks at once: what is reserved may be what this start needs.
  DiskWatch(runtime::Runtime& runtime, runtime::ReservedSpaceOptions options);
  ~DiskWatch() { *alive_ = false; }
  DiskWatch(const DiskWatch&) = delete;
  DiskWatch& operator=(const DiskWatch&) = delete;

  /// Looks every quarter of a second from now on.
  void start(runtime::Loop& loop);
  /// A database that asks here for room, and is opened again when it failed all the same. What it
  /// gave out must be gone before this is.
  Result<std::unique_ptr<kv::KeyValue>> open(const kv::RocksOptions& options);

 private:
  void look();

  runtime::Runtime& runtime_;
  std::shared_ptr<runtime::ReservedSpace> reserved_;
  runtime::Loop* loop_ = nullptr;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::cli
