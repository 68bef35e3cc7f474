#include "runtime/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace penstock::runtime {

Result<LockFile> LockFile::take(const std::string& path) {
  LockFile lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!lock.held()) {
    const Code code = errno == EACCES || errno == EROFS ? Code::kDenied : Code::kUnavailable;
    return fail(code, "open " + path + ": " + std::strerror(errno));
  }
  if (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return fail(Code::kUnavailable, "lock " + path + ": " + std::strerror(errno));
    }
    std::array<char, 24> holder{};
    const ssize_t n = ::pread(lock.fd_, holder.data(), holder.size() - 1, 0);
    std::string pid(holder.data(), n > 0 ? static_cast<size_t>(n) : 0);
    while (!pid.empty() && pid.back() == '\n') pid.pop_back();
    return fail(Code::kConflict, "another penstock (pid " + (pid.empty() ? "unknown" : pid) +
                                     ") uses this directory");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.fd_, 0) != 0 ||
      ::pwrite(lock.fd_, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return fail(errno == ENOSPC || errno == EDQUOT ? Code::kExhausted : Code::kUnavailable,
                "write " + path + ": " + std::strerror(errno));
  }
  return lock;
}

LockFile& LockFile::operator=(LockFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

LockFile::~LockFile() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace penstock::runtime
