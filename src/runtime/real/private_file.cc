#include "runtime/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace penstock::runtime {
namespace {

std::unexpected<Error> file_error(const std::string& path) {
  const Code code = errno == ENOENT   ? Code::kNotFound
                    : errno == EEXIST ? Code::kConflict
                    : errno == EACCES ? Code::kDenied
                    : errno == ENOSPC ? Code::kExhausted
                                      : Code::kUnavailable;
  return fail(code, path + ": " + std::strerror(errno));
}

class Handle {
 public:
  explicit Handle(int fd) : fd_(fd) {}
  ~Handle() {
    if (fd_ >= 0) ::close(fd_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

Status make_private_file(const std::string& path, std::string_view text) {
  const Handle file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) return file_error(path);
  // Short enough to be written at once or not at all.
  const ssize_t written = ::write(file.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()) || ::fsync(file.get()) != 0) {
    const auto error = file_error(path);
    ::unlink(path.c_str());
    return error;
  }
  return {};
}

Result<std::string> read_private_file(const std::string& path, size_t bytes_max) {
  const Handle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about{};
  if (file.get() < 0 || ::fstat(file.get(), &about) != 0) return file_error(path);
  if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail(Code::kDenied, path + " may be read by others: chmod 600 it");
  }
  std::string out(bytes_max + 1, '\0');
  const ssize_t got = ::read(file.get(), out.data(), out.size());
  if (got < 0) return file_error(path);
  out.resize(static_cast<size_t>(got));
  if (out.size() > bytes_max) return fail(Code::kInvalid, path + " is too large");
  return out;
}

}  // namespace penstock::runtime
