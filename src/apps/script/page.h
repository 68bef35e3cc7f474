// Page: memory that a worker and its parent share: which script runs right now, and since when.
//
// The worker writes it at every entry into a script; when the worker dies or stands still, the
// parent reads who was running, without asking anybody. All fields are atomic; the parent maps it
// as the worker does. Failure: kExhausted.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/result.h"

namespace penstock::apps {

struct Running {
  std::atomic<uint64_t> instance{0};   // 0: no script runs
  std::atomic<uint64_t> batch{0};      // 0: no event is being worked on
  std::atomic<uint64_t> index{0};      // of the event in the batch
  std::atomic<uint64_t> entries{0};    // counts entries, so that two are told apart
  std::atomic<int64_t> entered_ns{0};  // monotonic
  std::atomic<uint64_t> taken{0};      // the last batch that was read
  /// `taken` when it last had nothing to begin: what it has of that batch and those before it, and
  /// has not answered, waits for its own apps or for others of its project.
  std::atomic<uint64_t> rested{0};
};

class Page {
 public:
  static Result<Page> make();
  /// What the parent made, by the descriptor that this process inherited.
  static Result<Page> open(int fd);
  Page(Page&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), at_(std::exchange(other.at_, nullptr)) {}
  Page& operator=(Page&& other) noexcept;
  ~Page();

  int fd() const { return fd_; }
  Running& running() const { return *at_; }

 private:
  Page(int fd, Running* at) : fd_(fd), at_(at) {}
  static Result<Page> map(int fd);

  int fd_ = -1;
  Running* at_ = nullptr;
};

}  // namespace penstock::apps
