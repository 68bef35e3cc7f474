// Offsets: where every consumer group stands, in memory and in one small file.
//
// The file is replaced atomically and ends in a checksum. Any thread; `save` blocks its caller.
// Failure: a file that is not what was written answers kCorrupt.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::log {

class Offsets {
 public:
  explicit Offsets(const std::string& directory) : path_(directory + "/offsets") {}

  Status load(runtime::FileSystem& files);
  /// Writes what is there now; nothing to do when it is what the file holds.
  Status save(runtime::FileSystem& files);

  Status commit(const std::string& group, const std::string& topic,
                const std::vector<Position>& positions);
  std::vector<Position> committed(const std::string& group, const std::string& topic) const;
  /// Below this no required group needs a record any more, per partition.
  std::vector<int64_t> required(const TopicSpec& topic) const;

 private:
  using Key = std::pair<std::string, std::string>;  // group, topic

  std::string text() const;

  const std::string path_;
  std::mutex save_mutex_;  // one writer of the file; taken before `mutex_`
  mutable std::mutex mutex_;
  std::map<Key, std::map<Partition, Offset>> positions_;
  uint64_t version_ = 0, saved_ = 0;
};

}  // namespace penstock::log
