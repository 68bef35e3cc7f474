// Answers: callbacks gathered for several loops, handed over with one post per loop.
#pragma once

#include <utility>
#include <vector>

#include "runtime/runtime.h"

namespace penstock::log {

class Answers {
 public:
  void add(runtime::Loop* home, runtime::Task task) {
    for (auto& [loop, waiting] : by_loop_) {
      if (loop == home) return waiting.push_back(std::move(task));
    }
    by_loop_.emplace_back(home, std::vector<runtime::Task>());
    by_loop_.back().second.push_back(std::move(task));
  }
  void send() {
    for (auto& [loop, waiting] : by_loop_) {
      loop->post([tasks = std::move(waiting)]() mutable {
        for (runtime::Task& t : tasks) t();
      });
    }
    by_loop_.clear();
  }

 private:
  std::vector<std::pair<runtime::Loop*, std::vector<runtime::Task>>> by_loop_;
};

}  // namespace penstock::log
