// SealedLog: the log of a Penstock that is held, which can be closed to appends while it runs.
//
// Closed, it answers every append with kUnavailable (capture: 503, clients send again) until it is
// opened again; what was under way before has its outcome. Any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "log/forwarding_log.h"

namespace penstock::cli::move {

class SealedLog : public log::ForwardingLog {
 public:
  explicit SealedLog(std::unique_ptr<log::Log> inner) : ForwardingLog(std::move(inner)) {}

  void append(runtime::Loop& home, std::string topic, std::vector<log::Batch> batches,
              log::AppendDone done) override {
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->sealed) {
        home.post([done = std::move(done)]() mutable {
          done(fail(Code::kUnavailable, "the log moves to another engine; try again soon"));
        });
        return;
      }
      state_->under_way++;
    }
    ForwardingLog::append(home, std::move(topic), std::move(batches),
                          [state = state_, done = std::move(done)](auto got) mutable {
                            done(std::move(got));
                            const std::lock_guard lock(state->mutex);
                            state->under_way--;
                            state->changed.notify_all();
                          });
  }

  /// Closes it and waits until nothing is under way; false: something still is, and it is open.
  bool seal(std::chrono::milliseconds wait) {
    std::unique_lock lock(state_->mutex);
    state_->sealed = true;
    const auto quiet = [this] { return state_->under_way == 0; };
    if (state_->changed.wait_for(lock, wait, quiet)) return true;
    state_->sealed = false;
    return false;
  }
  void unseal() {
    const std::lock_guard lock(state_->mutex);
    state_->sealed = false;
  }

 private:
  struct State {  // answers may come when the log is gone
    std::mutex mutex;
    std::condition_variable changed;
    bool sealed = false;
    size_t under_way = 0;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace penstock::cli::move
