// Shard: one thread that captures, with its listener.
//
// Made and ended by Process; `service` and `server` live on `thread`'s loop, those of the first
// shard on the log's.
#pragma once

#include <fmt/format.h>

#include <memory>

#include "capture/capture.h"
#include "runtime/real_runtime.h"
#include "wire/http.h"

namespace penstock::cli {

struct Shard {
  explicit Shard(size_t index) : thread(fmt::format("capture-{}", index)) {}
  runtime::LoopThread thread;
  std::unique_ptr<capture::CaptureService> service;
  std::unique_ptr<wire::Server> server;
};

}  // namespace penstock::cli
