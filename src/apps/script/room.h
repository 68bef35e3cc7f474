// Room: memory in which the parent lays out batches, and that their worker reads in place.
//
// The parent writes and never reads it; a worker cannot write it. A place is taken for a batch and
// given back when its answer is there; the lowest free place is taken, so that a few pages are used
// again and again while they are warm. One thread on each side. Failure: kExhausted.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace penstock::apps {

class Room {
 public:
  static constexpr size_t kBytes = size_t{8} << 20;

  static Result<Room> make();
  /// What the parent made, by the descriptor that this process inherited: for reading.
  static Result<Room> open(int fd);
  Room(Room&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        at_(std::exchange(other.at_, nullptr)),
        taken_(std::move(other.taken_)) {}
  Room& operator=(Room&& other) noexcept;
  ~Room();

  int fd() const { return fd_; }
  /// Where so many bytes begin that nobody else uses; nothing: there are none.
  std::optional<size_t> take(size_t bytes);
  /// Of a place that was taken.
  void give_back(size_t at) { taken_.erase(at); }
  char* memory(size_t at) { return at_ + at; }
  /// Empty where that is not within the room.
  std::string_view text(size_t at, size_t bytes) const;

 private:
  Room(int fd, char* at) : fd_(fd), at_(at) {}

  int fd_ = -1;
  char* at_ = nullptr;
  std::map<size_t, size_t> taken_;  // begin to size
};

}  // namespace penstock::apps
