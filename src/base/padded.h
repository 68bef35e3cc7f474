// PaddedBuffer: bytes that a SIMD JSON parser may over-read.
//
// Always owns at least kPadding readable bytes behind `size()`. Grows by doubling up to the limit
// its user passes; shrinks back with `trim` so that one large request does not keep its memory.
// Not thread safe; one owner.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace penstock {

class PaddedBuffer {
 public:
  static constexpr size_t kPadding = 64;

  char* data() { return data_.get(); }
  const char* data() const { return data_.get(); }
  size_t size() const { return size_; }
  /// Bytes that may be written without growing (padding not counted).
  size_t capacity() const { return capacity_; }
  std::string_view view() const { return {data_.get(), size_}; }

  /// Makes room for `capacity` bytes, keeping the first `size()`.
  void reserve(size_t capacity) {
    if (capacity <= capacity_ && data_ != nullptr) return;
    size_t grown = capacity_ * 2;
    if (grown < capacity) grown = capacity;
    if (grown < 4096) grown = 4096;
    auto fresh = std::make_unique_for_overwrite<char[]>(grown + kPadding);
    if (size_ > 0) std::memcpy(fresh.get(), data_.get(), size_);
    data_ = std::move(fresh);
    capacity_ = grown;
  }
  /// Sets the size (within capacity) and clears the padding behind it.
  void resize(size_t size) {
    reserve(size);
    size_ = size;
    std::memset(data_.get() + size_, 0, kPadding);
  }
  void assign(std::string_view bytes) {
    size_ = 0;
    reserve(bytes.size());
    if (!bytes.empty()) std::memcpy(data_.get(), bytes.data(), bytes.size());
    resize(bytes.size());
  }
  void append(std::string_view bytes) {
    reserve(size_ + bytes.size());
    if (!bytes.empty()) std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
    resize(size_ + bytes.size());
  }
  void clear() { size_ = 0; }
  /// Gives the memory back if it is larger than `keep`.
  void trim(size_t keep) {
    if (capacity_ > keep) {
      data_.reset();
      capacity_ = 0;
      size_ = 0;
    }
  }

 private:
  std::unique_ptr<char[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace penstock
