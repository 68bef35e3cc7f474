// ReopeningKv: a KeyValue that is opened again after its engine failed to write.
//
// RocksDB does not take another write after its log could not be written (a full disk): it must be
// opened anew. That loses nothing which `write` confirmed: it is in the log's file. Before a write
// it asks whether the disk has room, so that the engine rarely meets the end of it at all.
//
// Threads and failure as KeyValue; in addition kExhausted while there is no room, and whatever
// opening answers. Reads go on until the first write after the failure.
#pragma once

#include <functional>
#include <memory>

#include "kv/key_value.h"

namespace penstock::kv {

struct ReopeningHooks {
  std::function<Result<std::unique_ptr<KeyValue>>()> open;
  /// Is there room for a write of so many bytes? Any thread.
  std::function<Status(uint64_t bytes)> room;
};

Result<std::unique_ptr<KeyValue>> open_reopening_kv(ReopeningHooks hooks);

}  // namespace penstock::kv
