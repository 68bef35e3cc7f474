// RecyclingAllocator: gives the memory of one kind of object back to the next of its kind.
//
// For objects that live and die by the hundred at a time (a request's, until the disk has
// answered): the general allocator keeps a handful of each size at hand and walks its lists for the
// rest. Use it with std::allocate_shared. Any thread: each has a list of its own, bounded, and
// memory goes to the list of the thread that frees it.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace penstock {

template <typename T>
class RecyclingAllocator {
 public:
  using value_type = T;
  static constexpr size_t kKeptMax = 1024;  // per thread

  RecyclingAllocator() = default;
  template <typename U>
  explicit(false) RecyclingAllocator(const RecyclingAllocator<U>&) {}

  T* allocate(size_t n) {
    auto& kept = list().kept;
    if (n != 1 || kept.empty()) return std::allocator<T>().allocate(n);
    T* p = kept.back();
    kept.pop_back();
    return p;
  }
  void deallocate(T* p, size_t n) {
    auto& kept = list().kept;
    if (n != 1 || kept.size() == kept.capacity()) return std::allocator<T>().deallocate(p, n);
    kept.push_back(p);  // has room: freeing never allocates
  }
  template <typename U>
  bool operator==(const RecyclingAllocator<U>&) const {
    return true;
  }

 private:
  struct List {
    List() { kept.reserve(kKeptMax); }
    ~List() {
      for (T* p : kept) std::allocator<T>().deallocate(p, 1);
      std::vector<T*>().swap(kept);  // what is freed later still finds a list, a full one
    }
    std::vector<T*> kept;
  };
  static List& list() {
    thread_local List one;
    return one;
  }
};

/// std::make_shared whose memory is recycled.
template <typename T, typename... Args>
std::shared_ptr<T> make_recycled(Args&&... args) {
  return std::allocate_shared<T>(RecyclingAllocator<T>(), std::forward<Args>(args)...);
}

}  // namespace penstock
