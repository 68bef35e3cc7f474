// KnownSet: hashes of what is known, each with a small number; a table that never shrinks.
//
// Open addressing over 16-byte slots, at most half full, so that what is not there is found out
// with one look. Two names with one hash are taken for one, which costs a definition once in
// millions of years of names. Not thread safe.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace penstock::definitions {

class KnownSet {
 public:
  /// nullptr: not known. The pointer holds until the next insert.
  uint32_t* find(uint64_t hash) {
    if (slots_.empty()) return nullptr;
    for (size_t at = place(hash);; at = (at + 1) & mask_) {
      Slot& slot = slots_[at];
      if (slot.used == 0) return nullptr;
      if (slot.hash == hash) return &slot.value;
    }
  }

  /// `hash` must not be known.
  void insert(uint64_t hash, uint32_t value) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    put(hash, value);
    size_++;
  }

  size_t size() const { return size_; }

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t value = 0, used = 0;
  };
  static constexpr size_t kFirst = 1024;

  size_t place(uint64_t hash) const { return static_cast<size_t>(hash) & mask_; }

  void put(uint64_t hash, uint32_t value) {
    size_t at = place(hash);
    while (slots_[at].used != 0) at = (at + 1) & mask_;
    slots_[at] = {hash, value, 1};
  }

  void grow() {
    std::vector<Slot> before =
        std::exchange(slots_, std::vector<Slot>(slots_.empty() ? kFirst : slots_.size() * 2));
    mask_ = slots_.size() - 1;
    for (const Slot& slot : before) {
      if (slot.used != 0) put(slot.hash, slot.value);
    }
  }

  std::vector<Slot> slots_;
  size_t mask_ = 0, size_ = 0;
};

}  // namespace penstock::definitions
