#include "apps/script/room.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace penstock::apps {
namespace {

constexpr size_t kLine = 64;  // of the processor's cache: two batches share none

}  // namespace

Result<Room> Room::make() {
  const int fd = ::memfd_create("penstock-app-batches", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return fail(Code::kExhausted, "memory for an app worker's batches cannot be made");
  Room room(fd, nullptr);
  void* at = MAP_FAILED;
  if (::ftruncate(fd, kBytes) == 0) {
    at = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  if (at == MAP_FAILED) {
    return fail(Code::kExhausted, "memory for an app worker's batches cannot be made");
  }
  room.at_ = static_cast<char*>(at);
  // From here on nobody maps it for writing, and its size stays. A kernel before 5.1 knows no such
  // seal; the worker's own mapping is for reading there, too.
  constexpr int kSize = F_SEAL_SHRINK | F_SEAL_GROW;
  if (::fcntl(fd, F_ADD_SEALS, kSize | F_SEAL_FUTURE_WRITE) != 0) {
    ::fcntl(fd, F_ADD_SEALS, kSize);
  }
  return room;
}

Result<Room> Room::open(int fd) {
  void* at = ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) {
    return fail(Code::kExhausted, "an app worker's batches cannot be mapped");
  }
  return Room(fd, static_cast<char*>(at));
}

Room& Room::operator=(Room&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(at_, other.at_);
  std::swap(taken_, other.taken_);
  return *this;
}

Room::~Room() {
  if (at_ != nullptr) ::munmap(at_, kBytes);
  if (fd_ >= 0) ::close(fd_);
}

std::optional<size_t> Room::take(size_t bytes) {
  if (bytes > kBytes) return std::nullopt;
  const size_t wanted = (bytes + kLine - 1) / kLine * kLine;
  size_t begin = 0;
  for (const auto& [at, size] : taken_) {
    if (at - begin >= wanted) break;
    begin = at + size;
  }
  if (wanted == 0 || wanted > kBytes - begin) return std::nullopt;
  taken_[begin] = wanted;
  return begin;
}

std::string_view Room::text(size_t at, size_t bytes) const {
  if (at > kBytes || bytes > kBytes - at) return {};
  return {at_ + at, bytes};
}

}  // namespace penstock::apps
