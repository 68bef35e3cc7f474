// RetryingStore: an EventStore whose queries are asked again while its server is away.
//
// A query changes nothing, so kUnavailable is tried again after pauses that double; its own
// deadline counts from the first try. Inserts go through as they are: the loader repeats them
// under the same id and paces itself. Threads: as the store inside.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/runtime.h"
#include "store/event_store.h"

namespace penstock::store {

struct RetryingStoreOptions {
  int tries_max = 4;
  int64_t first_pause_ms = 100, longest_pause_ms = 2000;
};

std::unique_ptr<EventStore> make_retrying_store(std::unique_ptr<EventStore> inner,
                                                runtime::Runtime& runtime, runtime::Loop& home,
                                                RetryingStoreOptions options = {});

}  // namespace penstock::store
