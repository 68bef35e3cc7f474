#include "kv/table_file.h"

#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>

#include <filesystem>

namespace penstock::kv {

Status check_table_file(const std::string& path) {
  rocksdb::Options options;
  options.max_open_files = 1;
  rocksdb::SstFileReader reader(options);
  rocksdb::Status s = reader.Open(path);
  if (s.ok()) {
    rocksdb::ReadOptions read;
    read.fill_cache = false;
    read.readahead_size = 1U << 20;
    s = reader.VerifyChecksum(read);
  }
  if (s.ok()) return {};
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return fail(Code::kNotFound, path + " is gone");
  const bool damaged = s.IsCorruption() || s.IsNotSupported() || s.IsInvalidArgument();
  return fail(damaged ? Code::kCorrupt : Code::kUnavailable, s.ToString());
}

}  // namespace penstock::kv
