// Files of a RocksDB, each by itself: for checking what a running database has on disk.
//
// They are read past the database: no lock is needed, and one that compaction removes meanwhile
// answers kNotFound. Blocks for as long as reading takes; any thread. Memory: a megabyte or two.
#pragma once

#include <string>

#include "base/result.h"

namespace penstock::kv {

/// A `.sst` file: compares the checksum of every block. kCorrupt: they differ, or it is no such
/// file.
Status check_table_file(const std::string& path);

/// A `.blob` file, where values lie apart from their keys: compares the checksums of every key with
/// its value, and the end. kCorrupt names the first byte that is not right; kBusy: what there is is
/// right but has no end, as while it is being written, or when it was cut off.
Status check_value_file(const std::string& path);

}  // namespace penstock::kv
