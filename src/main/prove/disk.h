// What the disk below a directory promises: how long a sync takes, and whether it can be one.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace penstock::cli::prove {

struct DiskReport {
  std::string file_system;  // "ext4", "xfs", "tmpfs", …
  uint64_t free_bytes = 0;
  double sync_ms_p50 = 0, sync_ms_p99 = 0;  // 4 KiB appended, then fdatasync
  /// What to know about it, in a sentence; empty: nothing unusual.
  std::string warning;
};

Result<DiskReport> look_at_disk(const std::string& directory);

}  // namespace penstock::cli::prove
