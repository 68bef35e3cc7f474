// RetryingObjects: an ObjectStore that repeats what may be repeated, within its caller's patience.
//
// kUnavailable, kBusy and kMaybe are tried again after pauses that double, each drawn between half
// of that and all of it, so that callers do not return in step; other errors are answered at once.
// A put_if_absent whose first answer was lost may find its own object: then the bytes decide.
// Threads: as the store inside; a call sleeps in its thread.
#pragma once

#include <functional>
#include <memory>

#include "objects/object_store.h"

namespace penstock::objects {

struct RetryOptions {
  int tries_max = 5;
  runtime::Duration first_pause = std::chrono::milliseconds(50);
  runtime::Duration longest_pause = std::chrono::seconds(2);
};

/// `pause` blocks for so long; tests give one that does not.
std::unique_ptr<ObjectStore> make_retrying_objects(std::unique_ptr<ObjectStore> inner,
                                                   runtime::Runtime& runtime,
                                                   std::function<void(runtime::Duration)> pause,
                                                   RetryOptions options = {});

}  // namespace penstock::objects
