// Doing something on another thread's loop and waiting for it: how main starts and stops its parts.
//
// Never from the loop itself, which would wait for itself.
#pragma once

#include <future>
#include <utility>

#include "base/result.h"
#include "runtime/real_runtime.h"

namespace penstock::cli {

/// Runs a task on a loop and waits for it.
template <typename Work>
void on_loop(runtime::LoopThread& thread, Work work) {
  std::promise<void> done;
  thread.loop().post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

/// Starts something asynchronous on a loop and waits for its Status.
template <typename Start>
Status await(runtime::LoopThread& thread, Start start) {
  std::promise<Status> promise;
  thread.loop().post([&] { start([&promise](Status s) { promise.set_value(std::move(s)); }); });
  return promise.get_future().get();
}

/// Stops a stage that lives on a loop and waits; nothing where there is none.
template <typename Stage>
void stop_stage(runtime::LoopThread& thread, Stage& stage) {
  if (!stage) return;
  std::promise<void> done;
  thread.loop().post([&] { stage->stop([&] { done.set_value(); }); });
  done.get_future().wait();
}

}  // namespace penstock::cli
