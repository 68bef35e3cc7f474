// EngineStore: the EventStore on the embedded ClickHouse engine, which runs in a child process.
//
// The engine is a large library that may die; its death costs a restart and nothing else: inserts
// in progress answer kMaybe and are repeated by the loader under the same batch id, queries answer
// kUnavailable. One child per data directory. All calls on `home`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/net.h"
#include "store/event_store.h"

namespace penstock::store {

struct EngineOptions {
  std::string directory;  // where the engine keeps its files
  std::string library;    // libchdb.so; empty: beside the binary
  std::string binary;     // runs `engine-child`; empty: this very program
  uint64_t memory_bytes_max = 1U << 30;
  int64_t restart_ms_min = 200, restart_ms_max = 10'000;
  int64_t stop_ms_max = 10'000;     // for the insert in progress when stopping
  int64_t insert_ms_max = 300'000;  // then the engine counts as hung and is restarted
  size_t requests_max = 256;        // inserts and queries under way; more: kBusy
  // Of the disk, left free by a squash: below it parts that are written cannot be trusted
  // (engine/disk_care.h).
  uint64_t squash_room_bytes = 1U << 30;
};

Result<std::unique_ptr<EventStore>> make_engine_store(runtime::Runtime& runtime,
                                                      runtime::Loop& home, runtime::Poller& poller,
                                                      EngineOptions options);

/// The child's side: `engine-child --path DIR --lib FILE --fd N --memory BYTES`.
int engine_child_main(int argc, char** argv);

}  // namespace penstock::store
