// The process's allocator: jemalloc, except in the engine child.
//
// An event needs a few dozen texts and blocks of one to four kilobytes, which glibc's thread caches
// do not hold; with jemalloc an event costs a fifth less. The engine's library brings an allocator
// of its own and hands what libc gave it back to glibc's `free`, whatever the program's `free` is,
// so in its process every call goes on to glibc. Which one it is, is decided at the first call,
// that is before main, from the command line. Any thread; never fails itself.
#ifdef PENSTOCK_OWN_ALLOCATOR

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string_view>

// jemalloc's functions under names of their own: cmake/Allocator.cmake renames them.
extern "C" {
void* own_malloc(size_t size) noexcept;
void* own_calloc(size_t count, size_t size) noexcept;
void* own_realloc(void* p, size_t size) noexcept;
void own_free(void* p) noexcept;
void* own_memalign(size_t alignment, size_t size) noexcept;
int own_posix_memalign(void** p, size_t alignment, size_t size) noexcept;
size_t own_malloc_usable_size(void* p) noexcept;

void* __libc_malloc(size_t size) noexcept;
void* __libc_calloc(size_t count, size_t size) noexcept;
void* __libc_realloc(void* p, size_t size) noexcept;
void __libc_free(void* p) noexcept;
void* __libc_memalign(size_t alignment, size_t size) noexcept;
}

namespace {

enum class Allocator : uint8_t { kUndecided, kOwn, kSystem };
constinit std::atomic<Allocator> chosen = Allocator::kUndecided;

/// Nothing in here may allocate.
[[gnu::noinline]] Allocator choose() {
  std::array<char, 4096> line{};
  Allocator out = Allocator::kOwn;
  if (const int fd = ::open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC); fd >= 0) {
    const ssize_t n = ::read(fd, line.data(), line.size() - 1);
    ::close(fd);
    std::string_view words(line.data(), n > 0 ? static_cast<size_t>(n) : 0);
    words.remove_prefix(std::min(words.find('\0'), words.size()));
    using namespace std::string_view_literals;
    if (words.starts_with("\0engine-child\0"sv)) out = Allocator::kSystem;
  }
  chosen.store(out, std::memory_order_relaxed);
  return out;
}

inline bool own() {
  Allocator now = chosen.load(std::memory_order_relaxed);
  if (now == Allocator::kUndecided) [[unlikely]] {
    now = choose();
  }
  return now == Allocator::kOwn;
}

size_t system_usable_size(void* p) {
  using Function = size_t (*)(void*);
  static const auto next = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "malloc_usable_size"));
  return next == nullptr ? 0 : next(p);
}

}  // namespace

extern "C" {

void* malloc(size_t size) noexcept { return own() ? own_malloc(size) : __libc_malloc(size); }
void* calloc(size_t count, size_t size) noexcept {
  return own() ? own_calloc(count, size) : __libc_calloc(count, size);
}
void* realloc(void* p, size_t size) noexcept {
  return own() ? own_realloc(p, size) : __libc_realloc(p, size);
}
void free(void* p) noexcept { return own() ? own_free(p) : __libc_free(p); }
void* memalign(size_t alignment, size_t size) noexcept {
  return own() ? own_memalign(alignment, size) : __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) noexcept { return memalign(alignment, size); }
int posix_memalign(void** p, size_t alignment, size_t size) noexcept {
  if (own()) return own_posix_memalign(p, alignment, size);
  if (alignment % sizeof(void*) != 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
  void* got = __libc_memalign(alignment, size);
  if (got == nullptr) return ENOMEM;
  *p = got;
  return 0;
}
void* valloc(size_t size) noexcept {
  return memalign(static_cast<size_t>(::sysconf(_SC_PAGESIZE)), size);
}
size_t malloc_usable_size(void* p) noexcept {
  return own() ? own_malloc_usable_size(p) : system_usable_size(p);
}

}  // extern "C"

#endif
