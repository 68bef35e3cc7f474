#include "apps/script/page.h"

#include <sys/mman.h>
#include <unistd.h>

#include <memory>

namespace penstock::apps {

Result<Page> Page::map(int fd) {
  void* at = ::mmap(nullptr, sizeof(Running), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) {
    ::close(fd);
    return fail(Code::kExhausted, "an app worker's page cannot be mapped");
  }
  return Page(fd, static_cast<Running*>(at));
}

Result<Page> Page::make() {
  const int fd = ::memfd_create("penstock-app-worker", MFD_CLOEXEC);
  if (fd < 0) return fail(Code::kExhausted, "an app worker's page cannot be made");
  if (::ftruncate(fd, sizeof(Running)) != 0) {
    ::close(fd);
    return fail(Code::kExhausted, "an app worker's page cannot be made");
  }
  PENSTOCK_TRY(Page page, map(fd));
  std::construct_at(&page.running());
  return page;
}

Result<Page> Page::open(int fd) { return map(fd); }

Page& Page::operator=(Page&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(at_, other.at_);
  return *this;
}

Page::~Page() {
  if (at_ != nullptr) ::munmap(at_, sizeof(Running));
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace penstock::apps
