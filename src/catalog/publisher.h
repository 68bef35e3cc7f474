// Publisher: holds the current Snapshot and tells listeners about a new one.
//
// Shared by every Catalog implementation. `current` is one locked pointer copy, from any thread;
// `publish` comes from the one writer. Listeners run on the writer's thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "catalog/catalog.h"

namespace penstock::catalog {

class Publisher {
 public:
  using Listener = std::function<void(std::shared_ptr<const Snapshot>)>;

  Publisher() : current_(std::make_shared<const Snapshot>()) {}

  std::shared_ptr<const Snapshot> current() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }
  void add_listener(Listener listener) {
    const std::lock_guard lock(mutex_);
    listeners_.push_back(std::move(listener));
  }
  /// `projects` sorted by id.
  void publish(std::vector<Project> projects) {
    auto fresh = std::make_shared<Snapshot>();
    fresh->projects = std::move(projects);
    for (size_t i = 0; i < fresh->projects.size(); i++) {
      fresh->by_token.emplace(fresh->projects[i].token, i);
      fresh->any_apps = fresh->any_apps || fresh->projects[i].apps != nullptr;
    }
    std::vector<Listener> listeners;
    {
      const std::lock_guard lock(mutex_);
      fresh->version = current_->version + 1;
      current_ = fresh;
      listeners = listeners_;
    }
    for (const Listener& listener : listeners) listener(fresh);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> current_;
  std::vector<Listener> listeners_;
};

}  // namespace penstock::catalog
