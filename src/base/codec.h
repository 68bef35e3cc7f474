// ByteWriter and ByteReader: how records are laid out, in memory, on disk and between processes.
//
// Little-endian fixed integers, LEB128 varints, length-prefixed strings. The writer appends to a
// string it does not own; the reader walks a view it does not own and never reads past its end:
// after a short or malformed read `ok()` is false, every later read answers zero or empty, and the
// caller checks once at the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "base/ids.h"

namespace penstock {

/// Bytes that ByteWriter::varint, zigzag and bytes append.
constexpr size_t varint_size(uint64_t v) {
  return (static_cast<size_t>(std::bit_width(v | 1)) + 6) / 7;
}
constexpr size_t zigzag_size(int64_t v) {
  return varint_size((static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63));
}
constexpr size_t bytes_size(std::string_view v) { return varint_size(v.size()) + v.size(); }

class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void u8(uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void u32(uint32_t v) { raw(&v, sizeof v); }
  void u64(uint64_t v) { raw(&v, sizeof v); }
  void i64(int64_t v) { raw(&v, sizeof v); }
  void varint(uint64_t v) {
    char buffer[10];
    size_t n = 0;
    while (v >= 0x80) {
      buffer[n++] = static_cast<char>(v | 0x80);
      v >>= 7;
    }
    buffer[n++] = static_cast<char>(v);
    out_.append(buffer, n);
  }
  /// Small negative numbers stay small.
  void zigzag(int64_t v) {
    varint((static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63));
  }
  void bytes(std::string_view v) {
    varint(v.size());
    out_.append(v);
  }
  void uuid(const Uuid& v) { raw(v.bytes.data(), v.bytes.size()); }

 private:
  void raw(const void* data, size_t size) { out_.append(static_cast<const char*>(data), size); }

  std::string& out_;
};

/// The same into memory whose size was computed before, which spares a check for every field.
/// Writing more than there is room for is a mistake of the caller that nothing catches but the
/// sanitizers: `at()` says afterwards whether the sizes agreed.
class FixedWriter {
 public:
  explicit FixedWriter(char* at) : at_(at) {}

  const char* at() const { return at_; }
  void u8(uint8_t v) { *at_++ = static_cast<char>(v); }
  void u32(uint32_t v) { raw(&v, sizeof v); }
  void i64(int64_t v) { raw(&v, sizeof v); }
  void varint(uint64_t v) {
    for (; v >= 0x80; v >>= 7) *at_++ = static_cast<char>(v | 0x80);
    *at_++ = static_cast<char>(v);
  }
  void zigzag(int64_t v) {
    varint((static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63));
  }
  void bytes(std::string_view v) {
    varint(v.size());
    raw(v.data(), v.size());
  }
  void uuid(const Uuid& v) { raw(v.bytes.data(), v.bytes.size()); }
  void raw(const void* data, size_t size) {
    if (size > 0) std::memcpy(at_, data, size);
    at_ += size;
  }

 private:
  char* at_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view in) : in_(in) {}

  bool ok() const { return ok_; }
  bool at_end() const { return in_.empty(); }
  size_t remaining() const { return in_.size(); }

  uint8_t u8() {
    uint8_t v = 0;
    raw(&v, sizeof v);
    return v;
  }
  uint32_t u32() {
    uint32_t v = 0;
    raw(&v, sizeof v);
    return v;
  }
  uint64_t u64() {
    uint64_t v = 0;
    raw(&v, sizeof v);
    return v;
  }
  int64_t i64() { return static_cast<int64_t>(u64()); }
  uint64_t varint() {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t b = u8();
      if (!ok_) return 0;
      v |= static_cast<uint64_t>(b & 0x7f) << shift;
      if ((b & 0x80) == 0) return v;
    }
    ok_ = false;
    return 0;
  }
  int64_t zigzag() {
    const uint64_t v = varint();
    return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
  }
  /// A view into the reader's input.
  std::string_view bytes() {
    const uint64_t n = varint();
    if (!ok_ || n > in_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view v = in_.substr(0, n);
    in_.remove_prefix(n);
    return v;
  }
  Uuid uuid() {
    Uuid v;
    raw(v.bytes.data(), v.bytes.size());
    return v;
  }
  /// Everything not read yet; the reader is at its end afterwards.
  std::string_view rest() { return std::exchange(in_, std::string_view{}); }

 private:
  void raw(void* data, size_t size) {
    if (!ok_ || in_.size() < size) {
      ok_ = false;
      return;
    }
    std::memcpy(data, in_.data(), size);
    in_.remove_prefix(size);
  }

  std::string_view in_;
  bool ok_ = true;
};

}  // namespace penstock
