#include "runtime/real/posix_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace penstock::runtime {
namespace {

std::unexpected<Error> os_fail(const std::string& what, int error) {
  Code code = Code::kUnavailable;
  if (error == ENOSPC || error == EDQUOT || error == ENOMEM) code = Code::kExhausted;
  if (error == ENOENT) code = Code::kNotFound;
  if (error == EACCES || error == EPERM || error == EROFS) code = Code::kDenied;
  return fail(code, what + ": " + std::strerror(error));
}

class PosixFile : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<size_t> pread(std::span<char> out, uint64_t at) const override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n =
          ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(at + done));
      if (n == 0) break;
      if (n < 0) {
        if (errno == EINTR) continue;
        return os_fail("read " + path_, errno);
      }
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status pwrite(std::string_view data, uint64_t at) override {
    size_t done = 0;
    while (done < data.size()) {
      const ssize_t n =
          ::pwrite(fd_, data.data() + done, data.size() - done, static_cast<off_t>(at + done));
      if (n < 0) {
        if (errno == EINTR) continue;
        return os_fail("write " + path_, errno);
      }
      done += static_cast<size_t>(n);
    }
    return {};
  }

  Status sync() override {
    if (::fdatasync(fd_) != 0) return os_fail("sync " + path_, errno);
    return {};
  }

  Result<uint64_t> size() const override {
    struct stat s{};
    if (::fstat(fd_, &s) != 0) return os_fail("stat " + path_, errno);
    return static_cast<uint64_t>(s.st_size);
  }

  Status allocate(uint64_t size) override {
    const int error = ::posix_fallocate(fd_, 0, static_cast<off_t>(size));
    if (error != 0) return os_fail("reserve space for " + path_, error);
    return {};
  }

  Status truncate(uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return os_fail("cut " + path_, errno);
    return {};
  }

 private:
  int fd_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<File>> PosixFileSystem::open(const std::string& path, OpenOptions options) {
  int flags = (options.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
  if (options.create) flags |= O_CREAT;
  if (options.truncate) flags |= O_TRUNC;
  int fd = ::open(path.c_str(), flags | (options.direct ? O_DIRECT : 0), 0640);
  // Some file systems (tmpfs among them) refuse O_DIRECT; buffered writes with fdatasync are as
  // safe.
  if (fd < 0 && errno == EINVAL && options.direct) fd = ::open(path.c_str(), flags, 0640);
  if (fd < 0) return os_fail("open " + path, errno);
  return std::make_unique<PosixFile>(fd, path);
}

Status PosixFileSystem::create_directories(const std::string& path) {
  std::error_code error;
  // The names of new directories must survive a crash as what is written into them does.
  std::vector<std::filesystem::path> parents;
  std::filesystem::path at = std::filesystem::absolute(path, error).lexically_normal();
  if (!at.has_filename()) at = at.parent_path();
  for (; at.has_relative_path() && !std::filesystem::exists(at, error); at = at.parent_path()) {
    parents.push_back(at.parent_path());
  }
  std::filesystem::create_directories(path, error);
  if (error) return os_fail("create " + path, error.value());
  for (const auto& parent : parents) PENSTOCK_CHECK(sync_directory(parent.string()));
  return {};
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& path) const {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return os_fail("list " + path, errno);
  std::vector<std::string> out;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  ::closedir(directory);
  std::sort(out.begin(), out.end());
  return out;
}

Status PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) return os_fail("rename " + from, errno);
  return {};
}

Status PosixFileSystem::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return os_fail("remove " + path, errno);
  return {};
}

Status PosixFileSystem::sync_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return os_fail("open " + path, errno);
  const int code = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  if (code != 0) return os_fail("sync " + path, error);
  return {};
}

bool PosixFileSystem::exists(const std::string& path) const {
  return ::access(path.c_str(), F_OK) == 0;
}

Result<uint64_t> PosixFileSystem::free_bytes(const std::string& path) const {
  struct statvfs s{};
  if (::statvfs(path.c_str(), &s) != 0) return os_fail("stat " + path, errno);
  return uint64_t{s.f_bavail} * s.f_frsize;
}

}  // namespace penstock::runtime
