// MemoryWatch: the most memory the process had allocated at once, beyond what it had at the start.
//
// Counts through the address sanitizer's hooks, and nothing in builds without it: there `peak` is 0
// and every bound holds. One at a time, on the thread that allocates.
#pragma once

#include <cstddef>

extern "C" {
__attribute__((weak)) int __sanitizer_install_malloc_and_free_hooks(
    void (*on_malloc)(const volatile void*, size_t), void (*on_free)(const volatile void*));
__attribute__((weak)) size_t __sanitizer_get_allocated_size(const volatile void* p);
}

namespace penstock::fuzz {

class MemoryWatch {
 public:
  MemoryWatch() {
    [[maybe_unused]] static const bool installed = install();
    counts() = {0, 0, true};
  }
  ~MemoryWatch() { counts().watching = false; }
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  size_t peak() const { return static_cast<size_t>(counts().peak); }

 private:
  struct Counts {
    long live = 0, peak = 0;
    bool watching = false;
  };
  static Counts& counts() {
    static Counts instance;
    return instance;
  }
  static bool install() {
    if (__sanitizer_install_malloc_and_free_hooks == nullptr) return false;
    __sanitizer_install_malloc_and_free_hooks(
        [](const volatile void*, size_t size) {
          Counts& c = counts();
          if (!c.watching) return;
          c.live += static_cast<long>(size);
          c.peak = c.live > c.peak ? c.live : c.peak;
        },
        [](const volatile void* p) {
          Counts& c = counts();
          // The size is the block's as asked for; what was allocated before goes below zero.
          if (c.watching && p != nullptr)
            c.live -= static_cast<long>(__sanitizer_get_allocated_size(p));
        });
    return true;
  }
};

}  // namespace penstock::fuzz
