// The disk behind the FileSystem interface. Calls block; errors name the path and the reason.
#pragma once

#include "runtime/runtime.h"

namespace penstock::runtime {

class PosixFileSystem : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override;
  Status create_directories(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) const override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  bool exists(const std::string& path) const override;
  Result<uint64_t> free_bytes(const std::string& path) const override;
};

}  // namespace penstock::runtime
