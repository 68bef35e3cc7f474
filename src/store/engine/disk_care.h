// DiskCare: keeps the engine from trusting a disk that is full.
//
// Seen with libchdb 26.7.3: writes that fail for want of space while a part is written can go
// unnoticed; the insert is confirmed, and at the next start the part is found too short and set
// aside, its rows with it. So: no insert without room for it, no merges while there is little, and
// parts that were written while there was little are read back before the insert is confirmed.
//
// Only the engine child uses this. Threads: `watch` has its own; the rest is called by the thread
// that inserts. Failure: texts like the engine's, for insert_error_code.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "store/engine/library.h"

namespace penstock::store {

class DiskCare {
 public:
  DiskCare(const EngineLibrary& library, std::string directory)
      : library_(library), directory_(std::move(directory)) {}

  /// Is there room to open the directory at all?
  bool may_open() const;
  /// Is there room for an insert of so many bytes?
  bool has_room(uint64_t bytes) const;
  /// Empty: an insert of so many bytes may begin; otherwise why not.
  std::string begin_insert(uint64_t bytes);
  /// Call when the engine has confirmed it. Empty: it is stored; otherwise a part was damaged, is
  /// dropped, and the insert is to be repeated.
  std::string end_insert(EngineLibrary::Connection connection);

  /// Looks at the disk for as long as the process lives; `run` is called with statements that stop
  /// and start merges.
  [[noreturn]] void watch(const std::function<void(std::string)>& run) const;

 private:
  uint64_t free_bytes() const;

  const EngineLibrary& library_;
  std::string directory_;
  bool low_ = false;     // when the insert began
  int64_t began_s_ = 0;  // Unix seconds
};

}  // namespace penstock::store
