// HogTurns: work of Hog apps on the pool, in turns of some milliseconds.
//
// The pool is everybody's: stores are flushed there, too. So two threads of it at most work for Hog
// apps at a time, and what takes longer than a turn goes to the end of the line, behind what else
// the pool has to do. Work that had no turn yet and work that had some are taken alternately:
// nobody's first turn waits behind all who take long. Ingest loop only, but for `Task::turn`.
#pragma once

#include <deque>
#include <memory>
#include <utility>

#include "runtime/runtime.h"

namespace penstock::ingest {

class HogTurns {
 public:
  static constexpr size_t kAtOnceMax = 2;

  class Task {
   public:
    virtual ~Task() = default;
    /// On the loop, before each turn; twice where the pool was full.
    virtual void turns() {}
    /// On a pool thread: works for a while. True: it is done.
    virtual bool turn() = 0;
    /// On the loop, after each turn.
    virtual void turned(bool done) = 0;
  };

  HogTurns(runtime::Loop& loop, runtime::BlockingPool& pool) : loop_(loop), pool_(pool) {}
  ~HogTurns() { *alive_ = false; }
  HogTurns(const HogTurns&) = delete;
  HogTurns& operator=(const HogTurns&) = delete;

  void add(std::shared_ptr<Task> task);

 private:
  using Line = std::deque<std::shared_ptr<Task>>;
  void go_on();
  bool submit(const std::shared_ptr<Task>& task);

  runtime::Loop& loop_;
  runtime::BlockingPool& pool_;
  Line fresh_, begun_;
  bool fresh_next_ = true, pool_is_full_ = false;
  size_t working_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::ingest
