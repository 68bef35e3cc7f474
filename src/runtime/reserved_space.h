// ReservedSpace: disk that nobody else can take, given back when the disk is full.
//
// A file of `bytes` lies in the data directory. When others fill the disk to the last byte, it is
// removed, and what is freed lets a process go on writing its own books, stop cleanly, or start. It
// is taken again when there is room. Also the one place to ask, before a write that must not fail
// halfway, whether the disk has room for it.
//
// Threads: any (a mutex inside; calls block for a file operation, or microseconds). Owner: main.
// Failure: kExhausted; a disk that cannot be asked counts as having room.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "base/result.h"
#include "runtime/runtime.h"

namespace penstock::runtime {

struct ReservedSpaceOptions {
  std::string path;  // of the file; its folder exists
  // A start makes write-ahead logs of 60 MiB and wants 64 MiB left to recover those of the last
  // one: this is for a stop and for starts that are killed. 0: none.
  uint64_t bytes = 192U << 20;
  uint64_t floor = 16U << 20;      // below so much free space, the reserve is given up
  uint64_t headroom = 256U << 20;  // free space beside it for it to be taken
};

class ReservedSpace {
 public:
  ReservedSpace(FileSystem& files, ReservedSpaceOptions options);

  /// kExhausted unless `bytes` can be written and the floor is kept; gives the reserve up for it.
  Status room(uint64_t bytes);
  /// Gives it up or takes it, as free space asks for. Call it at start and every second or so.
  void look();
  bool held() const;

 private:
  uint64_t free_bytes() const;
  void release();
  void take();

  FileSystem& files_;
  const ReservedSpaceOptions options_;
  mutable std::mutex mutex_;
  bool held_ = false;
};

}  // namespace penstock::runtime
