// LockFile: one process per data directory.
//
// Holds an advisory lock on a file as long as it lives; the kernel releases it when the process
// dies, however it dies. The file names the holder for people and is never removed. Any thread.
// Failure: kConflict, with the holder's pid, when another process has it.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace penstock::runtime {

class LockFile {
 public:
  static Result<LockFile> take(const std::string& path);

  LockFile() = default;
  LockFile(LockFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  LockFile& operator=(LockFile&& other) noexcept;
  ~LockFile();

  bool held() const { return fd_ >= 0; }

 private:
  explicit LockFile(int fd) : fd_(fd) {}

  int fd_ = -1;
};

}  // namespace penstock::runtime
