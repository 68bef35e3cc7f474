#include "runtime/runtime.h"

namespace penstock::runtime {

Result<std::string> read_file(FileSystem& files, const std::string& path, size_t bytes_max) {
  PENSTOCK_TRY(const auto file, files.open(path, {.read_only = true}));
  PENSTOCK_TRY(const uint64_t size, file->size());
  if (size > bytes_max) return fail(Code::kInvalid, path + " is larger than it should be");
  std::string out(size, '\0');
  PENSTOCK_TRY(const size_t got, file->pread(out, 0));
  out.resize(got);
  return out;
}

Status write_file_atomic(FileSystem& files, const std::string& path, std::string_view content) {
  const std::string fresh = path + ".new";
  {
    PENSTOCK_TRY(const auto file, files.open(fresh, {.create = true, .truncate = true}));
    PENSTOCK_CHECK(file->pwrite(content, 0));
    PENSTOCK_CHECK(file->sync());
  }
  PENSTOCK_CHECK(files.rename(fresh, path));
  const size_t slash = path.rfind('/');
  return files.sync_directory(slash == std::string::npos ? "." : path.substr(0, slash));
}

}  // namespace penstock::runtime
