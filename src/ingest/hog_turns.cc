#include "ingest/hog_turns.h"

#include <chrono>

namespace penstock::ingest {
namespace {

constexpr auto kAgain = std::chrono::milliseconds(10);

}  // namespace

void HogTurns::add(std::shared_ptr<Task> task) {
  fresh_.push_back(std::move(task));
  go_on();
}

void HogTurns::go_on() {
  while (working_ < kAtOnceMax && !pool_is_full_ && !(fresh_.empty() && begun_.empty())) {
    Line& line = begun_.empty() || (fresh_next_ && !fresh_.empty()) ? fresh_ : begun_;
    if (!submit(line.front())) {
      pool_is_full_ = true;
      loop_.after(kAgain, [this, alive = alive_] {
        if (!*alive) return;
        pool_is_full_ = false;
        go_on();
      });
      return;
    }
    line.pop_front();
    fresh_next_ = &line != &fresh_;
  }
}

bool HogTurns::submit(const std::shared_ptr<Task>& task) {
  task->turns();
  auto done = std::make_shared<bool>(false);
  const auto turned = [this, alive = alive_, task, done] {
    if (!*alive) return;
    working_--;
    if (!*done) begun_.push_back(task);
    task->turned(*done);
    if (*alive) go_on();
  };
  if (!pool_.submit([task, done] { *done = task->turn(); }, loop_, turned)) return false;
  working_++;
  return true;
}

}  // namespace penstock::ingest
